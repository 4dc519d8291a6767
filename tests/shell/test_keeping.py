"""What is told of a decision comes after it is on the disk, or a second later when the disk does not answer."""

import asyncio
import errno
from pathlib import Path

from agent.core.site import BoundClass
from agent.core.state import Durable, Event, Lowered
from agent.core.tree import Tree
from agent.shell.journal import Journal
from agent.shell.keeping import Keeping
from tests.core.rig import a_site
from tests.shell.crash import CrashDisk, Inline
from tests.shell.virtual import Since, run
from tests.sim.clock import VirtualClock

FOLDER = Path("/state")
BOOT = "9f2c41aa00000000"
TREE = Tree(a_site(4))
OPEN = Durable(events={"01J": Event("01J", "ufr", "ufr", BoundClass.GRID, "poi", 1.0, 2.0, 0)})


async def opened(disk: CrashDisk) -> Journal:
    return await Journal.open(disk, Inline(), FOLDER, on_fault=lambda _: None)


async def keeping(disk: CrashDisk, clock: VirtualClock) -> Keeping:
    made = Keeping(await opened(disk), clock, lambda _: None)
    asyncio.ensure_future(made.run())  # noqa: RUF006 (`run` of virtual.py cancels it)
    return made


def test_an_event_is_gone_from_the_disk_before_its_end_is_told() -> None:
    async def story(clock: VirtualClock) -> None:
        disk = CrashDisk()
        kept = await keeping(disk, clock)
        found: list[dict[str, bytes]] = []
        told = asyncio.Event()

        def tell() -> None:
            found.append(next(disk.states()))
            told.set()

        kept.durable(OPEN)
        await asyncio.sleep(0.1)
        kept.durable(Durable(counter=7))  # within a second of the other: it may wait, but not be told of
        kept.afterwards(tell)
        await told.wait()

        core = (await opened(CrashDisk(found[0]))).kept("core")
        assert isinstance(core, dict)
        assert (core["events"], core["counter"]) == ({}, 7)

    run(story)


def test_what_is_told_keeps_its_order_and_is_told_once() -> None:
    async def story(clock: VirtualClock) -> None:
        kept = await keeping(CrashDisk(), clock)
        told: list[int] = []

        for number in range(3):
            kept.afterwards(lambda number=number: told.append(number))  # type: ignore[misc]
            await asyncio.sleep(0)
        kept.tell_rest()
        await asyncio.sleep(2)

        assert told == [0, 1, 2]

    run(story)


def test_a_disk_that_refuses_silences_nobody() -> None:
    async def story(clock: VirtualClock) -> None:
        disk = CrashDisk()
        kept = await keeping(disk, clock)
        disk.fails = errno.EIO
        since, told = Since(clock), asyncio.Event()

        kept.durable(OPEN)
        kept.afterwards(told.set)
        await told.wait()

        assert since.ms() <= 1_000

    run(story)


def test_times_of_another_boot_are_gone_from_the_disk_when_the_new_boot_is_on_it() -> None:
    async def story(clock: VirtualClock) -> None:
        disk = CrashDisk()
        before = await keeping(disk, clock)
        before.state(TREE)
        lowered = {load.id: Lowered("01J", "off", clock.monotonic_ns(), 3_000.0) for load in TREE.site.loads}
        before.durable(Durable(events=OPEN.events, lowered=lowered))
        await asyncio.sleep(2)

        clock.boot()
        again = CrashDisk(next(disk.states()))
        (await keeping(again, clock)).state(TREE)
        await asyncio.sleep(2)
        third = (await keeping(CrashDisk(next(again.states())), clock)).state(TREE)

        assert {down.told_ns <= clock.monotonic_ns() for down in third.durable.lowered.values()} == {True}

    run(story)


def test_a_journal_that_is_gone_never_gets_an_epoch_that_it_had() -> None:
    async def story(clock: VirtualClock) -> None:
        disk = CrashDisk()
        first = await keeping(disk, clock)
        epoch = first.epoch(BOOT)
        await first._journal.keep("seq/dispatch", 4)
        await asyncio.sleep(2)

        again = (await keeping(CrashDisk(next(disk.states())), clock)).epoch(BOOT)
        wiped = (await keeping(CrashDisk(), clock)).epoch(BOOT)
        clock.missing = True
        without_clock = (await keeping(CrashDisk(), clock)).epoch(BOOT)

        assert again == epoch
        assert wiped > epoch
        assert without_clock == 0x9F2C41AA

    run(story)
