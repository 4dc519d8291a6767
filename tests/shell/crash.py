"""A disk that can be crashed at any instant, and the states it may be found in afterwards.

Everything that changes the disk is one step or several. Before and within each step a crash may come. What it leaves:

    written, not synced    any prefix of it (cut every 16 bytes), or all of it with any one 64-byte block missing
                           (zeros) or nonsense: a file system may write blocks out of order
    replace                the old content or the new, perhaps with the half-written file beside it
    rename, open_append    done or not
    remove                 done, or not done until the folder is next synced (which nobody waits for): the file is back

CrashDisk runs in place: its Spawn (Inline) calls at once. Told to fail, it fails every write and sync with that errno.
"""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Files = dict[str, bytes]
BLOCK = 64
CUT = 16


class Inline:
    """Spawn without a thread."""

    async def in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        return fn(*args)


class Stored:
    """One file: what is durable, and what was written since."""

    def __init__(self, durable: bytes) -> None:
        self.durable = durable
        self.fresh = b""


class CrashDisk:
    """In memory; `crashed` is called with every state that a crash at this instant could leave."""

    def __init__(self, files: Files | None = None, crashed: Callable[[Files], None] | None = None) -> None:
        self.files = {name: Stored(data) for name, data in (files or {}).items()}
        self.fails = 0  # an errno, 0 when well
        self.tears = False  # a failing write leaves half of itself
        self.calls: list[str] = []
        self.free = 1 << 40
        self._removed: Files = {}
        self._crashed = crashed

    def states(self) -> Iterator[Files]:
        """Everything that a crash now could leave; the first is what a kill of the process alone leaves."""
        now = {name: stored.durable + stored.fresh for name, stored in self.files.items()}
        yield now
        for name, stored in self.files.items():
            for fresh in torn(stored.fresh):
                yield now | {name: stored.durable + fresh}
        for name, data in self._removed.items():
            yield {name: data} | now

    def read(self, path: Path) -> bytes | None:
        stored = self.files.get(str(path))
        return None if stored is None else stored.durable + stored.fresh

    def open_append(self, path: Path) -> "CrashFile":
        self._step("open_append")
        self._may_crash()
        stored = self.files.setdefault(str(path), Stored(b""))
        self._may_crash()
        return CrashFile(self, stored)

    def replace(self, path: Path, data: bytes) -> None:
        self._step("replace")
        beside = str(path) + ".new"
        self._may_crash()
        self.files[beside] = Stored(b"")
        self.files[beside].fresh = data
        self._may_crash()
        del self.files[beside]
        self.files[str(path)] = Stored(data)
        self._may_crash()

    def rename(self, path: Path, to: Path) -> None:
        self._step("rename")
        self._may_crash()
        if str(path) not in self.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        self.files[str(to)] = self.files.pop(str(path))
        self._may_crash()

    def remove(self, path: Path) -> None:
        self._step("remove")
        self._may_crash()
        stored = self.files.pop(str(path), None)
        if stored is not None:
            self._removed[str(path)] = stored.durable + stored.fresh
        self._may_crash()

    def mkdir(self, path: Path) -> None:
        self._step("mkdir")

    def sizes(self, path: Path) -> dict[str, int]:
        files = {Path(name): stored for name, stored in self.files.items()}
        return {
            file.name: len(stored.durable) + len(stored.fresh) for file, stored in files.items() if file.parent == path
        }

    def free_bytes(self, path: Path) -> int:
        return self.free

    def _step(self, call: str) -> None:
        self.calls.append(call)
        if self.fails:
            raise OSError(self.fails, os.strerror(self.fails))

    def _may_crash(self) -> None:
        if self._crashed is not None:
            for state in self.states():
                self._crashed(state)


class CrashFile:
    """An append handle of it."""

    def __init__(self, disk: CrashDisk, stored: Stored) -> None:
        self._disk = disk
        self._stored = stored
        self.closed = False

    def write(self, data: bytes) -> None:
        if self._disk.fails and self._disk.tears:
            self._stored.fresh += data[: len(data) // 2]
        self._disk._step("write")
        self._stored.fresh += data
        self._disk._may_crash()

    def sync(self) -> None:
        self._disk._step("sync")
        self._stored.durable += self._stored.fresh
        self._stored.fresh = b""
        self._disk._may_crash()

    def close(self) -> None:
        self._disk.calls.append("close")
        self.closed = True


def torn(fresh: bytes) -> Iterator[bytes]:
    """What may be left of bytes that were written and not synced."""
    for cut in range(0, len(fresh), CUT):
        yield fresh[:cut]
    for at in range(0, len(fresh), BLOCK):
        block = len(fresh[at : at + BLOCK])
        for wrong in (bytes(block), bytes(range(7, 7 + block))):
            yield fresh[:at] + wrong + fresh[at + block :]
