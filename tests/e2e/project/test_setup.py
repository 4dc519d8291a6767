"""packaging/setup.sh on machines that lack things: one line that says what to do, and a failure.

The machine is a folder of commands that is all the script's PATH. What apt-get really does was tried on a bare Debian.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.project.tree import ROOT

TOOLS = ("sh", "dirname", "cat", "mktemp", "rm")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A Debian on which everything is installed, for a user who is nobody special."""
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(
            next(path for path in (Path("/bin") / tool, Path("/usr/bin") / tool) if path.exists())
        )
    command(tmp_path, "id", "echo 1000")
    command(tmp_path, "dpkg-query", "echo installed")
    return tmp_path


def command(machine: Path, name: str, script: str) -> None:
    path = machine / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def setup(machine: Path, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "packaging/setup.sh", what],
        env={"PATH": str(machine)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_with_everything_installed_nothing_is_done(machine: Path) -> None:
    done = setup(machine, "debian")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_user_who_may_not_install_is_told_the_command(machine: Path) -> None:
    command(machine, "dpkg-query", 'case "$*" in *mbpoll*) exit 1 ;; *) echo installed ;; esac')

    done = setup(machine, "debian")

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "setup: missing Debian packages: mbpoll; install them with: sudo packaging/setup.sh debian"
    ]


def test_a_half_installed_package_counts_as_missing(machine: Path) -> None:
    command(machine, "dpkg-query", 'case "$*" in *socat*) echo config-files ;; *) echo installed ;; esac')

    assert "missing Debian packages: socat;" in setup(machine, "debian").stderr


def test_a_system_without_dpkg_is_told_what_is_needed(machine: Path) -> None:
    os.unlink(machine / "dpkg-query")

    done = setup(machine, "debian")

    assert done.returncode == 1
    assert "need Debian or Ubuntu, for: mosquitto" in done.stderr


def test_an_unknown_word_is_answered_with_the_usage(machine: Path) -> None:
    done = setup(machine, "everything")

    assert (done.returncode, done.stderr) == (1, "setup: usage: packaging/setup.sh python|debian\n")
