"""The tank, the switchgear and the GPUs."""

import asyncio
from random import Random
from typing import Any

from hil.soak.mischief.kinds import LINE_FAULTS, LINK_FAULTS, Done, ill
from hil.soak.site import CONTACTOR, GPUS, SWITCHGEAR, TANK
from hil.soak.world import World


async def tank_link(world: World, random: Random, lasts_s: float) -> Done:
    fault, ms = random.choice(LINE_FAULTS), random.choice([60.0, 300.0])
    await ill(world, "plc_fault", {"plc": TANK}, fault, ms, lasts_s)
    return f"{fault} {ms:g} ms" if fault == "late" else fault, ()


async def tank_plc(world: World, random: Random, lasts_s: float) -> Done:
    fault = random.choice(["stop", "restart"])
    await ill(world, "plc_fault", {"plc": TANK}, fault, 0.0, lasts_s)
    return fault, ()


async def condenser(world: World, random: Random, lasts_s: float) -> Done:
    lpm = random.choice([0.0, 0.0, 0.03, 0.3]) * world.site.flow_lpm
    world.do("condenser_flow", plc=TANK, lpm=lpm)
    await asyncio.sleep(lasts_s)
    world.do("condenser_flow", plc=TANK, lpm=None)
    return f"{lpm:g} l/min", ()


async def permit_lost(world: World, random: Random, lasts_s: float) -> Done:
    how = random.choice(["withheld", "alarm", "sensor"])
    ways: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        "withheld": ("withhold", {"withheld": True}, {"withheld": False}),
        "alarm": ("alarm", {"name": "leak", "on": True}, {"name": "leak", "on": False}),
        "sensor": (
            "sensor",
            {"point": "coolant_level_pct", "value": "failed"},
            {"point": "coolant_level_pct", "value": None},
        ),
    }
    operation, arguments, well = ways[how]
    world.do(operation, plc=TANK, **arguments)
    await asyncio.sleep(lasts_s)
    world.do(operation, plc=TANK, **well)
    return how, ()


async def switchgear_link(world: World, random: Random, lasts_s: float) -> Done:
    fault, ms = random.choice(LINK_FAULTS), random.choice([60.0, 300.0])
    await ill(world, "plc_fault", {"plc": SWITCHGEAR}, fault, ms, lasts_s)
    return f"{fault} {ms:g} ms" if fault == "late" else fault, ()


async def switchgear_restarts(world: World, _: Random, lasts_s: float) -> Done:
    world.do("plc_fault", plc=SWITCHGEAR, fault="restart")
    await asyncio.sleep(lasts_s)
    return "its contactors fall open", world.site.east


async def interlock(world: World, random: Random, lasts_s: float) -> Done:
    name = random.choice(["estop_ok", "leak_ok"])
    world.turn_input(name, False)
    await asyncio.sleep(lasts_s)
    world.turn_input(name, True)
    return name, world.site.east if name == "estop_ok" else ()


async def panel_local(world: World, _: Random, lasts_s: float) -> Done:
    world.turn_input("remote", False)
    await asyncio.sleep(lasts_s)
    world.turn_input("remote", True)
    return "", ()


async def liars_in_a_dip(world: World, random: Random, lasts_s: float) -> Done:
    """Miners behind the contactor that say they stop and do not: it has to open; perhaps it cannot."""
    how = random.choice(["well", "well", "weld", "stick"])
    target = {"plc": SWITCHGEAR, "contactor": CONTACTOR}
    world.do("lie", lie="liar", miners=world.site.east)
    if how == "weld":
        world.do("weld", **target, welded=True)
    if how == "stick":
        world.do("stick", **target, stuck=True)
    world.do("frequency", hz=59.2)
    await asyncio.sleep(lasts_s)
    world.do("frequency", hz=60.0)
    world.do("lie", lie="none", miners=world.site.east)
    world.do("weld", **target, welded=False)
    world.do("stick", **target, stuck=False)
    return f"contactor {how}", world.site.east


async def gpu_ill(world: World, random: Random, lasts_s: float) -> Done:
    at = random.randrange(GPUS)
    how = random.choice(["hang", "hang one", "lost", "reload", "xid", "denied", "library"])
    ways: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
        "hang": ("hang", {"function": "*"}, "free", {}),
        "hang one": ("hang", {"function": "*", "gpu": at}, "free", {}),
        "lost": ("lose", {"at": at, "lost": True}, "lose", {"at": at, "lost": False}),
        "reload": ("reload", {}, "free", {}),
        "xid": ("xid", {"at": at, "code": 79}, "free", {}),
        "denied": ("deny", {"denied": True}, "deny", {"denied": False}),
        "library": ("remove_library", {}, "restore_library", {}),
    }
    deed, arguments, undo, well = ways[how]
    world.do("gpu", deed=deed, **arguments)
    await asyncio.sleep(lasts_s)
    world.do("gpu", deed=undo, **well)
    return how, ()


async def gpud_killed(world: World, random: Random, _: float) -> Done:
    world.kill("gpud")
    await asyncio.sleep(away_s := random.choice([0.5, 3.0, 12.0]))
    world.start("gpud")
    return f"away {away_s:g} s", ()
