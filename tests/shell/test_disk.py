"""The real disk: its order of writing, syncing and renaming is what makes replace() all or nothing."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from agent.shell.disk import RealDisk


def test_replace_syncs_the_data_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"old")
    calls: list[str] = []
    real = {name: getattr(os, name) for name in ("open", "write", "fsync", "rename")}
    names: dict[int, str] = {}

    def opened(target: Any, *args: Any) -> int:
        descriptor: int = real["open"](target, *args)
        names[descriptor] = Path(target).name
        return descriptor

    def written(descriptor: int, data: Any) -> int:
        calls.append(f"write {names[descriptor]}")
        done: int = real["write"](descriptor, data[:2])
        return done

    def synced(descriptor: int) -> None:
        calls.append(f"fsync {names[descriptor]}")
        real["fsync"](descriptor)

    def renamed(here: Any, there: Any) -> None:
        calls.append(f"rename {Path(here).name} {Path(there).name}")
        real["rename"](here, there)

    for name, fake in (("open", opened), ("write", written), ("fsync", synced), ("rename", renamed)):
        monkeypatch.setattr(os, name, fake)
    RealDisk().replace(path, b"news")
    monkeypatch.undo()

    assert calls == [
        "write journal.new",
        "write journal.new",
        "fsync journal.new",
        "rename journal.new journal",
        f"fsync {tmp_path.name}",
    ]
    assert path.read_bytes() == b"news"


def test_a_replace_that_fails_leaves_the_old_content_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        RealDisk().replace(path, b"new")
    monkeypatch.undo()

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["journal"]


def test_it_appends_reads_and_renames(tmp_path: Path) -> None:
    disk = RealDisk()
    folder = tmp_path / "lib" / "ballast"
    disk.mkdir(folder)
    disk.mkdir(folder)

    file = disk.open_append(folder / "journal")
    file.write(b"one")
    file.sync()
    file.close()
    again = disk.open_append(folder / "journal")
    again.write(b"two")
    again.close()

    assert disk.read(folder / "journal") == b"onetwo"
    assert (folder.stat().st_mode & 0o777, (folder / "journal").stat().st_mode & 0o777) == (0o700, 0o600)
    disk.rename(folder / "journal", folder / "journal.bad")
    assert os.listdir(folder) == ["journal.bad"]
    assert disk.read(folder / "journal") is None
