"""What may wait on the disk, and what goes when there is no room."""

import asyncio
import errno
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from agent.uplink import lane
from agent.uplink.lane import Broken, Entry
from agent.uplink.outbox import Rank
from agent.uplink.spool import FREE_BYTES_MIN, Kind, Spool
from tests.shell.crash import CrashDisk, Inline

FOLDER = Path("/state/spool")
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def entry(seq: int, rank: Rank = Rank.TELEMETRY, size: int = 1000) -> Entry:
    channel = {Rank.TELEMETRY: "tele/main", Rank.EVENT: "evt", Rank.ACK: "ack/dispatch", Rank.GAP: "evt"}[rank]
    return Entry("b1", channel, seq, seq, rank, bytes(size))


async def opened(disk: CrashDisk, bytes_max: int = 1 << 20) -> Spool:
    spool = Spool(disk, FOLDER, bytes_max, Inline())
    await spool.open()
    return spool


async def drain(spool: Spool, kind: Kind) -> list[int]:
    found = []
    while entries := (taken := await spool.take(kind, 10)).entries:
        found += [one.seq for one in entries if isinstance(one, Entry)]
        await spool.done(taken, len(entries))
    return found


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "SEGMENT_BYTES", 10_000)


def test_telemetry_and_records_have_a_lane_each() -> None:
    async def story() -> None:
        spool = await opened(CrashDisk())
        await spool.put([entry(0), entry(7, Rank.EVENT), entry(1), entry(8, Rank.ACK)])

        assert spool.bytes
        assert await drain(spool, Kind.RECORDS) == [7, 8]
        assert await drain(spool, Kind.TELEMETRY) == [0, 1]
        assert spool.empty
        assert spool.bytes == 0

    run(story())


def test_at_its_cap_the_oldest_telemetry_goes_before_any_event() -> None:
    async def story() -> None:
        spool = await opened(CrashDisk(), 100_000)
        await spool.put([entry(seq, Rank.EVENT) for seq in range(10)])
        gone: list[Entry | Broken] = []
        for seq in range(200):
            gone += await spool.put([entry(seq)])
            assert spool.bytes <= 100_000

        lost = [one.seq for one in gone if isinstance(one, Entry)]
        assert lost == list(range(len(lost)))
        assert await drain(spool, Kind.TELEMETRY) == list(range(len(lost), 200))
        assert await drain(spool, Kind.RECORDS) == list(range(10))

    run(story())


def test_without_telemetry_the_oldest_events_go_but_a_gap_record_is_put_again() -> None:
    async def story() -> None:
        spool = await opened(CrashDisk(), 100_000)
        await spool.put([entry(0, Rank.GAP)])
        gone: list[Entry | Broken] = []
        for seq in range(1, 200):
            gone += await spool.put([entry(seq, Rank.EVENT)])

        lost = [one.seq for one in gone if isinstance(one, Entry)]
        kept = await drain(spool, Kind.RECORDS)
        assert 0 in kept
        assert sorted([*kept, *lost]) == list(range(200))

    run(story())


def test_more_than_fits_at_once_is_put_in_slices() -> None:
    async def story() -> None:
        spool = await opened(CrashDisk(), 1 << 20)
        gone = await spool.put([entry(seq, size=10_000) for seq in range(300)])

        lost = [one.seq for one in gone if isinstance(one, Entry)]
        assert lost == list(range(len(lost)))
        assert await drain(spool, Kind.TELEMETRY) == list(range(len(lost), 300))

    run(story())


def test_a_disk_that_others_filled_loses_nothing_for_no_use_and_takes_nothing() -> None:
    async def story() -> None:
        disk = CrashDisk()
        spool = await opened(disk)
        await spool.put([entry(seq) for seq in range(5)])
        disk.free = 0

        with pytest.raises(OSError, match="64 MiB are free") as caught:
            await spool.put([entry(5)])

        assert caught.value.errno == errno.ENOSPC
        assert await drain(spool, Kind.TELEMETRY) == list(range(5))

    run(story())


def test_near_the_floor_it_makes_room_for_what_is_new() -> None:
    async def story() -> None:
        disk = CrashDisk()
        spool = await opened(disk)
        await spool.put([entry(seq) for seq in range(50)])
        disk.free = FREE_BYTES_MIN - 5000

        gone = await spool.put([entry(50)])

        assert [one.seq for one in gone if isinstance(one, Entry)] == list(range(len(gone)))
        assert gone

    run(story())


def test_what_went_is_answered_although_the_put_failed_in_between() -> None:
    async def story() -> None:
        disk = CrashDisk()
        spool = await opened(disk, 30_000)
        await spool.put([entry(seq) for seq in range(25)])
        disk.fails = errno.EIO
        with pytest.raises(OSError, match="error"):
            await spool.put([entry(seq) for seq in range(25, 32)])
        disk.fails = 0

        gone = await spool.put([entry(seq) for seq in range(25, 32)])

        lost = [one.seq for one in gone if isinstance(one, Entry)]
        assert lost
        assert lost == list(range(len(lost)))
        assert set(await drain(spool, Kind.TELEMETRY)) | set(lost) == set(range(32))

    run(story())


def test_what_was_taken_before_room_was_made_is_done_with_without_harm() -> None:
    async def story() -> None:
        spool = await opened(CrashDisk(), 30_000)
        await spool.put([entry(seq) for seq in range(25)])
        taken = await spool.take(Kind.TELEMETRY, 5)
        await spool.put([entry(seq) for seq in range(25, 40)])

        await spool.done(taken, 5)

        left = await drain(spool, Kind.TELEMETRY)
        assert left == list(range(left[0], 40))
        assert left[0] > 0

    run(story())
