"""Chaos with tanks, contactors, GPUs, LuxOS miners and people; and how it is put right again."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from tests.sim import gpus
from tests.sim.contactors import INTERLOCKS
from tests.sim.luxos import VirtualLuxos
from tests.sim.plc import VirtualPlc
from tests.sim.site import TANK, Site
from tests.sim.tank import FLOW_LPM, POINTS
from tests.sim.transport import LINK_AILMENTS
from tests.sim.world import World

Mischief = Callable[[World, Random], Awaitable[str]]


def device_mischief(site: Site) -> list[Mischief]:
    """What can happen to the devices that a site has."""
    found: list[Mischief] = [person_holds, miner_has_its_own_mind]
    if site.tank:
        found += [condenser_fails, condenser_fails, permit_is_withheld, sensor_fails]
    if site.contactors:
        found += [contactor_welds, contactor_sticks, interlock_falls, panel_is_local, lies_behind_a_contactor]
        found.append(lies_behind_a_contactor)
    if site.tank or site.contactors:
        found += [plc_ails, plc_ails, plc_stops, plc_restarts]
    if site.gpus:
        found += [gpus_ail, gpud_is_cut_off, gpud_restarts]
    if site.luxos:
        found.append(sessions_are_taken)
    return found


def make_devices_well(world: World) -> None:
    """As they were; what a person has to do on site is people_put_right."""
    if world.tank is not None:
        world.tank.flow_set_lpm, world.tank.withheld, world.tank.remote = FLOW_LPM, False, True
        world.tank.failed.clear()
    if world.gear is not None:
        world.mend_gear()
    for plc in _plcs(world):
        plc.ails = ""
        plc.go_on()
    if world.gpus is not None:
        world.gpus.ail("")
        world.ail_gpus("", ())


async def people_put_right(world: World) -> None:
    """Somebody on site acknowledges what is latched, and releases what fell open; whoever asks in vain is told."""
    for target in (*world.site.feeds(), TANK):
        await world.person("ack", target)
    await world.pass_s(2.0)
    for target in world.site.feeds():
        await world.person("release", target)


def _plcs(world: World) -> list[VirtualPlc]:
    return [plc for plc in (world.tank, world.gear) if plc is not None]


async def condenser_fails(world: World, random: Random) -> str:
    assert world.tank is not None
    world.tank.flow_set_lpm = random.choice([0.0, 0.0, 40.0, 70.0])
    await asyncio.sleep(random.uniform(0.2, 40.0))
    world.tank.flow_set_lpm = FLOW_LPM
    return "condenser's flow falls"


async def permit_is_withheld(world: World, random: Random) -> str:
    assert world.tank is not None
    world.tank.withheld = True
    if random.random() < 0.6:
        world.dip(49.2)
    await asyncio.sleep(random.uniform(0.3, 20.0))
    world.recover()
    await asyncio.sleep(random.uniform(0.3, 60.0))
    world.tank.withheld = False
    return "tank's permit is withheld"


async def sensor_fails(world: World, random: Random) -> str:
    assert world.tank is not None
    point = random.choice(POINTS)
    world.tank.failed.add(point)
    await asyncio.sleep(random.uniform(0.3, 20.0))
    world.tank.failed.discard(point)
    return f"tank's sensor of {point} fails"


async def plc_ails(world: World, random: Random) -> str:
    plc = random.choice(_plcs(world))
    ails = random.choice(LINK_AILMENTS)
    plc.ails, plc.late_s = ails, random.choice([0.05, 0.15, 1.0])
    if random.random() < 0.3:
        world.dip(49.2)
    await asyncio.sleep(random.choice([0.3, 3.0, 12.0, 70.0]))
    world.recover()
    plc.ails = ""
    return f"PLC {ails}"


async def plc_stops(world: World, random: Random) -> str:
    plc = random.choice(_plcs(world))
    plc.stop()
    await asyncio.sleep(random.choice([0.5, 4.0, 30.0]))
    plc.go_on()
    return "PLC's program stops"


async def plc_restarts(world: World, random: Random) -> str:
    random.choice(_plcs(world)).restart()
    return "PLC restarts"


async def _dips(world: World, random: Random) -> None:
    """A sag that asks for everything that can be had, and its end."""
    world.dip(49.2)
    await asyncio.sleep(random.uniform(5.0, 50.0))
    world.recover()


async def lies_behind_a_contactor(world: World, random: Random) -> str:
    contactor = random.choice(list(world.site.feeds()))
    liars = [world.by_host[host] for host in world.site.feeds()[contactor]]
    others = [miner for miner in world.miners if miner not in liars]
    ails = random.choice(["lie", "deceive", "deaf", "void"])
    for miner in liars:
        world.ail(miner, ails)
    asleep = random.sample(others, len(others) * 2 // 3)
    for miner in asleep:  # too few others to make up for them
        miner.turn(False)
        world.note(miner, "off by itself")
    await asyncio.sleep(10.0)
    await _dips(world, random)
    for miner in liars:
        world.ail(miner, "")
    return f"all behind a contactor {ails}, and a sag"


async def contactor_welds(world: World, random: Random) -> str:
    world.weld(random.choice(list(world.site.feeds())), linked=random.random() < 0.4)
    told = await lies_behind_a_contactor(world, random)
    await asyncio.sleep(random.uniform(0.0, 30.0))
    world.mend_gear()
    return f"a weld: {told}"


async def contactor_sticks(world: World, random: Random) -> str:
    assert world.gear is not None
    contactor = random.choice(world.gear.contactors)
    contactor.stuck = random.choice([(True, False), (False, False), (True, True), (False, True)])
    if random.random() < 0.7:
        await lies_behind_a_contactor(world, random)
    await asyncio.sleep(random.uniform(1.0, 30.0))
    world.mend_gear()
    return "auxiliary contacts stick"


async def interlock_falls(world: World, random: Random) -> str:
    assert world.gear is not None
    name = random.choice(INTERLOCKS)
    world.gear.set_input(name, False)
    await asyncio.sleep(random.uniform(0.5, 40.0))
    world.gear.set_input(name, True)
    return "an interlock falls"


async def panel_is_local(world: World, random: Random) -> str:
    assert world.gear is not None
    world.gear.remote = False
    await asyncio.sleep(random.uniform(1.0, 10.0))
    if random.random() < 0.6:
        await _dips(world, random)
    await asyncio.sleep(random.uniform(1.0, 30.0))
    world.gear.remote = True
    return "panel in LOCAL"


async def gpus_ail(world: World, random: Random) -> str:
    assert world.gpus is not None
    ails = random.choice(gpus.AILMENTS)
    world.ail_gpus(ails, random.sample(list(world.gpus.gpus), random.randint(1, len(world.gpus.gpus))))
    await asyncio.sleep(random.uniform(1.0, 60.0))
    world.ail_gpus("", ())
    return f"GPUs {ails}"


async def gpud_is_cut_off(world: World, random: Random) -> str:
    assert world.gpus is not None
    ails = random.choice(gpus.WIRE_AILMENTS)
    world.gpus.ail(ails)
    await asyncio.sleep(random.choice([0.5, 5.0, 14.0, 40.0]))
    world.gpus.ail("")
    return f"gpud {ails}"


async def gpud_restarts(world: World, random: Random) -> str:
    assert world.gpus is not None
    await world.gpus.restart()
    return "gpud restarts"


async def sessions_are_taken(world: World, random: Random) -> str:
    for miner in world.miners:
        if isinstance(miner, VirtualLuxos) and random.random() < 0.7:
            miner.take()
    world.dip(49.2)
    await asyncio.sleep(random.uniform(1.0, 70.0))
    world.recover()
    return "sessions are taken, and a sag"


async def person_holds(world: World, random: Random) -> str:
    targets = [
        *world.site.feeds(),
        *([TANK] if world.site.tank else []),
        world.load_name(random.choice(world.miners).host),
    ]
    target, verb = random.choice(targets), random.choice(["tag", "local"])
    if not await world.person(verb, target):
        return f"{verb} kept back"
    await asyncio.sleep(random.uniform(1.0, 10.0))
    if random.random() < 0.7:
        await _dips(world, random)
    await asyncio.sleep(random.uniform(1.0, 60.0))
    for _ in range(100):
        undone = world.person("untag", target) if verb == "tag" else world.person("local", target, leave=True)
        if await undone:
            break
        await asyncio.sleep(5.0)
    return f"a person's {verb}"


async def miner_has_its_own_mind(world: World, random: Random) -> str:
    """It comes on by itself some seconds after it was told to go off, again and again."""
    miner = random.choice(world.miners)
    left = random.randint(1, 4)
    world.dip(49.2)
    for _ in range(60):
        await asyncio.sleep(1.0)
        if not miner.on and miner.powered and left:
            await asyncio.sleep(random.uniform(4.0, 8.0))
            miner.turn(True)
            world.note(miner, "on by itself")
            left -= 1
    world.recover()
    return "a miner has its own mind"
