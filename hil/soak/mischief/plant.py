"""The grid and the meters that see it."""

import asyncio
import math
from random import Random

from hil.recording import load_toledo
from hil.soak.mischief.kinds import LINK_FAULTS, Done, ill
from hil.soak.site import BACKUP, MAIN
from hil.soak.world import World

_TOLEDO = ("12:33:14", "12:33:26")  # the collapse of 2025-04-28, from well above the threshold to well below it


async def dip(world: World, random: Random, lasts_s: float) -> Done:
    hz = round(random.uniform(58.7, 59.65), 3)
    world.do("frequency", hz=hz)
    await asyncio.sleep(lasts_s)
    world.do("frequency", hz=60.0)
    return f"{hz} Hz", ()


async def slope(world: World, random: Random, lasts_s: float) -> Done:
    hz = round(random.uniform(59.0, 59.6), 3)
    way_s = (60.0 - hz) / random.uniform(0.2, 2.0)
    world.do("draw", points=[[0.0, 60.0, 277.0], [way_s, hz, 277.0], [way_s + lasts_s, hz, 277.0]])
    await asyncio.sleep(way_s + lasts_s)
    world.do("frequency", hz=60.0)
    return f"to {hz} Hz in {way_s:.1f} s", ()


async def recording(world: World, _: Random, lasts_s: float) -> Done:
    samples = [sample for sample in load_toledo(*_TOLEDO) if math.isfinite(sample.hertz)]
    world.do("draw", points=[[sample.at_s, round(sample.hertz * 60 / 50, 4), 277.0] for sample in samples])
    await asyncio.sleep(samples[-1].at_s + lasts_s)
    world.do("frequency", hz=60.0)
    return "Toledo, 12:33, times 60/50", ()


async def shallow_dip(world: World, random: Random, lasts_s: float) -> Done:
    hz = round(random.uniform(59.72, 59.9), 3)
    world.do("frequency", hz=hz)
    await asyncio.sleep(lasts_s)
    world.do("frequency", hz=60.0)
    return f"{hz} Hz", ()


async def dead_bus(world: World, random: Random, lasts_s: float) -> Done:
    volts = random.choice([0.0, 20.0, 100.0])
    world.do("frequency", hz=45.0, volts=volts)
    await asyncio.sleep(lasts_s)
    world.do("frequency", hz=60.0, volts=volts)
    await asyncio.sleep(1.0)
    world.do("frequency", hz=60.0)
    return f"{volts:g} V", ()


async def over_limit(world: World, random: Random, lasts_s: float) -> Done:
    rules, now = world.site.rules, world.watts()
    by_w = rules.limit_w - now + random.uniform(-150e3, 300e3)
    world.do("bias", watts=by_w)
    await asyncio.sleep(lasts_s)
    world.do("bias", watts=0.0)
    return f"{by_w / 1e3:+.0f} kW", ()


async def meter_link(world: World, random: Random, lasts_s: float) -> Done:
    fault, ms = random.choice((*LINK_FAULTS, "freeze")), random.choice([60.0, 300.0, 1500.0])
    await ill(world, "meter_fault", {"meter": MAIN}, fault, ms, lasts_s)
    return f"{fault} {ms:g} ms" if fault == "late" else fault, ()


async def meter_shows(world: World, random: Random, lasts_s: float) -> Done:
    quantity, value = random.choice(
        [("hertz", "nan"), ("hertz", 0.0), ("hertz", 70.0), ("watts", "nan"), ("watts", 1e12), ("volts_l1n", "nan")]
    )
    world.do("show", meter=MAIN, quantity=quantity, value=value)
    await asyncio.sleep(lasts_s)
    world.do("show", meter=MAIN, quantity=quantity, value=None)
    return f"{quantity} {value}", ()


async def meters_away(world: World, random: Random, lasts_s: float) -> Done:
    fault = random.choice(["silent", "garbage", "exception", "refuse", "freeze"])
    for meter in (MAIN, BACKUP):
        world.do("meter_fault", meter=meter, fault=fault)
    await asyncio.sleep(lasts_s)
    for meter in (MAIN, BACKUP):
        world.do("meter_fault", meter=meter, fault="none")
    return fault, ()
