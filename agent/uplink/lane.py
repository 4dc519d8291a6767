"""A queue on the disk: records wait in it for the broker, in the order they were put, over crashes and restarts.

A lane is a folder:

    0000000007.seg   a segment: what was put in one or several goes, 1 MiB at most (and one record more)
    0000000008.seg   the newest; a start never appends to a segment of an earlier one
    cursor           {"segment": 7, "offset": 4711}: everything before it is done with
    *.bad            segments that could not be read to their end, kept for whoever wants to look (the newest few)

A segment is the magic, then per record: length and crc32 of the body (two big-endian 32-bit words), and the body, a
MessagePack array of an Entry's fields. What could not be read is found out when it is read: a segment that breaks off
is read up to there, told of and set aside, and the reading goes on with the next one. Nothing here ever keeps the agent
from starting.

`put` is durable when it returns. `done` writes the cursor only now and then: after a crash some records are sent again,
byte for byte, and a reader drops them by their numbers.

All calls block and belong in one thread (agent/shell/spawn.py). OSError comes out of `open` and `put` alone; after one
the next put goes to a new segment. Source: reference uplink-and-packaging.md 4 (how other agents lost
their spools: no cursor kept, no crc, one sync a record, a corrupt file that stopped the start).
"""

import struct
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from agent.uplink.needs import Disk, File

MAGIC: Final = b"BLSTLN1\n"
SEGMENT_BYTES: Final = 1 << 20  # small, because a segment is read whole, and dropped whole when there is no room
BODY_BYTES_MAX: Final = 1 << 17  # twice what an envelope may have (wire.md 8): a length above it is nonsense
CURSOR_EVERY: Final = 64  # records done with between two writes of the cursor
BAD_MAX: Final = 4  # segments set aside

_HEAD = struct.Struct(">II")


class Entry(Struct, frozen=True, array_like=True):
    """One sealed record."""

    boot: str
    channel: str
    seq: int
    low: int  # the lowest number it speaks for: its own, or the first that a gap declares
    rank: int  # agent.uplink.outbox.Rank
    data: bytes  # the envelope


class Broken(Struct, frozen=True):
    """A segment that could not be read to its end; what it held after that is not known any more."""

    segment: str
    why: str
    lost: tuple[tuple[str, int, int], ...]  # of this start: channel, lowest and highest number that were in it


class _Cursor(Struct, frozen=True):
    segment: int
    offset: int


class Lane:
    """One queue. `open` first."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        self._sizes: dict[int, int] = {}  # every segment that is not done with, oldest first
        self._wrote: dict[int, dict[str, tuple[int, int]]] = {}  # what this start put where: channel -> numbers
        self._broken: set[int] = set()
        self._bad: list[str] = []
        self._file: File | None = None  # of the newest segment, while it takes more
        self._own = 0  # the first segment of this start
        self._next = 1  # the number of the next segment
        self._reading = 0  # the newest segment that was loaded
        self._ahead: deque[tuple[_Cursor, Entry]] = deque()  # loaded and not taken; where each one ends
        self._taken: deque[_Cursor] = deque()  # taken and not done with
        self._undone = 0  # done with since the cursor was written
        self._at = _Cursor(0, 0)

    def open(self) -> None:
        """Finds what an earlier start left. Raises OSError when there can be no such folder."""
        self._disk.mkdir(self._folder)
        found = self._disk.sizes(self._folder)
        self._at = self._kept_place()
        for name in sorted(found):
            number = _number(name)
            if number is None:
                if name.endswith(".bad"):
                    self._bad.append(name)
            elif number < self._at.segment:
                self._disk.remove(self._folder / name)
            else:
                self._sizes[number] = found[name]
        self._next = self._own = max([self._at.segment, *self._sizes]) + 1

    @property
    def size(self) -> int:
        """What the segments hold that are not done with to their end."""
        return sum(self._sizes.values())

    @property
    def empty(self) -> bool:
        """Nothing is left to take or to be done with."""
        return not self._sizes

    @property
    def earlier(self) -> bool:
        """Something of an earlier start may still be in it."""
        return any(number < self._own for number in self._sizes)

    def put(self, entries: Sequence[Entry]) -> None:
        """Durable when it returns. Raises OSError; then these are to be put again."""
        wrote: list[tuple[int, Entry]] = []
        try:
            for entry in entries:
                wrote.append((self._append(entry), entry))
            if self._file is not None:
                self._file.sync()
        except OSError:
            self._rotate()  # nothing is known of what a failed write or sync left behind; what was there before is safe
            raise
        for number, entry in wrote:
            numbers = self._wrote.setdefault(number, {})
            low, high = numbers.get(entry.channel, (entry.low, entry.seq))
            numbers[entry.channel] = (min(low, entry.low), max(high, entry.seq))

    def take(self, count: int) -> list[Entry | Broken]:
        """The oldest ones that were not taken yet; fewer when a segment ends, none when there are none."""
        if not self._ahead:
            number = min((number for number in self._sizes if number > self._reading), default=None)
            if number is None:
                return []
            broken = self._load(number)
            if broken is not None:
                return [broken]
            if not self._ahead:
                return self.take(count)
        found: list[Entry | Broken] = []
        while self._ahead and len(found) < count:
            end, entry = self._ahead.popleft()
            self._taken.append(end)
            found.append(entry)
        return found

    def done(self, count: int = 1) -> None:
        """The oldest taken ones are done with."""
        if not count:
            return
        for _ in range(count):
            self._at = self._taken.popleft()
        self._undone += count
        if not self._ahead and not self._taken:
            self._at = _Cursor(self._reading + 1, 0)
        if self._at.offset == 0 or self._undone >= CURSOR_EVERY:
            self.keep_place()
        self._clear()

    def give_back(self) -> None:
        """What was taken and is not done with is to be taken again."""
        self._ahead.clear()
        self._taken.clear()
        self._reading = 0

    def keep_place(self) -> None:
        """The cursor, durable; what cannot be written is written another time."""
        try:
            self._disk.replace(self._folder / "cursor", msgspec.json.encode(self._at))
        except OSError:
            return
        self._undone = 0

    def drop_oldest(self) -> list[Entry | Broken]:
        """Makes room: the oldest segment goes; what it held and was not done with. Nothing is taken at that time."""
        if not self._sizes:
            return []
        self.give_back()
        oldest = min(self._sizes)
        broken = self._load(oldest)
        dropped: list[Entry | Broken] = [entry for _, entry in self._ahead]
        self.give_back()
        self._at = _Cursor(oldest + 1, 0)
        self.keep_place()
        self._clear()
        return dropped if broken is None else [*dropped, broken]

    def close(self) -> None:
        """The place is kept; without this a few records are sent again."""
        self._rotate()
        self.keep_place()

    def _append(self, entry: Entry) -> int:
        """The segment that it went to."""
        if self._file is not None and self._sizes[self._next - 1] >= SEGMENT_BYTES:
            self._file.sync()
            self._rotate()
        if self._file is None:
            self._file = self._disk.open_append(self._path(self._next))
            self._sizes[self._next] = 0
            self._next += 1
            self._write(MAGIC)
        body = msgspec.msgpack.encode(entry)
        self._write(_HEAD.pack(len(body), zlib.crc32(body)) + body)
        return self._next - 1

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        self._sizes[self._next - 1] += len(data)
        self._file.write(data)

    def _rotate(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _load(self, number: int) -> Broken | None:
        """A segment from the cursor on, to be taken; what is wrong with it."""
        if number == self._next - 1:
            self._rotate()
        self._reading = number
        start = self._at.offset if number == self._at.segment else 0
        try:
            data = self._disk.read(self._path(number)) or b""
        except OSError as error:
            data, why = b"", error.strerror or str(error)
        else:
            why = ""
        end = start
        for end, entry in _records(data, start):
            self._ahead.append((_Cursor(number, end), entry))
        if not why and end < len(data):
            why = f"breaks off at byte {end} of {len(data)}"
        if not self._ahead and not self._taken:
            self._at = _Cursor(number + 1, 0)
        if not data and number >= self._own:  # of an earlier start: it crashed before the first record was durable
            why = why or "nothing is in it"
        broken = self._what_broke(number, why) if why else None
        if broken is not None:
            self._broken.add(number)
        self._clear()
        return broken

    def _what_broke(self, number: int, why: str) -> Broken:
        read: dict[str, int] = {}
        for _, entry in self._ahead:
            read[entry.channel] = max(read.get(entry.channel, -1), entry.seq)
        lost = []
        for channel, (low, high) in self._wrote.get(number, {}).items():
            low = max(low, read.get(channel, -1) + 1)
            if low <= high:
                lost.append((channel, low, high))
        return Broken(self._path(number).name, why, tuple(lost))

    def _clear(self) -> None:
        """Segments before the cursor go; one that could not be read to its end is set aside."""
        for number in [number for number in self._sizes if number < self._at.segment]:
            del self._sizes[number]
            self._wrote.pop(number, None)
            path = self._path(number)
            try:
                if number not in self._broken:
                    self._disk.remove(path)
                    continue
                self._disk.rename(path, path.with_suffix(".bad"))
                self._bad.append(path.with_suffix(".bad").name)
                while len(self._bad) > BAD_MAX:
                    self._disk.remove(self._folder / self._bad.pop(0))
            except OSError:
                pass  # the next start removes what is before the cursor

    def _kept_place(self) -> _Cursor:
        try:
            kept = self._disk.read(self._folder / "cursor")
            return _Cursor(0, 0) if kept is None else msgspec.json.decode(kept, type=_Cursor)
        except (OSError, msgspec.DecodeError):
            return _Cursor(0, 0)  # what is there is sent again

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:010d}.seg"


def _records(data: bytes, start: int) -> Iterator[tuple[int, Entry]]:
    """Every whole record from `start` on, with where it ends."""
    if not data.startswith(MAGIC):
        return
    at = max(start, len(MAGIC))
    while at + _HEAD.size <= len(data):
        length, crc = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + length]
        if length > BODY_BYTES_MAX or len(body) < length or zlib.crc32(body) != crc:
            return
        try:
            entry = msgspec.msgpack.decode(body, type=Entry)
        except msgspec.DecodeError:
            return
        at += _HEAD.size + length
        yield at, entry


def _number(name: str) -> int | None:
    stem, dot, kind = name.partition(".")
    return int(stem) if kind == "seg" and dot and stem.isdecimal() else None
