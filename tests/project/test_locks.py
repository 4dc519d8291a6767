"""The locks pin everything by hash, for x86-64 and arm64 alike, and know no machine: `make lock` renews them."""

import re

import pytest

from tests.project.tree import ROOT

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PINNED = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==[0-9][^ ]*( ; .+)?")

# A lock with one of these would install from wherever it was made.
PLACES = re.compile(
    r"://| @ |(^|\s)--?(index|extra-index|find-links|trusted|e\b|r\b|c\b|i\b|f\b)|(^|\s)[./~]|file:", re.I
)


def requirements(text: str) -> dict[str, list[str]]:
    """Each requirement of a lock, with the hashes that may satisfy it."""
    lines = text.replace("\\\n", " ").splitlines()
    split = [re.split(r"\s+(?=--hash)", line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    return {parts[0].strip(): [part.strip() for part in parts[1:]] for parts in split}


def faults(text: str) -> list[str]:
    """What is wrong with a lock, requirement by requirement."""
    found = [f"a place: {line}" for line in text.splitlines() if PLACES.search(line)]
    for requirement, hashes in requirements(text).items():
        if not PINNED.fullmatch(requirement):
            found.append(f"not pinned: {requirement}")
        if not hashes or not all(HASH.fullmatch(entry) for entry in hashes):
            found.append(f"not by SHA-256: {requirement}")
    return found


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_a_lock_pins_everything_by_hash_and_names_no_place(name: str) -> None:
    text = (ROOT / "locks" / name).read_text("ascii")

    assert len(requirements(text)) >= 10
    assert faults(text) == []


def test_what_runs_is_tested_in_the_same_versions_and_files() -> None:
    run, dev = (
        {name.partition(" ;")[0]: hashes for name, hashes in requirements((ROOT / lock).read_text("ascii")).items()}
        for lock in ("locks/run.txt", "locks/dev.txt")
    )

    assert {name: dev.get(name) for name in run} == run


@pytest.mark.parametrize("package", ["msgspec", "uvloop", "cffi", "cryptography"])
def test_compiled_libraries_have_more_than_one_build(package: str) -> None:
    run = requirements((ROOT / "locks/run.txt").read_text("ascii"))

    builds = next(hashes for name, hashes in run.items() if name.startswith(f"{package}=="))

    assert len(builds) >= 6, f"{package}: three Pythons on two architectures need six wheels"


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example.net/simple",
        "--extra-index-url file:///opt/simple",
        "--find-links /opt/wheels",
        "-f /opt/wheels",
        "-e .",
        "-r other.txt",
        "msgspec @ https://files.example.net/msgspec.whl",
        "./wheels/msgspec.whl",
        "/opt/wheels/msgspec.whl",
        "msgspec==0.22.0 --hash=md5:0123",
        "msgspec==0.22.0",
        "msgspec>=0.22 --hash=sha256:" + 64 * "0",
    ],
)
def test_a_bad_line_in_a_lock_is_found(line: str) -> None:
    assert faults(line) != []


def test_a_good_line_in_a_lock_is_not_a_fault() -> None:
    good = "cffi==2.1.1 ; platform_python_implementation != 'PyPy' \\\n    --hash=sha256:" + 64 * "a"

    assert faults(good) == []
