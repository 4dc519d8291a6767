"""The recorder: everything of the last seconds in memory, and the way to the disk of what happened.

On the event loop a call costs one tuple put into a list. Once a second that list is encoded in the thread, in slices,
so that the thread never keeps the interpreter from the loop for long, and not while a volley is out; packed, it goes to
the ring. When something is
told or commanded (a setpoint, a note of an event or a command) the ring is written into a new file, and what follows
behind it, until nothing has been for AFTER_NS.

What is bounded, and what happens when it is full
    waiting   PENDING_MAX, of about 150 bytes each, and as much that is being encoded: 30 MB while a disk hangs, well
              under 1 MB otherwise. What comes then is not taken; a Lost entry says how many, and replay goes on at the
              next Stand
    ring      RING_BYTES_MAX, packed, or one segment if that is more; the oldest goes. At 1,000 miners and ten devices
              it holds less than 1 MiB
    a file    FLIGHT_BYTES_MAX; the next segment begins another
    folder    FLIGHTS_BYTES_MAX; the oldest file goes. With less than FREE_BYTES_MIN free nothing is written
A disk that refuses is told once, until it takes something again; control never waits for any of this.
"""

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from agent.core.attend import Attended
from agent.core.image import Image, Lease, LoadSeen, Pulse, Write
from agent.core.notes import CommandNote, Note
from agent.core.react import Reaction
from agent.core.setpoint import Setpoint
from agent.core.state import Durable, State
from agent.core.values import NS_PER_S
from agent.flight import entries
from agent.flight.blocks import pack
from agent.flight.entries import REST, Entry, Head, encode
from agent.shell.clock import Clock
from agent.shell.disk import Disk, File
from agent.shell.spawn import Spawn
from drivers.modbus.meter import BlockRead

KEPT_NS: Final = 7 * NS_PER_S  # five seconds before what happened, and up to two until the thread hears of it
AFTER_NS: Final = 60 * NS_PER_S
SEGMENT_NS: Final = 5 * NS_PER_S
EVERY_S: Final = 1.0
SLICE: Final = 64  # entries encoded in one go: about 0.3 ms
PENDING_MAX: Final = 100_000
GIVES_WAY_S: Final = 0.025  # while a volley is out; then looked at again
AGAIN_NS: Final = 10 * NS_PER_S  # after the disk refused
RING_BYTES_MAX: Final = 8 << 20
FLIGHT_BYTES_MAX: Final = 32 << 20
FLIGHTS_BYTES_MAX: Final = 256 << 20
FREE_BYTES_MIN: Final = 64 << 20  # left to the journal and to everybody else on this disk
FOLDER: Final = "flights"  # in state_dir
SUFFIX: Final = ".flight"

_Raw = tuple[Any, ...]  # what makes an entry, and what it makes it of: called in the thread
_Encoded = tuple[entries.Begin | entries.Stand | None, bytes]  # with the entries that segments are kept by


class _Segment:
    """What lies between two Begins, packed."""

    def __init__(self) -> None:
        self.stand_ns: int | None = None  # from here on it can be replayed
        self.blocks: list[bytes] = []
        self.bytes = 0


class Recorder:
    """Takes everything down (agent/shell/tape.py's Tape), and writes flights."""

    def __init__(
        self, head: Head, disk: Disk, spawn: Spawn, clock: Clock, folder: Path, on_fault: Callable[[str], None]
    ) -> None:
        self._head = head
        self._disk = disk
        self._spawn = spawn
        self._clock = clock
        self._folder = folder
        self._on_fault = on_fault
        self._stop = asyncio.Event()
        self._busy: Callable[[], bool] = lambda: False
        # On the loop.
        self._pending: list[_Raw] = []
        self._weight = 0  # of what is pending
        self._weighed_last = Durable()
        self._lost = 0
        self._segment_ns = -SEGMENT_NS  # when the newest segment began; the first arming begins one
        self._stand_due = False  # a Begin is there, and no Stand yet
        self._armed_since = False
        self._until_ns = 0  # write until then
        # In the thread.
        self._durable = Durable()
        self._ring: deque[_Segment] = deque()
        self._file: File | None = None
        self._path: Path | None = None
        self._file_bytes = 0
        self._not_before_ns = 0
        self._trouble = ""

    # --- what the board tells -----------------------------------------------------------------------------------------

    def points(self, device: str, block: BlockRead, pulse: Pulse | None) -> None:
        self._put((_points, device, block, pulse), len(block.samples))

    def load(self, load: str, seen: LoadSeen) -> None:
        self._put((entries.Load, load, seen))

    def wrote(self, load: str, write: Write) -> None:
        self._put((entries.Wrote, load, write))

    def leases(self, leases: tuple[Lease, ...]) -> None:
        self._put((entries.Leases, leases))

    def holds(self, held: frozenset[str], local: frozenset[str]) -> None:
        self._put((entries.Holds, held, local))

    def changed(self, state: State) -> None:
        self._put((self._changed, state))

    def reacted(self, now_ns: int, image: Image, reaction: Reaction) -> None:
        if reaction.setpoints:
            self._until_ns = now_ns + AFTER_NS
        durable = reaction.state.durable
        weight = self._weighed(durable)
        # Not the image itself: it would keep its mappings alive, each of them one of many copies.
        rest = [getattr(image, name) for name in REST]
        self._put((self._reacted, now_ns, rest, reaction.setpoints, durable), weight)

    def attended(self, now_ns: int, image: Image, attended: Attended, armed_before: Mapping[str, str]) -> None:
        if attended.setpoints or any(map(_matters, attended.notes)):
            self._until_ns = now_ns + AFTER_NS
        durable, adopts = attended.state.durable, bool(armed_before)
        weight = self._weighed(durable)
        self._put((self._attended, now_ns, adopts, attended.setpoints, attended.notes, durable), weight)
        if self._stand_due and self._armed_since:
            self._stand_due = False
            self._put((self._stand, now_ns, attended.state, armed_before))

    def arming(self, now_ns: int, image: Image, state: State, news: Iterable[str]) -> None:
        self._armed_since = False
        room = self._weight < PENDING_MAX
        if not room or (not self._lost and now_ns - self._segment_ns < SEGMENT_NS):
            self._put((entries.Arming, now_ns))
            return
        if self._lost:
            self._pending.append((entries.Lost, self._lost))
            self._lost = 0
        self._segment_ns = now_ns
        self._stand_due = True
        self._put((_begin, now_ns, image, state, frozenset(news)))

    def armed(self) -> None:
        self._armed_since = True
        self._put((entries.Armed,))

    def _weighed(self, durable: Durable) -> int:
        """What keeping a decision's durable state costs: 40 bytes for each load in it, where it is a new one."""
        if durable is self._weighed_last:
            return 1
        self._weighed_last = durable
        return 1 + (len(durable.lowered) + len(durable.rising)) // 4

    def _put(self, raw: _Raw, weight: int = 1) -> None:
        if self._lost or self._weight >= PENDING_MAX:
            self._lost += 1
            return
        self._weight += weight
        self._pending.append(raw)

    # --- the way to the disk ------------------------------------------------------------------------------------------

    async def run(self, busy: Callable[[], bool]) -> None:
        """Packs and writes until `stop`, and then what is left; gives way for as long as `busy`."""
        self._busy = busy
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._stop.wait()
            except TimeoutError:
                pass
            await self._drain()
        await self._spawn.in_thread(self._close)

    def stop(self) -> None:
        """Nothing more will be told."""
        self._stop.set()

    async def _drain(self) -> None:
        pending, self._pending, self._weight = self._pending, [], 0
        encoded: list[_Encoded] = []
        for at in range(0, len(pending), SLICE):
            while self._busy() and not self._stop.is_set():  # noqa: ASYNC110  # nobody tells when a volley is over
                await asyncio.sleep(GIVES_WAY_S)
            encoded += await self._spawn.in_thread(self._encode, pending[at : at + SLICE])
        now_ns, wall_ms = self._clock.monotonic_ns(), self._clock.wall_ms()
        wanted = now_ns < self._until_ns
        fault = await self._spawn.in_thread(self._take, encoded, wanted, now_ns, wall_ms)
        if fault:
            self._on_fault(fault)

    def _encode(self, pending: list[_Raw]) -> list[_Encoded]:
        encoded: list[_Encoded] = []
        for make, *parts in pending:
            entry: Entry = make(*parts)
            mark = entry if isinstance(entry, entries.Begin | entries.Stand) else None
            encoded.append((mark, encode(entry)))
        return encoded

    def _take(self, encoded: list[_Encoded], wanted: bool, now_ns: int, wall_ms: int | None) -> str:
        """Into the ring, and into a file if there is to be one; what is wrong with the disk, when it is new."""
        fresh = list(self._packed(encoded))
        self._forget(now_ns)
        try:
            if self._file is not None:
                for begins, block in fresh:
                    if begins and self._file_bytes >= FLIGHT_BYTES_MAX:
                        self._open(now_ns, wall_ms)
                    self._append(block)
            elif wanted and self._ring and now_ns >= self._not_before_ns:
                self._open(now_ns, wall_ms)
                for segment in self._ring:
                    for block in segment.blocks:
                        self._append(block)
            else:
                return ""
            self._sync()
            if not wanted:
                self._close()
        except OSError as error:
            self._close()
            if self._path is not None and not self._file_bytes:
                with suppress(OSError):
                    self._disk.remove(self._path)
            self._not_before_ns = now_ns + AGAIN_NS
            known, self._trouble = self._trouble, error.strerror or str(error)
            told = f"what happens is not recorded on the disk: {self._folder}: {self._trouble}"
            return told if self._trouble != known else ""
        self._trouble = ""
        return ""

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _packed(self, encoded: list[_Encoded]) -> Iterator[tuple[bool, bytes]]:
        """The blocks, each put into its segment of the ring; and whether it begins one."""
        together: list[bytes] = []
        for mark, data in encoded:
            if isinstance(mark, entries.Begin):
                yield from self._block(together)
                together = []
                self._ring.append(_Segment())
            elif mark is not None and self._ring:
                self._ring[-1].stand_ns = mark.now_ns
            together.append(data)
        yield from self._block(together)

    def _block(self, together: list[bytes]) -> Iterator[tuple[bool, bytes]]:
        if not together or not self._ring:
            return
        block = pack(entries.joined(together))
        segment = self._ring[-1]
        begins = not segment.blocks
        segment.blocks.append(block)
        segment.bytes += len(block)
        yield begins, block

    def _forget(self, now_ns: int) -> None:
        """Segments that are old enough, and the oldest while there are too many bytes."""
        ring = self._ring
        while len(ring) > 1 and ring[1].stand_ns is not None and ring[1].stand_ns <= now_ns - KEPT_NS:
            ring.popleft()
        while len(ring) > 1 and sum(segment.bytes for segment in ring) > RING_BYTES_MAX:
            ring.popleft()

    def _open(self, now_ns: int, wall_ms: int | None) -> None:
        self._close()
        self._disk.mkdir(self._folder)
        sizes = {name: size for name, size in self._disk.sizes(self._folder).items() if name.endswith(SUFFIX)}
        names = sorted(sizes)
        for name in names:
            if sum(sizes.values()) + FLIGHT_BYTES_MAX <= FLIGHTS_BYTES_MAX:
                break
            self._disk.remove(self._folder / name)
            del sizes[name]
        number = 1 + max((int(name[:6]) for name in names if name[:6].isdigit()), default=0)
        self._path = self._folder / f"{number:06}-{_utc(wall_ms)}{SUFFIX}"
        self._file_bytes = 0
        self._file = self._disk.open_append(self._path)
        self._append(pack(encode(replace(self._head, made_ns=now_ns, made_ms=wall_ms))))

    def _append(self, block: bytes) -> None:
        assert self._file is not None
        if self._disk.free_bytes(self._folder) < FREE_BYTES_MIN + len(block):
            raise OSError(errno.ENOSPC, f"less than {FREE_BYTES_MIN >> 20} MiB are free there")
        self._file.write(block)
        self._file_bytes += len(block)

    def _sync(self) -> None:
        assert self._file is not None
        self._file.sync()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _stand(self, now_ns: int, state: State, armed_before: Mapping[str, str]) -> Entry:
        return entries.Stand(now_ns, entries.keep(state), dict(armed_before))

    def _changed(self, state: State) -> Entry:
        self._durable = state.durable
        return entries.Changed(entries.keep(state))

    def _reacted(self, now_ns: int, rest: list[Any], setpoints: tuple[Setpoint, ...], durable: Durable) -> Entry:
        image = Image(**dict(zip(REST, rest, strict=True)))
        return entries.Reacted(now_ns, image, setpoints, self._delta(durable))

    def _attended(
        self, now_ns: int, adopts: bool, setpoints: tuple[Setpoint, ...], notes: tuple[Note, ...], durable: Durable
    ) -> Entry:
        return entries.Attended(now_ns, adopts, setpoints, entries.told(notes), self._delta(durable))

    def _delta(self, durable: Durable) -> entries.Delta | None:
        before, self._durable = self._durable, durable
        return entries.delta(before, durable)


def _points(device: str, block: BlockRead, pulse: Pulse | None) -> Entry:
    return entries.Points(device, block.taken_ns, {sample.point: sample.value for sample in block.samples}, pulse)


def _begin(now_ns: int, image: Image, state: State, news: frozenset[str]) -> Entry:
    return entries.Begin(
        now_ns, replace(image, news=news), state.durable, tuple(state.mistrusted), tuple(state.contested)
    )


def _matters(note: Note) -> bool:
    """Whether a note is reason enough to write a flight."""
    return isinstance(note, CommandNote) or note.event != ""


def _utc(wall_ms: int | None) -> str:
    return "undated" if wall_ms is None else datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
