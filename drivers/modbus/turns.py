"""Whose turn it is on a link: one at a time, in the order of rank and otherwise in the order of asking."""

import asyncio
import heapq
from enum import IntEnum
from itertools import count


class Rank(IntEnum):
    """Who goes first. A write waits for the request in flight and for earlier writes, never for a read that waits."""

    ACTUATION = 0
    FAST = 1
    SLOW = 2


class Turns:
    """A lock with ranks of waiters. The queue is as long as its callers are many: each waits for one turn."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[Rank, int, asyncio.Future[None]]] = []
        self._order = count()

    async def take(self, rank: Rank) -> None:
        """Wait for the turn; whoever has it must give it back."""
        if not self._taken:
            self._taken = True
            return
        granted = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._order), granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give()  # granted and cancelled in the same turn of the loop: pass it on
            raise

    def give(self) -> None:
        """Hand the turn to the first who still waits for it."""
        while self._waiting:
            _, _, granted = heapq.heappop(self._waiting)
            if not granted.done():
                granted.set_result(None)
                return
        self._taken = False
