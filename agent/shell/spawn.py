"""The spawn seam: where blocking work runs so that the event loop does not wait for it.

One RealSpawn is one thread: calls run one after the other, in the order in which they were asked for. What is given to
the thread belongs to it until the call is over. A call that was begun cannot be called back: cancelling the await
leaves it running, and later calls still come after it. The simulation replaces this file.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Spawn(Protocol):
    """Runs blocking functions away from the loop, one after the other."""

    async def in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """What fn(*args) returns or raises."""
        ...


class RealSpawn:
    """One named thread, started with its first call."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, fn, *args)

    def close(self) -> None:
        """No calls after this. What was asked for before still runs; nothing waits for it here."""
        self._executor.shutdown(wait=False)
