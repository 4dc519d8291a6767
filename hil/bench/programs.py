"""The bench's C programs: compiled when they changed, started, spoken to by their line protocols, ended by their pid.

fleet.c has the protocol of the fleet and its meter, floor.c that of the floor. All times are CLOCK_MONOTONIC in ns,
which Python's time.monotonic_ns() reads too.
"""

import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from hil.bench.machine import BenchError

SOURCES = Path(__file__).parent
HEADERS = ("bench.h", "meter.h")
FLAGS = ("-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-I/usr/include/modbus")
PROGRAMS = {
    "fleet": (("fleet.c", "meter.c", "common.c"), ("-pthread", "-lm")),
    "floor": (("floor.c", "common.c"), ("-lmodbus",)),
}

REFRESH_MS = 200  # the measuring window of a Janitza UMG 604
START_S_MAX = 20.0


def build(folder: Path) -> None:
    """Compiles what is older than its sources into folder."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise BenchError("no C compiler: apt-get install gcc libc6-dev")
    folder.mkdir(parents=True, exist_ok=True)
    for name, (sources, libraries) in PROGRAMS.items():
        target = folder / name
        newest = max((SOURCES / source).stat().st_mtime for source in (*sources, *HEADERS))
        if target.exists() and target.stat().st_mtime >= newest:
            continue
        command = [compiler, *FLAGS, "-o", str(target), *(str(SOURCES / source) for source in sources), *libraries]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{name} does not compile (libmodbus-dev installed?):\n{done.stderr}")


class Told(Struct, frozen=True):
    """How far one volley came."""

    count: int  # miners that read the last byte of their verb since the frequency was set
    first_ns: int
    last_ns: int
    served_ns: int  # when the meter first answered with the new frequency
    verbs: int  # how often a verb was read until then: more than count where requests were repeated


class Program:
    """One started program; leaving the context ends it."""

    def __init__(self, command: list[str]) -> None:
        self.name = Path(command[0]).name
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the program and waits until it is gone."""
        self._process.terminate()
        self._process.communicate()

    def tell(self, line: str) -> None:
        """Writes one line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> list[str]:
        """The words of its next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"{self.name} ended with {self._process.wait()}; its words are above")
        return line.split()


class Fleet(Program):
    """N miners on 127.NET.x.y:4028 and their meter."""

    def __init__(self, folder: Path, net: int, miners: int, watts: int, dialect: str = "avalon") -> None:
        super().__init__([str(folder / "fleet"), str(net), str(miners), str(watts), str(REFRESH_MS), dialect])
        self.net, self.miners, self.dialect = net, miners, dialect
        _, control, _, meter = self.hear()
        self.meter_port = int(meter)
        self._control = socket.create_connection(("127.0.0.1", int(control)), START_S_MAX)
        self._control.settimeout(None)
        self._lines = self._control.makefile("rw")

    def close(self) -> None:
        self._lines.close()
        self._control.close()
        super().close()

    def set_frequency(self, hz: float) -> int:
        """Sets the meter's register, forgets who was told, and answers when the register changed."""
        return int(self._ask(f"frequency {hz}")[1])

    def wait_told(self, wait_s: float) -> Told:
        """Once every miner is told, or after wait_s."""
        return Told(*(int(word) for word in self._ask(f"told {self.miners} {int(wait_s * 1000)}")[1:]))

    def wait_on(self, wait_s: float) -> int:
        """How many miners are on: once all are, or after wait_s."""
        return int(self._ask(f"on {self.miners} {int(wait_s * 1000)}")[1])

    def wake(self) -> None:
        """Turns every miner on, without a wire."""
        self._ask("wake")

    def _ask(self, line: str) -> list[str]:
        self._lines.write(line + "\n")
        self._lines.flush()
        answer = self._lines.readline()
        if not answer:
            raise BenchError("the fleet is gone; its words are above")
        return answer.split()


class Floor(Program):
    """The C program that does what the agent must do."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        where = [str(fleet.meter_port), str(fleet.net), str(fleet.miners), fleet.dialect]
        super().__init__([str(folder / "floor"), *where])
        self.hear()

    def arm(self) -> None:
        """Begins to poll; the next crossing starts a volley."""
        self.tell("go")

    def finish(self) -> int:
        """Waits for the volley's end; how many miners answered."""
        return int(self.hear()[1])
