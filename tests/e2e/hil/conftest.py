"""The independent judges: mbpoll, and a libmodbus client that is compiled once for the session."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Ask = Callable[..., str]


@pytest.fixture(scope="session")
def libmodbus(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Asks a server by libmodbus: libmodbus(port, unit, operation, address, *numbers) -> what the client printed."""
    program = tmp_path_factory.mktemp("libmodbus") / "client"
    source = Path(__file__).with_name("client.c")
    subprocess.run(
        ["gcc", "-O1", "-Wall", "-Werror", "-I/usr/include/modbus", str(source), "-o", str(program), "-lmodbus"],
        check=True,
    )

    def ask(port: int, unit: int, operation: str, at: int, *numbers: int) -> str:
        words = [str(program), str(port), str(unit), operation, str(at), *map(str, numbers)]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stdout.strip()

    return ask


def mbpoll(port: int, unit: int, kind: str, at: int, count: int = 1) -> list[float]:
    """What mbpoll reads; kind: 3:float (input registers) or 4:float (holding)."""
    words = f"mbpoll -1 -q -0 -B -a {unit} -t {kind} -r {at} -c {count} -p {port} 127.0.0.1".split()
    printed = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    return [float(line.partition("]:")[2]) for line in printed.splitlines() if line.startswith("[")]
