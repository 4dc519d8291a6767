"""The journal on a disk that is full, broken, torn or corrupt; crashes are in test_journal_crash.py."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agent.shell.journal import JSON, Journal, JournalFault
from tests.shell import virtual
from tests.shell.crash import CrashDisk, Inline, T, Ts
from tests.shell.virtual import Since
from tests.sim.clock import VirtualClock

FOLDER = Path("/state")
FILE = str(FOLDER / "journal")


async def opened(disk: CrashDisk, faults: list[str] | None = None) -> Journal:
    return await Journal.open(disk, Inline(), FOLDER, on_fault=([] if faults is None else faults).append)


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


async def reopened(disk: CrashDisk, faults: list[str] | None = None) -> Journal:
    """The journal as another process finds it after this one was killed."""
    return await opened(CrashDisk(next(disk.states())), faults)


def everything(journal: Journal) -> dict[str, JSON]:
    return journal.kept_under("")


def test_what_was_kept_or_posted_comes_back_and_what_was_deleted_does_not() -> None:
    async def story() -> None:
        disk = CrashDisk()
        journal = await opened(disk)
        await journal.keep("seq/dispatch", 4711)
        await journal.keep("lease/01J", {"limit_w": 2.5e6, "until_ns": None})
        journal.post("armed/poi", ["a/10.20.1.17", "a/10.20.1.18"])
        await journal.keep("lease/01J", None)
        await journal.close()

        again = await reopened(disk)

        assert everything(again) == {"seq/dispatch": 4711, "armed/poi": ["a/10.20.1.17", "a/10.20.1.18"]}
        assert again.kept("lease/01J") is None
        assert again.kept_under("seq/") == {"seq/dispatch": 4711}

    run(story)


def test_it_is_created_until_something_was_kept() -> None:
    async def story() -> None:
        disk = CrashDisk()

        first = await opened(disk)
        second = await reopened(disk)
        await first.keep("epoch", 1)
        third = await reopened(disk)

        assert (first.created, second.created, third.created) == (True, True, False)

    run(story)


def test_callers_that_come_together_share_one_sync() -> None:
    async def story() -> None:
        disk = CrashDisk()
        journal = await opened(disk)
        disk.calls.clear()

        await asyncio.gather(*(journal.keep(f"seq/{number}", number) for number in range(50)))

        assert disk.calls == ["write", "sync"]
        assert len(everything(await reopened(disk))) == 50

    run(story)


def test_nothing_is_read_back_before_it_is_durable() -> None:
    async def story() -> None:
        journal = await opened(CrashDisk())
        keeping = asyncio.ensure_future(journal.keep("epoch", 3))
        journal.post("boot", "b-1")
        before = everything(journal)

        await keeping

        assert before == {}
        assert everything(journal) == {"epoch": 3, "boot": "b-1"}

    run(story)


def test_what_was_found_at_the_start_is_synced_before_it_is_used() -> None:
    async def story() -> None:
        disk = CrashDisk()
        await (await opened(disk)).keep("epoch", 3)
        again = CrashDisk(next(disk.states()))

        await opened(again)

        assert again.calls == ["mkdir", "open_append", "sync"]

    run(story)


def test_a_long_life_leaves_a_small_file() -> None:
    async def story() -> None:
        disk = CrashDisk()
        journal = await opened(disk)
        armed = [f"a/10.20.{number // 250}.{number % 250}" for number in range(2_000)]
        for turn in range(200):
            await journal.keep("armed/poi", [*armed, turn])

        assert len(disk.read(Path(FILE)) or b"") < 1 << 18
        assert (await reopened(disk)).kept("armed/poi") == [*armed, 199]

    run(story)


def test_a_full_disk_refuses_to_keep_and_says_so_once_and_goes_on_by_itself() -> None:
    async def story() -> None:
        disk, faults = CrashDisk(), list[str]()
        journal = await opened(disk, faults)
        await journal.keep("epoch", 1)
        disk.fails, disk.tears = errno.ENOSPC, True

        for number in range(3):
            with pytest.raises(JournalFault, match=r"No space left on device; .*See that /state has room"):
                await journal.keep("lease/refused", number)
        journal.post("lowered/a", "off")
        degraded = journal.degraded
        told_full = len(faults)
        disk.fails = 0
        while journal.degraded:
            await asyncio.sleep(0)
            journal._hurry.set()  # somebody is in a hurry, so that no test has to wait for the retry

        assert (degraded, told_full) == (True, 1)
        assert faults[1:] == [f"{FILE}: works again, everything is on the disk"]
        assert everything(await reopened(disk)) == {"epoch": 1, "lowered/a": "off"}
        await journal.close()

    run(story)


def test_after_a_failed_sync_nothing_is_appended_to_that_file_again() -> None:
    async def story() -> None:
        disk = CrashDisk()
        journal = await opened(disk)
        await journal.keep("epoch", 1)
        disk.fails = errno.EIO
        with pytest.raises(JournalFault):
            await journal.keep("seq/dispatch", 1)
        disk.fails = 0
        disk.calls.clear()

        await journal.keep("seq/dispatch", 2)

        assert disk.calls == ["replace", "open_append"]
        await journal.close()

    run(story)


def test_a_disk_that_takes_nothing_stops_no_start_and_no_stop() -> None:
    async def story() -> None:
        disk, faults = CrashDisk(), list[str]()
        disk.fails = errno.EROFS

        journal = await opened(disk, faults)
        journal.post("boot", "b-1")
        await journal.close()

        assert journal.created
        assert journal.degraded
        assert len(faults) == 1
        assert "Read-only file system" in faults[0]

    run(story)


def test_a_disk_that_can_be_read_but_not_written_still_tells_what_it_holds() -> None:
    async def story() -> None:
        disk = CrashDisk()
        await (await opened(disk)).keep("lease/01J", 900)
        worn = CrashDisk(next(disk.states()))
        worn.fails = errno.EROFS

        journal = await opened(worn)

        assert journal.kept("lease/01J") == 900
        assert (journal.created, journal.degraded) == (False, True)
        await journal.close()

    run(story)


def test_a_corrupt_file_is_set_aside_and_only_its_epoch_number_is_told() -> None:
    async def story() -> None:
        disk = CrashDisk()
        journal = await opened(disk)
        await journal.keep("epoch", 7)
        await journal.keep("lowered/a", "off")
        await journal.keep("lowered/a", None)
        data = bytearray(disk.read(Path(FILE)) or b"")
        data[data.index(b'"off"')] ^= 1
        faults: list[str] = []
        bad = CrashDisk({FILE: bytes(data)})

        again = await opened(bad, faults)

        assert again.created
        assert everything(again) == {}
        assert again.salvaged == {"epoch": 7}
        assert bad.read(FOLDER / "journal.bad") == bytes(data)
        assert len(faults) == 1
        assert "corrupt after" in faults[0]
        await again.keep("epoch", 8)
        assert everything(await reopened(bad)) == {"epoch": 8}

    run(story)


@pytest.mark.parametrize(
    "junk", [b"", b"\0" * 4096, b"SQLite format 3\0", b"BJ1\n", b"BJ1\n\xff\xff\xff\xff\0\0\0\0{}"]
)
def test_a_file_of_something_else_is_set_aside(junk: bytes) -> None:
    async def story() -> None:
        disk = CrashDisk({FILE: junk})

        journal = await opened(disk)

        assert journal.created
        assert disk.read(FOLDER / "journal.bad") == junk
        await journal.keep("epoch", 1)

    run(story)


def test_a_torn_end_is_cut_and_told() -> None:
    async def story() -> None:
        disk = CrashDisk()
        await (await opened(disk)).keep("epoch", 7)
        faults: list[str] = []
        torn = CrashDisk({FILE: (disk.read(Path(FILE)) or b"") + b"BJ1\n\x20\0\0"})

        journal = await opened(torn, faults)

        assert everything(journal) == {"epoch": 7}
        assert faults == [f"{FILE}: cut off 7 bytes of a commit that a crash left unfinished"]
        assert everything(await reopened(torn, faults)) == {"epoch": 7}
        assert len(faults) == 1

    run(story)


def test_a_disk_that_hangs_is_told_after_five_seconds_and_again_when_it_is_back() -> None:
    class Hanging(Inline):
        hangs_s = 0.0

        async def in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
            await asyncio.sleep(self.hangs_s)
            return fn(*args)

    async def story(clock: VirtualClock) -> None:
        spawn, faults, since = Hanging(), list[tuple[int, str]](), Since(clock)
        journal = await Journal.open(
            CrashDisk(), spawn, FOLDER, on_fault=lambda fault: faults.append((round(since.ms()), fault))
        )
        spawn.hangs_s = 12.0

        await journal.keep("epoch", 1)

        assert [at for at, _ in faults] == [5_000, 12_000]
        assert "does not answer" in faults[0][1]
        assert not journal.degraded

    virtual.run(story)


def test_a_caller_that_gave_up_waiting_harms_nobody() -> None:
    async def story() -> None:
        journal = await opened(CrashDisk())
        given_up = asyncio.ensure_future(journal.keep("seq/a", 1))
        patient = asyncio.ensure_future(journal.keep("seq/b", 2))
        await asyncio.sleep(0)
        given_up.cancel()

        await patient

        assert given_up.cancelled() or given_up.done()
        assert everything(journal) == {"seq/a": 1, "seq/b": 2}

    run(story)


def test_a_value_that_is_no_json_is_a_bug_that_comes_out() -> None:
    async def story() -> None:
        journal = await opened(CrashDisk())

        with pytest.raises(TypeError):
            await journal.keep("boot", object())
        journal.post("boot", object())
        with pytest.raises(TypeError):
            await journal.close()

    run(story)
