"""Between the outbox in memory and the spool on the disk.

What has waited in memory for 5 s is put on the disk, all of it in one go, at most once a second; a connection sends it
from there, the oldest first, records before telemetry. When room had to be made, or a segment could not be read, what
went is declared by a signed gap record.

A disk that takes nothing is told of once: until it takes something again everything stays in memory, as far as there is
room for it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from agent.uplink.lane import Broken, Entry
from agent.uplink.needs import Clock
from agent.uplink.outbox import Item, Outbox
from agent.uplink.spool import Kind, Spool

EVERY_S: Final = 1.0
FINISH_S: Final = 2.0
CHUNK: Final = 64  # records read from the disk at a time

log = logging.getLogger(__name__)


class Store:
    """The disk's half of what waits for the broker."""

    def __init__(
        self,
        outbox: Outbox,
        spool: Spool,
        boot: str,
        clock: Clock,
        alarm: Callable[[str], None],
        lost: Callable[[], None],
    ) -> None:
        self.spool = spool
        self._outbox = outbox
        self._boot = boot
        self._clock = clock
        self._alarm = alarm
        self._on_lost = lost
        self._trouble = ""

    async def run(self) -> None:
        """Puts on the disk what has waited too long."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.put()

    async def put(self, *, everything: bool = False) -> None:
        """What has to go to the disk now."""
        items = self._outbox.due(self._clock.monotonic_ns(), everything=everything)
        if not items:
            return
        try:
            gone = await self.spool.put([self._entry(item) for item in items])
        except OSError as error:
            trouble = f"records that wait for the broker cannot be put on the disk: {error.strerror or error}"
            if trouble != self._trouble:
                self._alarm(f"{trouble}; make room, or mend it: until then they are only in memory")
            self._trouble = trouble
            return
        self._trouble = ""
        self._outbox.stored(items)
        self._declare(gone)

    async def send(self, publish: Callable[[str, bytes], Awaitable[None]], pause_s: float) -> None:
        """Sends what is on the disk, until there is nothing; whatever `publish` raises ends it."""
        await self.spool.give_back()
        while not self.spool.empty:
            taken = await self.spool.take(Kind.RECORDS, CHUNK)
            if not taken.entries:
                taken = await self.spool.take(Kind.TELEMETRY, CHUNK)
            for entry in taken.entries:
                if isinstance(entry, Broken):
                    self._declare([entry])
                    continue
                await publish(entry.channel, entry.data)
                if entry.boot == self._boot:
                    self._outbox.delivered_from_disk(entry.channel, entry.seq)
                await self.spool.done(taken)
                await asyncio.sleep(pause_s)
        self._outbox.disk_is_empty()

    async def finish(self) -> None:
        """The agent stops: what still waits goes to the disk, if that takes it within 2 s."""
        try:
            async with asyncio.timeout(FINISH_S):
                await self.put(everything=True)
                await self.spool.close()
        except TimeoutError:
            log.warning("stopping: the disk did not take %d records within %g s", len(self._outbox), FINISH_S)

    def _declare(self, gone: Sequence[Entry | Broken]) -> None:
        for entry in gone:
            if isinstance(entry, Broken):
                self._alarm(f"a part of what waited for the broker cannot be read: {entry.segment} {entry.why}")
                for channel, first, last in entry.lost:
                    self._outbox.lose(channel, first, last, "corrupt")
            else:
                of = None if entry.boot == self._boot else entry.boot
                self._outbox.lose(entry.channel, entry.low, entry.seq, "spool_full", of)
        if gone:
            self._on_lost()

    def _entry(self, item: Item) -> Entry:
        return Entry(self._boot, item.channel, item.seq, item.low, item.rank, item.data)
