"""The libmodbus server is compiled once; each test that wants one starts its own and ends it by its process."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.modbus.plc import PlcProgram

Serve = Callable[[str], tuple[int, subprocess.Popen[str]]]


@pytest.fixture(scope="session")
def server_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("libmodbus") / "server"
    source = Path(__file__).with_name("server.c")
    subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, source, "-lmodbus"], check=True)
    return program


@pytest.fixture
def serve(server_program: Path) -> Iterator[Serve]:
    """Start a server with these registers; gives its port and the process, whose standard output lists the reads."""
    started = []

    def start(registers: str) -> tuple[int, subprocess.Popen[str]]:
        process = subprocess.Popen([server_program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(registers)
        process.stdin.close()
        return int(process.stdout.readline()), process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def plc_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("libmodbus") / "plc"
    source = Path(__file__).with_name("plc.c")
    subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, source, "-lmodbus"], check=True)
    return program


@pytest.fixture
def start_plc(plc_program: Path) -> Iterator[Callable[..., PlcProgram]]:
    """Start PLCs; `where` is "tcp" or a serial port."""
    started: list[PlcProgram] = []

    def start(where: str = "tcp") -> PlcProgram:
        started.append(PlcProgram(plc_program, where))
        return started[-1]

    yield start
    for plc in started:
        plc.stop()
