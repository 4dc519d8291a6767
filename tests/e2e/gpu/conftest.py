"""The fake library is compiled once; each test that wants one has its own machine of GPUs and starts its own gpud."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.gpu.fake import FakeDriver, build
from tests.e2e.gpu.asking import Gpud


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(library: Path, tmp_path: Path) -> FakeDriver:
    return FakeDriver(tmp_path / "driver", gpus=4, library=library)


@pytest.fixture
def start(driver: FakeDriver, tmp_path: Path) -> Iterator[Callable[..., Gpud]]:
    """Start a gpud with these further arguments; it is ended with the test."""
    started: list[Gpud] = []

    def begin(*arguments: str) -> Gpud:
        path = tmp_path / "gpud.sock"
        log = tmp_path / "gpud.log"
        command = [sys.executable, "-m", "agent", "gpud", "--socket", str(path), "--state-dir", str(tmp_path / "state")]
        with log.open("ab") as file:
            process = subprocess.Popen([*command, *arguments], env=os.environ | driver.environment(), stderr=file)
        started.append(Gpud(process, path, log))
        return started[-1]

    yield begin
    for gpud in started:
        gpud.process.kill()
        gpud.process.wait()
