"""Miners."""

import asyncio
from random import Random

from hil.soak.mischief.kinds import MINER_FAULTS, Done
from hil.soak.world import World


async def miners_ill(world: World, random: Random, lasts_s: float) -> Done:
    fault, some = random.choice(MINER_FAULTS), _some(world, random, 0.06)
    world.do("miner_fault", fault=fault, miners=some)
    await asyncio.sleep(lasts_s)
    world.do("miner_fault", fault="none", miners=some)
    return f"{len(some)} {fault}", some


async def miners_lie(world: World, random: Random, lasts_s: float) -> Done:
    lie, some = random.choice(["deaf", "liar"]), _some(world, random, 0.04)
    world.do("lie", lie=lie, miners=some)
    await asyncio.sleep(lasts_s)
    world.do("lie", lie="none", miners=some)
    return f"{len(some)} {lie}", some


async def miners_dark(world: World, random: Random, lasts_s: float) -> Done:
    some = _some(world, random, 0.06)
    world.do("dark", dark=True, miners=some)
    await asyncio.sleep(lasts_s)
    world.do("dark", dark=False, miners=some)
    return f"{len(some)}", some


async def miners_move(world: World, random: Random, lasts_s: float) -> Done:
    some = _some(world, random, 0.01)
    world.do("move", on=False, miners=some)
    await asyncio.sleep(lasts_s)
    world.do("move", on=True, miners=some)
    return f"{len(some)} off and on again", some


def _some(world: World, random: Random, share: float) -> list[str]:
    miners = world.site.miners
    return sorted(random.sample(miners, random.randint(1, max(1, round(share * len(miners))))))
