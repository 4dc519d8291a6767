"""The libmodbus PLC (plc.c) as a process: told by lines, heard by lines."""

import queue
import subprocess
import threading
from pathlib import Path

from msgspec import Struct

WAIT_S = 60.0


class Asked(Struct, frozen=True):
    """One request as the PLC took it in."""

    function: int
    at: int
    second: int  # a count, or the value of a single write: 0xFF00 is a coil's 1
    at_ns: int


class PlcProgram:
    """A PLC on libmodbus; `port` is its TCP port, 0 on a serial line."""

    def __init__(self, program: Path, where: str = "tcp") -> None:
        self._process = subprocess.Popen([program, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.asked: list[Asked] = []
        self._done: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, name="plc")
        self._listener.start()

    def tell(self, line: str) -> None:
        """Give it a line; returns when it was taken."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert self._done.get(timeout=WAIT_S) == line.split()[0]

    def requests(self) -> list[Asked]:
        """Every request so far."""
        self.tell("all")  # it answers after all that it has said before
        return list(self.asked)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            first, *others = line.split()
            if first == "done":
                self._done.put(others[0])
            else:
                self.asked.append(Asked(int(first), *map(int, others)))
