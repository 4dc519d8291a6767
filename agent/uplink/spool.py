"""What waits for the broker on the disk: two lanes, a cap, and room left for others.

Records go here only when they had to wait (agent/uplink/outbox.py): with a healthy broker nothing is written. Telemetry
has a lane of its own, because it goes first when there is no room: the oldest segment of telemetry, then the oldest of
everything else. What went is answered, so that it is declared; a gap record that went is put again at the end, for it
stands for at least one record that did.

The work is done in a thread, one call after another; nothing in the agent waits for it but the sending of what waited.
"""

import errno
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Final

from agent.uplink.lane import Broken, Entry, Lane
from agent.uplink.needs import Disk, Spawn
from agent.uplink.outbox import Rank

FREE_BYTES_MIN: Final = 64 << 20  # left to the journal and to everybody else on this disk
SLICE_BYTES: Final = 1 << 18
RECORD_BYTES: Final = 64  # of one entry beside its envelope, about


class Kind(IntEnum):
    """The lanes, in the order in which they are sent."""

    RECORDS = 0
    TELEMETRY = 1


class Taken:
    """Entries that are on their way to the broker; good until room had to be made."""

    def __init__(self, kind: Kind, entries: list[Entry | Broken], making: int) -> None:
        self.kind = kind
        self.entries = entries
        self.making = making


class Spool:
    """The lanes. `open` first; raises OSError when there can be no such folder."""

    def __init__(self, disk: Disk, folder: Path, bytes_max: int, spawn: Spawn) -> None:
        self._disk = disk
        self._folder = folder
        self._bytes_max = bytes_max
        self._spawn = spawn
        self._lanes = {kind: Lane(disk, folder / kind.name.lower()) for kind in Kind}
        self._making = 0  # how often room had to be made
        self._lost: list[Entry | Broken] = []  # gone, and not answered yet
        self._again: list[Entry] = []  # gap records to put again
        self.bytes = 0
        self.empty = True
        self.earlier = False  # something of an earlier start may be in it

    async def open(self) -> None:
        await self._spawn.in_thread(self._open)

    async def put(self, entries: Sequence[Entry]) -> list[Entry | Broken]:
        """Durable when it returns; what had to go for it. Raises OSError: then nothing was put."""
        return await self._spawn.in_thread(self._put, entries)

    async def take(self, kind: Kind, count: int) -> Taken:
        """The oldest ones of a lane, for `done`."""
        return await self._spawn.in_thread(self._take, kind, count)

    async def done(self, taken: Taken, count: int = 1) -> None:
        """The oldest ones of what was taken are done with."""
        await self._spawn.in_thread(self._done, taken, count)

    async def give_back(self) -> None:
        """Everything taken and not done with is to be taken again."""
        await self._spawn.in_thread(self._give_back)

    async def close(self) -> None:
        await self._spawn.in_thread(self._close)

    def _open(self) -> None:
        for lane in self._lanes.values():
            lane.open()
        self._note()

    def _put(self, entries: Sequence[Entry]) -> list[Entry | Broken]:
        for slice_ in _slices(entries):
            self._make_room(sum(map(_size, slice_)))
            together = (*self._again, *slice_)
            for kind, lane in self._lanes.items():
                lane.put([entry for entry in together if _kind(entry) is kind])
            self._again.clear()
        lost, self._lost = self._lost, []
        self._note()
        return lost

    def _make_room(self, size: int) -> None:
        short = FREE_BYTES_MIN + size - self._disk.free_bytes(self._folder)
        if short > self._held():
            raise OSError(errno.ENOSPC, f"less than {FREE_BYTES_MIN >> 20} MiB are free there")
        over = max(short, self._held() + size - self._bytes_max)
        end = self._held() - over
        for lane in (self._lanes[Kind.TELEMETRY], self._lanes[Kind.RECORDS]):
            while over > 0 and self._held() > end and not lane.empty:
                self._making += 1
                for gone in lane.drop_oldest():
                    if isinstance(gone, Entry) and gone.rank == Rank.GAP:
                        self._again.append(gone)
                    else:
                        self._lost.append(gone)

    def _held(self) -> int:
        return sum(lane.size for lane in self._lanes.values())

    def _take(self, kind: Kind, count: int) -> Taken:
        taken = Taken(kind, self._lanes[kind].take(count), self._making)
        self._note()
        return taken

    def _done(self, taken: Taken, count: int) -> None:
        if taken.making == self._making:
            self._lanes[taken.kind].done(count)
            self._note()

    def _give_back(self) -> None:
        self._making += 1
        for lane in self._lanes.values():
            lane.give_back()

    def _close(self) -> None:
        for lane in self._lanes.values():
            lane.close()

    def _note(self) -> None:
        lanes = self._lanes.values()
        self.bytes = self._held()
        self.empty = all(lane.empty for lane in lanes)
        self.earlier = any(lane.earlier for lane in lanes)


def _slices(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """In order, each small beside the least spool that can be configured (1 MiB)."""
    found: list[Entry] = []
    for entry in entries:
        if found and sum(map(_size, found)) + _size(entry) > SLICE_BYTES:
            yield found
            found = []
        found.append(entry)
    if found:
        yield found


def _size(entry: Entry) -> int:
    return len(entry.data) + RECORD_BYTES


def _kind(entry: Entry) -> Kind:
    return Kind.TELEMETRY if entry.rank == Rank.TELEMETRY else Kind.RECORDS
