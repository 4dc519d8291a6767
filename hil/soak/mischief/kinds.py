"""What a mischief is: a coroutine that does something to the world, waits, and undoes it.

It gives the particulars in words and the loads that it touched by itself. What it holds on to (`uses`) is held by
nobody else meanwhile; `heals` says how long the site may need until all is back where it was:

    soon    nothing was lowered, or little
    shed    loads were lowered: minimum times, permits and the ramp
    grid    a frequency rule was made to shed: its release comes before all that
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from msgspec import Struct

from hil.soak.world import World

Done = tuple[str, Sequence[str]]

MINER_FAULTS = (
    *("never_accepts", "never_reads", "never_answers", "trickle", "mute", "garbled", "reset", "refuse"),
    *("hang_logon", "hang_curtail", "session_held", "session_lost", "denied"),
)
LINK_FAULTS = ("silent", "late", "reset", "garbage", "exception", "refuse")
LINE_FAULTS = ("silent", "late", "garbage", "exception")  # a serial line cannot reset


class Mischief(Struct, frozen=True):
    """One kind; a share of `weight` of all."""

    name: str
    do: Callable[[World, Random, float], Awaitable[Done]]
    uses: frozenset[str]
    seconds: tuple[float, float]  # it lasts
    weight: float = 1.0
    heals: str = "soon"


async def ill(world: World, operation: str, target: dict[str, str], fault: str, ms: float, lasts_s: float) -> None:
    """A device or the way to it is ill for a while."""
    world.do(operation, **target, fault=fault, ms=ms)
    await asyncio.sleep(lasts_s)
    world.do(operation, **target, fault="none")
