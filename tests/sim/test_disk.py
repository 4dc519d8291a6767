"""The disk forgets what was not synced, tears the last of it, and obeys no dead process."""

from pathlib import Path
from random import Random

import pytest

from tests.sim.disk import Platter, VirtualDisk
from tests.sim.life import Life

LOG = Path("/state/log")


def test_synced_writes_survive_every_crash_and_unsynced_ones_survive_as_a_prefix() -> None:
    seen = set()
    for seed in range(200):
        platter = Platter(Random(seed))
        file = VirtualDisk(platter, Life(1)).open_append(LOG)
        file.write(b"one ")
        file.sync()
        file.write(b"two ")
        file.write(b"three")

        platter.crash()

        seen.add(VirtualDisk(platter, Life(2)).read(LOG))
    assert all(found is not None and b"one two three".startswith(found) and found.startswith(b"one ") for found in seen)
    assert {b"one ", b"one two ", b"one two three"} < seen
    assert any(found not in (b"one ", b"one two ", b"one two three") for found in seen), "some writes are torn"


def test_a_replace_is_the_old_file_or_the_new_one() -> None:
    platter = Platter(Random(1))
    disk = VirtualDisk(platter, Life(1))
    disk.replace(LOG, b"old")
    disk.replace(LOG, b"new")

    platter.crash()

    assert disk.read(LOG) == b"new"


def test_a_dead_life_writes_nothing() -> None:
    platter, life = Platter(Random(1)), Life(1)
    disk = VirtualDisk(platter, life)
    file = disk.open_append(LOG)
    file.write(b"alive")
    life.alive = False

    file.write(b"dead")
    disk.replace(LOG, b"dead")
    disk.remove(LOG)

    assert disk.read(LOG) == b"alive"


def test_a_full_disk_refuses_the_write_and_keeps_what_it_has() -> None:
    platter = Platter(Random(1), bytes_max=4)
    file = VirtualDisk(platter, Life(1)).open_append(LOG)
    file.write(b"full")

    with pytest.raises(OSError, match="no space"):
        file.write(b"!")

    assert platter.files[str(LOG)].visible() in (b"full", b"full!")
