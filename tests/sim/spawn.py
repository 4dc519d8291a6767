"""The spawn seam in virtual time: the work itself is done at one instant, somewhere between the asking and the answer.

So a kill finds it not begun, or done and not yet told: both of which a real thread can leave behind.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import ParamSpec, TypeVar

from tests.sim.life import Life

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """How slow this machine's disk and processor are; shared by all lives."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.before_s = 0.000_3
        self.after_s = 0.000_3
        self.slow_s = 0.0  # a disk that stalls: added before the work is done


class VirtualSpawn:
    """What agent/shell/spawn.py's Spawn promises, one piece of work after another."""

    def __init__(self, threads: Threads, life: Life) -> None:
        self._threads = threads
        self._life = life
        self._turn = asyncio.Lock()

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        threads = self._threads
        async with self._turn:
            await self._pass(threads.slow_s + threads.random.uniform(0, 2 * threads.before_s))
            try:
                return work(*args, **kwargs)
            finally:
                await self._pass(threads.random.uniform(0, 2 * threads.after_s))

    async def _pass(self, wait_s: float) -> None:
        if not self._life.alive:
            raise asyncio.CancelledError
        await asyncio.sleep(wait_s)
