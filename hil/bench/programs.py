"""The bench's C programs: compiled when they changed, started, spoken to by their line protocols, ended by their pid.

fleet.c has the protocol of the fleet, its meter and its PLC, floor.c that of the floor. All times are CLOCK_MONOTONIC
in ns, which Python's time.monotonic_ns() reads too.
"""

import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from hil.bench.machine import BenchError
from hil.loopback import free_net

SOURCES = Path(__file__).parent
HEADERS = ("bench.h", "fire.h", "fleet.h", "meter.h", "plc.h", "server.h")
FLAGS = ("-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-I/usr/include/modbus")
PROGRAMS = {
    "fleet": (("fleet.c", "replies.c", "meter.c", "plc.c", "server.c", "common.c"), ("-pthread", "-lm")),
    "floor": (("floor.c", "fire.c", "common.c"), ("-lmodbus",)),
}

REFRESH_MS = 200  # the measuring window of a Janitza UMG 604
START_S_MAX = 20.0
MINER_PORT = 4028
PER_SUBNET = 250
FED = 25  # miners that the contactor feeds


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
        made = target.with_suffix(".new")  # and renamed: another bench may be running the old one
        command = [compiler, *FLAGS, "-o", str(made), *(str(SOURCES / source) for source in sources), *libraries]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{name} does not compile (libmodbus-dev installed?):\n{done.stderr}")
        made.replace(target)


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

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

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
    """N miners on 127.x.y.z:4028, their meter, and a PLC where one is asked for: "contactor" or "tank"."""

    def __init__(self, folder: Path, miners: int, watts: int, dialect: str = "avalon", plc: str = "none") -> None:
        self.net = int(free_net(MINER_PORT).removeprefix("127."))
        super().__init__([str(folder / "fleet"), str(self.net), str(miners), str(watts), str(REFRESH_MS), dialect, plc])
        self.miners, self.dialect = miners, dialect
        _, control, _, meter, _, plc_port = self.hear()
        self.meter_port, self.plc_port = int(meter), int(plc_port)
        self._control = socket.create_connection(("127.0.0.1", int(control)), START_S_MAX)
        self._control.settimeout(None)
        self._lines = self._control.makefile("rw")

    def close(self) -> None:
        self._lines.close()
        self._control.close()
        super().close()

    def address(self, miner: int) -> str:
        """Where one listens."""
        return f"127.{self.net}.{miner // PER_SUBNET}.{miner % PER_SUBNET + 1}"

    def set_frequency(self, hz: float) -> int:
        """Sets the meter's register, forgets who was told, and answers when the register changed."""
        return int(self._ask(f"frequency {hz}")[1])

    def set_flow(self, lpm: float) -> int:
        """Sets the tank's register, forgets who was told, and answers when the register changed."""
        return int(self._ask(f"flow {lpm}")[1])

    def wait_told(self, wait_s: float, miners: int | None = None) -> Told:
        """Once every miner (or this many) is told, or after wait_s."""
        asked = f"told {self.miners if miners is None else miners} {int(wait_s * 1000)}"
        return Told(*(int(word) for word in self._ask(asked)[1:]))

    def wait_on(self, wait_s: float) -> int:
        """How many miners are on: once all are, or after wait_s."""
        return int(self._ask(f"on {self.miners} {int(wait_s * 1000)}")[1])

    def wait_opened(self, wait_s: float) -> tuple[int, int]:
        """When the contactor's coil was set to 0 since the frequency was set, 0 if it was not; when that was served."""
        _, opened, served = self._ask(f"opened {int(wait_s * 1000)}")
        return int(opened), int(served)

    def wake(self) -> None:
        """Turns every miner on and closes the contactor, without a wire."""
        self._ask("wake")

    def hang(self, miners: int) -> None:
        """The last so many take connections and never read; the others are well."""
        self._ask(f"hang {miners}")

    def polls(self) -> list[int]:
        """When the newest fast polls of the meter came."""
        return [int(word) for word in self._ask("polls")[1:]]

    def _ask(self, line: str) -> list[str]:
        self._lines.write(line + "\n")
        self._lines.flush()
        answer = self._lines.readline()
        if not answer:
            raise BenchError("the fleet is gone; its words are above")
        return answer.split()


class Floor(Program):
    """The C program that does what the agent must do: "volley", "hedged", "coil" or "tank"."""

    def __init__(self, folder: Path, fleet: Fleet, does: str = "volley") -> None:
        where = [str(fleet.meter_port), str(fleet.net), str(fleet.miners), fleet.dialect]
        plc = [str(fleet.plc_port)] if fleet.plc_port else []
        super().__init__([str(folder / "floor"), *where, does, *plc])
        self.hear()

    def arm(self) -> None:
        """Begins to poll; the next crossing starts a volley."""
        self.tell("go")

    def finish(self) -> int:
        """Waits for the volley's end; how many miners answered."""
        return int(self.hear()[1])
