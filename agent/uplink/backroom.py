"""Sealing off the path: what app tells is put here at once and sealed later, one envelope a turn of the loop.

An envelope of 32 KiB takes about 1 ms to encode and sign; an event that names ten thousand loads is ten of them.
Between two of them everything else on the loop has its turn.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from msgspec import Struct

from agent.uplink.outbox import Outbox, Rank
from agent.uplink.records import Body
from agent.uplink.sealer import Sealer

WAITING_MAX = 64  # rounds of telemetry and events; reached only if the loop is starved for a minute


class Told(Struct, frozen=True):
    """Records of one channel that are still to be sealed, in order."""

    channel: str
    kind: str
    rank: Rank
    at_ns: int
    bodies: Iterator[Body]


class Backroom:
    """Told -> sealed -> outbox."""

    def __init__(self, sealer: Sealer, outbox: Outbox, on_sealed: Callable[[], None]) -> None:
        self._sealer = sealer
        self._outbox = outbox
        self._on_sealed = on_sealed
        self._waiting: deque[Told] = deque()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, told: Told) -> None:
        """Never waits; when there is no room the record is lost, and that will be declared."""
        if len(self._waiting) >= WAITING_MAX:
            seq = self._sealer.take_seq(told.channel)
            self._outbox.lose(told.channel, seq, seq, "policy")
            return
        self._waiting.append(told)
        self._wake.set()

    async def run(self) -> None:
        while True:
            while self._waiting:
                told = self._waiting[0]
                for body in told.bodies:
                    seq, data = self._sealer.seal(told.channel, told.kind, body, told.at_ns)
                    self._outbox.put(told.channel, seq, data, told.rank, self._sealer.now_ns())
                    self._on_sealed()
                    await asyncio.sleep(0)
                self._waiting.popleft()
            self._wake.clear()
            await self._wake.wait()
