"""The spawn seam in virtual time: the work itself is done at one instant, somewhere between the asking and the answer.

So a kill finds it not begun, or done and not yet told: both of which a real thread can leave behind. One piece of
work runs after another, in the order asked for; what was begun is done even if nobody waits for it any more.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import TypeVar, TypeVarTuple

from tests.sim.life import Life
from tests.sim.loop import NS_PER_S, VirtualLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Threads:
    """How slow this machine's disk and processor are; shared by all lives."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self.loop = loop
        self.random = random
        self.before_s = 0.000_3
        self.after_s = 0.000_3
        self.slow_s = 0.0  # a disk that stalls: added before the work is done


class VirtualSpawn:
    """What agent/shell/spawn.py's Spawn promises."""

    def __init__(self, threads: Threads, life: Life) -> None:
        self._threads = threads
        self._life = life
        self._free_ns = 0  # when the thread has done all that was asked for

    async def in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        if not self._life.alive:
            raise asyncio.CancelledError
        threads, loop = self._threads, self._threads.loop
        before_s = threads.slow_s + threads.random.uniform(0, 2 * threads.before_s)
        after_s = threads.random.uniform(0, 2 * threads.after_s)
        done: asyncio.Future[T] = loop.create_future()
        begins_ns = max(self._free_ns, loop.now_ns) + round(before_s * NS_PER_S)
        self._free_ns = begins_ns + round(after_s * NS_PER_S)

        def work() -> None:
            if not self._life.alive:
                return
            try:
                result = fn(*args)
            except Exception as error:  # noqa: BLE001 (it is the caller's, as in an executor)
                loop.call_later(after_s, _fail, done, error)
            else:
                loop.call_later(after_s, _finish, done, result)

        loop.call_at(begins_ns / NS_PER_S, work)
        return await done


def _finish(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[T]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
