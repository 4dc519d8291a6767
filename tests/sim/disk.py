"""The disk seam in memory, as unkind as the real one: what was not synced may be lost, in part or torn, when the
power or the process goes.

A file is its durable bytes and the writes after the last sync, in order. A kill of the process alone keeps every
write (the kernel has them); a crash of the machine keeps a prefix of them, chosen by the seed, with the last one
perhaps cut in its middle. A replace is a rename of a synced file: the old bytes or the new, never a mixture.
"""

import errno
from pathlib import Path
from random import Random

from tests.sim.life import Life


class Stored:
    """One file."""

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = durable
        self.unsynced: list[bytes] = []

    def visible(self) -> bytes:
        return self.durable + b"".join(self.unsynced)


class Platter:
    """What outlives the agent; every life sees it through its own VirtualDisk."""

    def __init__(self, random: Random, bytes_max: int = 1 << 30) -> None:
        self.files: dict[str, Stored] = {}
        self.folders: set[str] = set()
        self.bytes_max = bytes_max
        self.refuses = ""  # the errno's name that writes and syncs fail with: "ENOSPC", "EIO", "EROFS"
        self._random = random

    def put(self, path: str, data: bytes) -> None:
        """A file that was installed beforehand."""
        self.files[path] = Stored(data)

    def crash(self) -> None:
        """The machine loses its power: unsynced writes survive as a prefix, the last of them perhaps torn."""
        for path in sorted(self.files):
            stored = self.files[path]
            kept = b"".join(stored.unsynced[: self._random.randint(0, len(stored.unsynced))])
            if kept and self._random.random() < 0.5:
                kept = kept[: self._random.randint(0, len(kept))]
            stored.durable, stored.unsynced = stored.durable + kept, []

    def part_of(self, data: bytes) -> bytes:
        """What a failed write leaves behind: any part of it."""
        return bytes(data[: self._random.randint(0, len(data))])

    def used(self) -> int:
        return sum(len(stored.visible()) for stored in self.files.values())

    def check_writable(self, more: int = 0) -> None:
        if self.refuses:
            raise OSError(getattr(errno, self.refuses), self.refuses)
        if self.used() + more > self.bytes_max:
            raise OSError(errno.ENOSPC, "no space left")


class VirtualFile:
    """An append handle."""

    def __init__(self, platter: Platter, life: Life, stored: Stored) -> None:
        self._platter = platter
        self._life = life
        self._stored = stored

    def write(self, data: bytes) -> None:
        if self._life.alive:
            try:
                self._platter.check_writable(len(data))
            except OSError:
                self._stored.unsynced.append(self._platter.part_of(data))
                raise
            self._stored.unsynced.append(bytes(data))

    def sync(self) -> None:
        if self._life.alive:
            self._platter.check_writable()
            self._stored.durable, self._stored.unsynced = self._stored.visible(), []

    def close(self) -> None:
        """Nothing is lost by closing, and nothing is synced by it."""


class VirtualDisk:
    """One life's view of the platter; a dead life changes nothing any more."""

    def __init__(self, platter: Platter, life: Life) -> None:
        self._platter = platter
        self._life = life

    def read(self, path: Path) -> bytes | None:
        stored = self._platter.files.get(str(path))
        return None if stored is None else stored.visible()

    def open_append(self, path: Path) -> VirtualFile:
        stored = Stored()
        if self._life.alive:
            stored = self._platter.files.setdefault(str(path), stored)
        return VirtualFile(self._platter, self._life, stored)

    def replace(self, path: Path, data: bytes) -> None:
        if self._life.alive:
            self._platter.check_writable(len(data))
            self._platter.files[str(path)] = Stored(bytes(data))

    def rename(self, path: Path, to: Path) -> None:
        if self._life.alive:
            self._platter.check_writable()
            if str(path) not in self._platter.files:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            self._platter.files[str(to)] = self._platter.files.pop(str(path))

    def remove(self, path: Path) -> None:
        if self._life.alive:
            self._platter.files.pop(str(path), None)

    def mkdir(self, path: Path) -> None:
        if self._life.alive:
            self._platter.folders.update(str(folder) for folder in [path, *path.parents])

    def sizes(self, path: Path) -> dict[str, int]:
        files = {Path(name): stored for name, stored in self._platter.files.items()}
        return {file.name: len(stored.visible()) for file, stored in files.items() if file.parent == path}

    def free_bytes(self, path: Path) -> int:
        return max(0, self._platter.bytes_max - self._platter.used())
