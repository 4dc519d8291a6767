"""The journal: what must survive a crash at any instant, as a small durable map from key to JSON value.

One file, `journal`, of frames (agent/shell/frames.py). A frame is one commit: a JSON object of the keys that changed,
null for a key that is gone. It is there as a whole or not at all, so what is kept together in one turn of the event
loop survives together or not at all.

keep   for what must be durable before it has an effect (leases, sequences, tags, releases): awaited. Callers that come
       while a commit is on its way share the next one: one fdatasync for all of them.
post   for what may be late (the armed set, what we lowered): a protective volley never waits for a disk.

Theory
------
- Nothing is appended behind bytes whose fate is unknown. After any failed write or sync, and after a torn end, the
  next commit writes the whole live map into a new file and renames it over the old one (agent/shell/disk.py says why a
  second sync would not do). The same when the file has outgrown the live map four times: that is the compaction.
- What was read at the start is synced before it is used: the agent may have been killed between write and sync, and
  what it then acted on must not vanish with the next power cut.
- A disk that is full, gone or read-only stops no start and no control: keep() raises JournalFault, which refuses
  commands; post() stays in memory and is tried again; `degraded` stays true until the whole map is on the disk. One
  that hangs is told after 5 s; how long to wait for it is the caller's decision.
- A key is either kept or posted, always the same way: a keep() that failed takes back whatever waited for its key.
- A corrupt file is set aside as `journal.bad` and nothing in it is used: an old "we lowered it" would let us raise what
  somebody on site has switched off since. Loads that we lowered then stay low until a person releases them. Replay
  counters are gone too, so `created` is true and the epoch goes up; `salvaged` still tells its last known number.

Sources: reference uplink-and-packaging.md 4.2 and 4.3 (how other agents lost their spools; one fdatasync takes
0.2-0.6 ms on a virtual disk, far more on an SD card); LWN 752063 (fsync errors). sqlite was rejected there: malformed
databases after power loss, and eleven times the bytes written.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from agent.shell.disk import Disk, File
from agent.shell.frames import End, frame, scan
from agent.shell.spawn import Spawn

JSON: TypeAlias = "dict[str, Any] | list[Any] | str | int | float | bool | None"

_FILE_BYTES_MIN = 1 << 18  # a smaller file is not worth compacting
_FILE_GROWTH_MAX = 4  # times the live map: at most a quarter of what is written is written for compaction
_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # then every 5 s: somebody may be freeing space

_HANGS_S = 5.0  # no working disk takes that long for one commit: 0.2-0.6 ms measured, SD cards more [unproven]
_LOST = "Loads that we lowered stay low until released on site; see to the disk, then remove journal.bad"

_encode = msgspec.json.encode
_decode = msgspec.json.decode
_decode_changes = msgspec.json.Decoder(dict[str, Raw]).decode
_NULL = Raw(b"null")


class JournalFault(OSError):
    """What was to be kept is not durable; it may or may not survive a crash."""


class _Change(Struct):
    """A value on its way to the disk; Raw when it is encoded already."""

    value: object
    posted: bool  # tried again until it is durable; otherwise its caller was told that it failed


class Journal:
    """The durable map. Give it what msgspec can encode, and never change that again; it comes back as plain JSON."""

    def __init__(self, disk: Disk, spawn: Spawn, path: Path, on_fault: Callable[[str], None]) -> None:
        self.created = False  # nothing was known when it was opened: the epoch goes up
        self.salvaged: dict[str, JSON] = {}  # of a corrupt file; may be old, so good for the epoch's number alone
        self.degraded = False  # the disk does not take it now; on_fault is called at both edges
        self._disk = disk
        self._spawn = spawn
        self._path = path
        self._on_fault = on_fault
        self._live: dict[str, Raw] = {}  # what is durable
        self._waiting: dict[str, _Change] = {}  # what the next commit takes; at most one change a key
        self._waiters: list[asyncio.Future[None]] = []  # who waits for that commit
        self._writer: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()  # somebody waits: try again at once
        self._closing = False
        self._file: File | None = None  # None: the next commit writes a new file; used by the thread alone
        self._file_bytes = 0
        self._file_bytes_max = 0

    @classmethod
    async def open(cls, disk: Disk, spawn: Spawn, folder: Path, *, on_fault: Callable[[str], None]) -> "Journal":
        """Read what is there; never fails, whatever is there."""
        journal = cls(disk, spawn, folder / "journal", on_fault)
        for fault in await spawn.in_thread(journal._load):
            on_fault(fault)
        if journal.degraded:
            journal._begin_writing()
        return journal

    def kept(self, key: str) -> JSON:
        """The durable value: what a restart now would find. None if there is none."""
        raw = self._live.get(key)
        value: JSON = None if raw is None else _decode(raw)
        return value

    def kept_under(self, prefix: str) -> dict[str, JSON]:
        """Every durable key that begins with the prefix, with its value."""
        return {key: _decode(raw) for key, raw in self._live.items() if key.startswith(prefix)}

    async def keep(self, key: str, value: object) -> None:
        """Durable when it returns, JournalFault if it could not be made so; None deletes."""
        self._waiting[key] = _Change(Raw(_encode(value)), posted=False)
        durable = asyncio.get_running_loop().create_future()
        self._waiters.append(durable)
        self._hurry.set()
        self._begin_writing()
        await durable

    def post(self, key: str, value: object) -> None:
        """The same, durable soon and tried again until it is; waits for nothing and raises no fault of the disk's.

        It is encoded in the thread: 8,000 armed loads take a millisecond that a volley has better use for.
        """
        self._waiting[key] = _Change(value, posted=True)
        self._begin_writing()

    async def close(self) -> None:
        """Try once more to write what is still posted, then give the file back."""
        self._closing = True
        self._hurry.set()
        if self._writer is not None:
            await self._writer
        await self._spawn.in_thread(self._drop_file)

    def _begin_writing(self) -> None:
        if self._writer is not None and self._writer.done():
            self._writer.result()  # a value that cannot be encoded is a bug of ours: here it comes out
            self._writer = None
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write(), name="journal")

    async def _write(self) -> None:
        failures = 0
        while self._waiting or self.degraded:
            last = self._closing
            batch, self._waiting = self._waiting, {}
            waiters, self._waiters = self._waiters, []
            self._hurry.clear()
            hangs = asyncio.get_running_loop().call_later(_HANGS_S, self._degrade, self._words("does not answer"))
            try:
                changes = await self._spawn.in_thread(self._commit, batch)
            except OSError as error:
                hangs.cancel()
                self._failed(error, batch, waiters)
                if last:
                    return
                await self._wait_before(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1
            except BaseException:
                _fail(waiters, lambda: JournalFault(f"{self._path}: the journal stopped"))
                raise
            else:
                failures = 0
                self._succeeded(changes, waiters)
            finally:
                hangs.cancel()

    def _succeeded(self, changes: Mapping[str, Raw], waiters: list[asyncio.Future[None]]) -> None:
        _apply(self._live, changes)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self.degraded:
            self.degraded = False
            self._on_fault(f"{self._path}: works again, everything is on the disk")

    def _failed(self, error: OSError, batch: dict[str, _Change], waiters: list[asyncio.Future[None]]) -> None:
        fault = self._words(error.strerror or str(error))
        # What was posted meanwhile is newer. What was to be kept was refused to its caller: it must not come true.
        self._waiting = {key: change for key, change in batch.items() if change.posted} | self._waiting
        _fail(waiters, lambda: JournalFault(fault))
        self._degrade(fault)

    def _degrade(self, fault: str) -> None:
        if not self.degraded:
            self.degraded = True
            self._on_fault(fault)

    def _words(self, fault: str) -> str:
        folder = self._path.parent
        return f"{self._path}: {fault}; commands are refused meanwhile. See that {folder} has room and is writable"

    async def _wait_before(self, retry_s: float) -> None:
        try:
            async with asyncio.timeout(retry_s):
                await self._hurry.wait()
        except TimeoutError:
            pass

    # --- below: in the thread ---------------------------------------------------------------------------------------

    def _load(self) -> list[str]:
        """Fill the live map from the disk and leave a file that can be appended to; what is to be told."""
        faults: list[str] = []
        clean = False
        try:
            data = self._disk.read(self._path)
        except OSError as error:
            faults.append(f"{self._path}: cannot be read: {error.strerror or error}; starting without it. {_LOST}")
            self._set_aside(faults)
        else:
            clean = data is not None and self._take(data, faults)
        self.created = not self._live
        try:
            self._disk.mkdir(self._path.parent)
            if clean:
                self._file = self._disk.open_append(self._path)
            self._commit({})
        except OSError as error:
            self.degraded = True
            faults.append(self._words(error.strerror or str(error)))
        return faults

    def _take(self, data: bytes, faults: list[str]) -> bool:
        """Fill the live map from the file's content; whether it can be appended to as it is."""
        scanned = scan(data)
        found: dict[str, Raw] = {}
        end = scanned.end
        try:
            for payload in scanned.payloads:
                _apply(found, _decode_changes(payload))
        except msgspec.DecodeError:
            end = End.CORRUPT  # whole frames of something else
        if end is End.CORRUPT:
            self.salvaged = {key: _decode(raw) for key, raw in found.items()}
            good = f"{scanned.good_bytes} of {len(data)} bytes"
            faults.append(f"{self._path}: corrupt after {good}; starting without it. {_LOST}")
            self._set_aside(faults)
            return False
        self._live = found
        if end is End.TORN:
            cut_bytes = len(data) - scanned.good_bytes
            faults.append(f"{self._path}: cut off {cut_bytes} bytes of a commit that a crash left unfinished")
            return False
        self._file_bytes, self._file_bytes_max = len(data), _bytes_max(len(scanned.payloads[0]))
        return True

    def _set_aside(self, faults: list[str]) -> None:
        try:
            self._disk.rename(self._path, self._path.with_name(self._path.name + ".bad"))
        except OSError as error:
            faults.append(f"{self._path}: could not be set aside as journal.bad: {error}; it will be overwritten")

    def _commit(self, batch: Mapping[str, _Change]) -> Mapping[str, Raw]:
        """Make these changes durable, all or none of them."""
        changes = {key: _raw(change.value) for key, change in batch.items()}
        appended = frame(_encode(changes))
        if self._file is not None and self._file_bytes + len(appended) <= self._file_bytes_max:
            try:
                if changes:
                    self._file.write(appended)
                    self._file_bytes += len(appended)
                self._file.sync()
            except OSError:
                self._drop_file()
                raise
            return changes
        self._drop_file()
        live = dict(self._live)
        _apply(live, changes)
        whole = frame(_encode(live))
        self._disk.replace(self._path, whole)
        self._file = self._disk.open_append(self._path)
        self._file_bytes, self._file_bytes_max = len(whole), _bytes_max(len(whole))
        return changes

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _raw(value: object) -> Raw:
    return value if isinstance(value, Raw) else Raw(_encode(value))


def _apply(live: dict[str, Raw], changes: Mapping[str, Raw]) -> None:
    for key, raw in changes.items():
        if raw == _NULL:
            live.pop(key, None)
        else:
            live[key] = raw.copy()  # not a view that keeps the whole commit in memory


def _bytes_max(live_bytes: int) -> int:
    return max(_FILE_BYTES_MIN, _FILE_GROWTH_MAX * live_bytes)


def _fail(waiters: list[asyncio.Future[None]], make_error: Callable[[], Exception]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(make_error())
