"""A transport that answers as it is told, on a loop whose time jumps."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from drivers.errors import Silent, Unreachable
from drivers.modbus.link import Link
from drivers.modbus.transport import WriteTable
from drivers.profile import AnyTable
from tests.sim.loop import VirtualLoop

T = TypeVar("T")

SILENT = "silent"  # never answers
LOST = "lost"  # the connection goes away, and with it the answer


def on_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Run it with time that passes at once."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def now_ns() -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.now_ns


class FakeTransport:
    """Answers a read with its next saying: registers, an exception, SILENT or LOST; with zeros after the last."""

    address = "10.0.0.1:502"

    def __init__(self, sayings: Iterable[tuple[int, ...] | BaseException | str] = (), *, took_s: float = 0.002) -> None:
        self.sayings = deque(sayings)
        self.took_s = took_s
        self.refusing = 0  # connects to refuse from now on
        self.connect_took_s = 0.001
        self.connected = False
        self.connects_ns: list[int] = []
        self.reads: list[tuple[int, str, int, int]] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self.closes = 0
        self.quiet_s = 0.0
        self.settled = 0
        self.writes: list[tuple[int, str, int, tuple[int, ...]]] = []

    async def connect(self) -> None:
        self.connects_ns.append(now_ns())
        await asyncio.sleep(self.connect_took_s)
        if self.refusing:
            self.refusing -= 1
            raise Unreachable(self.address, "connection refused")
        self.connected = True

    async def read(self, unit: int, table: AnyTable, at: int, count: int) -> tuple[int, ...]:
        self.reads.append((unit, table, at, count))
        return await self._exchange((0,) * count)

    async def write(self, unit: int, table: WriteTable, at: int, values: Sequence[int]) -> None:
        self.writes.append((unit, table, at, tuple(values)))
        await self._exchange(())

    async def _exchange(self, usual: tuple[int, ...]) -> tuple[int, ...]:
        assert self.connected
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            await asyncio.sleep(self.took_s)
            saying = self.sayings.popleft() if self.sayings else usual
            if isinstance(saying, BaseException):
                raise saying
            if saying == LOST:
                self.connected = False
                raise Silent(self.address, "closed the connection before it answered")
            if isinstance(saying, str):
                await asyncio.Event().wait()
                raise AssertionError("an event that nobody sets")
            return saying
        finally:
            self.in_flight -= 1

    def settle(self) -> None:
        self.settled += 1

    def close(self) -> None:
        self.closes += 1
        self.connected = False


def link_to(transport: FakeTransport) -> Link:
    """A link without luck: its jitter is 0."""
    return Link(transport, now_ns, lambda: 0.0)
