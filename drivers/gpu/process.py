"""The NVML worker as its supervisor sees it: a process that is asked, and killed when it doesn't answer in time.

A process inside a hung driver call may be in state D: SIGKILL is then only noticed when the call comes back, perhaps
never (gpud issue 117). Nobody waits for such a corpse; they are counted, because each holds a descriptor of the driver.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from typing import Protocol

from drivers.errors import Garbled
from drivers.gpu.frames import FrameSplitter, frame
from drivers.gpu.messages import Health
from drivers.gpu.orders import Answer, Applied, Enumerated, Looked, Order

_corpses: list[subprocess.Popen[bytes]] = []


class WorkerLost(Exception):
    """The worker can't be asked any more, and was killed."""

    def __init__(self, health: Health, detail: str) -> None:
        super().__init__(f"{health}: {detail}")
        self.health = health
        self.detail = detail


class Worker(Protocol):
    """Somebody who does orders for the supervisor."""

    async def ask(self, order: Order, within_s: float) -> Answer:
        """One order and its answer; WorkerLost when it is hung or dead, and then it is ended. One at a time."""
        ...

    def end(self) -> None:
        """Kill it; it is reaped when it is gone."""
        ...


class WorkerProcess:
    """One started worker: a Worker."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # The launcher may have put paths in front that the environment doesn't have.
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path or os.getcwd() for path in sys.path))
        command = [sys.executable, "-m", "drivers.gpu.worker"]
        with theirs:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment
            )
        self._socket = ours
        self._splitter = FrameSplitter(Enumerated | Looked | Applied, "NVML worker")
        self._answers: deque[Answer] = deque()

    async def ask(self, order: Order, within_s: float) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within_s):
                await loop.sock_sendall(self._socket, frame(order))
                while not self._answers:
                    data = await loop.sock_recv(self._socket, 1 << 16)
                    if not data:
                        raise ConnectionResetError("it ended")
                    self._answers.extend(self._splitter.feed(data))
        except TimeoutError as error:
            self.end()
            raise WorkerLost("hung", f"no answer to {type(order).__name__} within {within_s:g} s") from error
        except (OSError, Garbled) as error:
            status = self._process.poll()
            self.end()
            raise WorkerLost("crashed", f"{error}, exit status {status}") from error
        return self._answers.popleft()

    def end(self) -> None:
        self._socket.close()
        self._process.kill()
        _corpses.append(self._process)


def corpses() -> int:
    """How many killed workers are still there."""
    _corpses[:] = [process for process in _corpses if process.poll() is None]
    return len(_corpses)
