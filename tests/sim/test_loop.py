"""Virtual time: it jumps, keeps order, ends what would hang, and drops what a dead life had planned."""

import asyncio
from contextvars import copy_context

import pytest

from tests.sim.loop import LIFE, NS_PER_S, Deadlock, Livelock, VirtualLoop, life_tasks, mark_tasks


def test_an_hour_of_sleep_takes_its_work_alone_and_ends_at_the_exact_time() -> None:
    loop = VirtualLoop(start_ns=5 * NS_PER_S)

    loop.run_until_complete(asyncio.sleep(3600.25))
    loop.close()

    assert loop.now_ns == 5 * NS_PER_S + 3_600_250_000_000
    assert loop.rounds < 10


def test_timers_ring_in_the_order_of_their_times_and_equal_ones_as_they_were_set() -> None:
    loop = VirtualLoop()
    rung: list[str] = []

    async def ring() -> None:
        loop.call_later(0.2, rung.append, "late")
        loop.call_later(0.1, rung.append, "first")
        loop.call_later(0.1, rung.append, "second")
        loop.call_soon(rung.append, "soon")
        await asyncio.sleep(1)

    loop.run_until_complete(ring())
    loop.close()

    assert rung == ["soon", "first", "second", "late"]


def test_waiting_for_nothing_is_a_deadlock_at_once() -> None:
    loop = VirtualLoop()

    with pytest.raises(Deadlock):
        loop.run_until_complete(asyncio.wait_for(loop.create_future(), None))
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_work_without_end_at_one_instant_is_a_livelock() -> None:
    loop = VirtualLoop()

    async def spin() -> None:
        while True:  # noqa: ASYNC110 (a busy wait is what is tested)
            await asyncio.sleep(0)

    task = loop.create_task(spin())
    with pytest.raises(Livelock):
        loop.run_until_complete(task)
    loop._rounds_here = 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


def test_a_thread_is_refused() -> None:
    loop = VirtualLoop()

    with pytest.raises(AssertionError, match="spawn seam"):
        loop.run_in_executor(None, print)
    loop.close()


def test_the_timers_of_a_dropped_life_never_ring_and_its_tasks_are_known() -> None:
    loop = VirtualLoop()
    mark_tasks(loop)
    rung: list[str] = []

    async def live() -> None:
        loop.call_later(1, rung.append, "agent")
        await asyncio.sleep(3600)

    async def world() -> None:
        loop.call_later(1, rung.append, "world")
        context = copy_context()
        context.run(LIFE.set, 1)
        agent = loop.create_task(live(), context=context)
        await asyncio.sleep(0.5)
        assert life_tasks(loop, 1) == [agent]
        loop.drop_timers(1)
        agent.cancel()
        await asyncio.sleep(2)
        assert agent.cancelled()

    loop.run_until_complete(world())
    loop.close()

    assert rung == ["world"]
