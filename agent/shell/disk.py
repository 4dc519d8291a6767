"""The disk seam: the few things we ask of a file system, and how durable each is when it returns.

Every call blocks and belongs in a thread (agent/shell/spawn.py). OSError comes out as it is.
The simulation replaces this file.

What each call promises
-----------------------
write     in the page cache: a crash of the machine may keep any part of it, in any order of its blocks, or none
sync      everything written through this handle before is on the disk (fdatasync: the data and the file's length)
replace   the file holds all of the new content or all of the old, never a mixture; the new once it returned.
          Written beside it, synced, renamed over it, and the folder synced: a rename may reach the disk before the data
open_append, rename, mkdir: the change of the folder is on the disk when they return

After a failed sync nothing is known of what was written before: Linux marks the pages clean and a second sync succeeds
without having written them (fsyncgate, LWN 752063). Whoever meets that writes all of it again into a new file: replace.
"""

import os
from pathlib import Path
from typing import Protocol


class File(Protocol):
    """A file open for appending."""

    def write(self, data: bytes) -> None:
        """Append all of it, not durable yet; after an OSError a part may have been written."""
        ...

    def sync(self) -> None:
        """Make durable what was written."""
        ...

    def close(self) -> None:
        """Give the handle back; says nothing about durability."""
        ...


class Disk(Protocol):
    """The file system."""

    def read(self, path: Path) -> bytes | None:
        """The whole file, None if there is none."""
        ...

    def open_append(self, path: Path) -> File:
        """Open for appending, made if missing."""
        ...

    def replace(self, path: Path, data: bytes) -> None:
        """Put this content in the place of the file, all or nothing."""
        ...

    def rename(self, path: Path, to: Path) -> None:
        """Give the file another name in the same folder, over whatever has it."""
        ...

    def remove(self, path: Path) -> None:
        """Take the file away; after a crash it may be there again. No error when there is none."""
        ...

    def mkdir(self, path: Path) -> None:
        """Make the folder and those above it that are missing, for us alone (0700)."""
        ...

    def sizes(self, path: Path) -> dict[str, int]:
        """The files of a folder, each with its bytes."""
        ...

    def free_bytes(self, path: Path) -> int:
        """What the disk of this folder has left for us."""
        ...


class RealDisk:
    """The machine's own file system. Files are made 0600."""

    def read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def open_append(self, path: Path) -> File:
        fresh = not path.exists()
        file = _RealFile(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if fresh:
            _sync_folder(path.parent)
        return file

    def replace(self, path: Path, data: bytes) -> None:
        beside = path.with_name(path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            os.unlink(beside)  # on a full disk it takes the room that others need
            raise
        finally:
            os.close(descriptor)
        os.rename(beside, path)
        _sync_folder(path.parent)

    def rename(self, path: Path, to: Path) -> None:
        os.rename(path, to)
        _sync_folder(to.parent)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def mkdir(self, path: Path) -> None:
        if path.is_dir():
            return
        self.mkdir(path.parent)
        os.mkdir(path, 0o700)
        _sync_folder(path.parent)

    def sizes(self, path: Path) -> dict[str, int]:
        with os.scandir(path) as files:
            return {file.name: file.stat().st_size for file in files if file.is_file()}

    def free_bytes(self, path: Path) -> int:
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize


class _RealFile:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        _write_all(self._descriptor, data)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
