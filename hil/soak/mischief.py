"""What can happen to a site: coroutines that do something to the world, wait, and undo it.

Each gives the particulars in words and the loads that it touched by itself. What it holds on to (`uses`) is held by
nobody else meanwhile; `heals` says how long the site may need until all is back where it was:

    soon    nothing was lowered, or little
    shed    loads were lowered: minimum times, permits and the ramp
    grid    a frequency rule was made to shed: its release comes before all that
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

from msgspec import Struct

from hil.recording import load_toledo
from hil.soak.issuer import SPOILT
from hil.soak.site import BACKUP, CONTACTOR, GPUS, GROUP, MAIN, RACK, SWITCHGEAR, TANK
from hil.soak.world import World

Done = tuple[str, Sequence[str]]

MINER_FAULTS = (
    *("never_accepts", "never_reads", "never_answers", "trickle", "mute", "garbled", "reset", "refuse"),
    *("hang_logon", "hang_curtail", "session_held", "session_lost", "denied"),
)
LINK_FAULTS = ("silent", "late", "reset", "garbage", "exception", "refuse")
LINE_FAULTS = ("silent", "late", "garbage", "exception")  # a serial line cannot reset
_TOLEDO = ("12:33:14", "12:33:26")  # the collapse of 2025-04-28, from well above the threshold to well below it


class Mischief(Struct, frozen=True):
    """One kind; a share of `weight` of all."""

    name: str
    do: Callable[[World, Random, float], Awaitable[Done]]
    uses: frozenset[str]
    seconds: tuple[float, float]  # it lasts
    weight: float = 1.0
    heals: str = "soon"


# --- the grid ---------------------------------------------------------------------------------------------------------


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


# --- meters -----------------------------------------------------------------------------------------------------------


async def meter_link(world: World, random: Random, lasts_s: float) -> Done:
    fault, ms = random.choice((*LINK_FAULTS, "freeze")), random.choice([60.0, 300.0, 1500.0])
    await _ill(world, "meter_fault", {"meter": MAIN}, fault, ms, lasts_s)
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


# --- tank and switchgear ----------------------------------------------------------------------------------------------


async def tank_link(world: World, random: Random, lasts_s: float) -> Done:
    fault, ms = random.choice(LINE_FAULTS), random.choice([60.0, 300.0])
    await _ill(world, "plc_fault", {"plc": TANK}, fault, ms, lasts_s)
    return f"{fault} {ms:g} ms" if fault == "late" else fault, ()


async def tank_plc(world: World, random: Random, lasts_s: float) -> Done:
    fault = random.choice(["stop", "restart"])
    await _ill(world, "plc_fault", {"plc": TANK}, fault, 0.0, lasts_s)
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
    await _ill(world, "plc_fault", {"plc": SWITCHGEAR}, fault, ms, lasts_s)
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


# --- miners -----------------------------------------------------------------------------------------------------------


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


# --- GPUs -------------------------------------------------------------------------------------------------------------


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


# --- broker, agent, people --------------------------------------------------------------------------------------------


async def broker_away(world: World, _: Random, lasts_s: float) -> Done:
    world.broker.stop()
    await asyncio.sleep(lasts_s)
    world.broker.start()
    return "", ()


async def broker_frozen(world: World, _: Random, lasts_s: float) -> Done:
    world.broker.freeze()
    await asyncio.sleep(lasts_s)
    world.broker.thaw()
    return "", ()


async def agent_killed(world: World, random: Random, _: float) -> Done:
    world.kill("agent")
    await asyncio.sleep(away_s := random.choice([0.1, 3.0, 3.0, 8.0, 25.0]))
    world.start("agent")
    return f"away {away_s:g} s", ()


async def agent_killed_in_a_dip(world: World, random: Random, lasts_s: float) -> Done:
    world.do("frequency", hz=59.3)
    await asyncio.sleep(after_s := random.choice([0.1, 0.3, 0.6, 2.0, 8.0]))
    world.kill("agent")
    await asyncio.sleep(random.choice([0.1, 3.0]))
    world.start("agent")
    await asyncio.sleep(lasts_s)
    world.do("frequency", hz=60.0)
    return f"after {after_s:g} s", ()


async def agent_stopped(world: World, _: Random, lasts_s: float) -> Done:
    code = await asyncio.to_thread(world.stop)
    await asyncio.sleep(lasts_s)
    world.start("agent")
    return f"exit {code}", ()


async def command(world: World, random: Random, lasts_s: float) -> Done:
    watts = world.watts() * random.uniform(0.35, 1.1)
    set_limit = world.commanders.limit(watts / 1e3, lasts_s, world.ears.epoch)
    await world.send(set_limit, limit_w=round(watts / 1e3, 1) * 1e3, lease_s=lasts_s)
    if random.random() < 0.3:
        await asyncio.sleep(lasts_s / 2)
        await world.send(world.commanders.release(set_limit.sealed.id, world.ears.epoch), releases=set_limit.sealed.id)
        return f"{watts / 1e3:.0f} kW, released", ()
    await asyncio.sleep(lasts_s)
    return f"{watts / 1e3:.0f} kW", ()


async def bad_command(world: World, random: Random, _: float) -> Done:
    spoilt = random.choice(list(SPOILT))
    await world.send(world.commanders.limit(100.0, 30.0, world.ears.epoch, spoilt))
    return spoilt, ()


async def tagged(world: World, random: Random, lasts_s: float) -> Done:
    one = random.choice(world.site.miners)
    target = random.choice([f"{GROUP}/{one}", f"{GROUP}/{one}", TANK, CONTACTOR, RACK])
    done = await world.tag(target)
    await asyncio.sleep(lasts_s)
    await world.untag(target)
    return target if done else f"{target}: not done", ()


MISCHIEF: tuple[Mischief, ...] = (
    Mischief("dip", dip, frozenset({"grid"}), (1, 20), 2.0, "grid"),
    Mischief("slope", slope, frozenset({"grid"}), (1, 10), 1.0, "grid"),
    Mischief("recording", recording, frozenset({"grid"}), (1, 5), 0.5, "grid"),
    Mischief("shallow dip", shallow_dip, frozenset({"grid"}), (2, 20)),
    Mischief("dead bus", dead_bus, frozenset({"grid"}), (2, 10), 0.5, "shed"),
    Mischief("over limit", over_limit, frozenset({"power"}), (5, 30), 1.5, "shed"),
    Mischief("meter link", meter_link, frozenset({"meter"}), (0.5, 15), 2.0, "shed"),
    Mischief("meter shows", meter_shows, frozenset({"meter"}), (1, 15)),
    Mischief("meters away", meters_away, frozenset({"meter", "switchgear"}), (3, 20), 1.0, "shed"),
    Mischief("tank link", tank_link, frozenset({"tank"}), (0.5, 10), 1.0, "shed"),
    Mischief("tank plc", tank_plc, frozenset({"tank"}), (2, 15), 0.5, "shed"),
    Mischief("condenser", condenser, frozenset({"tank"}), (4, 15), 1.5, "shed"),
    Mischief("permit lost", permit_lost, frozenset({"tank"}), (3, 20)),
    Mischief("switchgear link", switchgear_link, frozenset({"switchgear"}), (0.5, 15), 1.0, "shed"),
    Mischief("switchgear restarts", switchgear_restarts, frozenset({"switchgear"}), (2, 4), 0.3, "shed"),
    Mischief("interlock", interlock, frozenset({"switchgear"}), (2, 10), 0.5, "shed"),
    Mischief("panel local", panel_local, frozenset({"switchgear"}), (3, 20), 0.5),
    Mischief("liars in a dip", liars_in_a_dip, frozenset({"grid", "switchgear", "east"}), (15, 30), 0.7, "grid"),
    Mischief("miners ill", miners_ill, frozenset({"ill"}), (3, 60), 3.0),
    Mischief("miners lie", miners_lie, frozenset({"east"}), (10, 60)),
    Mischief("miners dark", miners_dark, frozenset({"dark"}), (1, 30), 1.0, "shed"),
    Mischief("miners move", miners_move, frozenset({"dark"}), (3, 15), 1.0, "shed"),
    Mischief("gpu ill", gpu_ill, frozenset({"gpus"}), (3, 40), 2.0),
    Mischief("gpud killed", gpud_killed, frozenset({"gpus"}), (1, 1), 0.7),
    Mischief("broker away", broker_away, frozenset({"broker"}), (2, 40)),
    Mischief("broker frozen", broker_frozen, frozenset({"broker"}), (2, 40)),
    Mischief("agent killed", agent_killed, frozenset({"agent"}), (1, 1), 1.0, "shed"),
    Mischief("agent killed in a dip", agent_killed_in_a_dip, frozenset({"agent", "grid"}), (3, 10), 0.5, "grid"),
    Mischief("agent stopped", agent_stopped, frozenset({"agent"}), (0.5, 10), 0.3, "shed"),
    Mischief("command", command, frozenset({"command"}), (8, 40), 2.0, "shed"),
    Mischief("bad command", bad_command, frozenset({"bad command"}), (0, 0), 1.0),
    Mischief("tagged", tagged, frozenset({"people"}), (10, 60)),
)


async def mend(world: World) -> None:
    """Everything is well again, and people on site have done what only they can do."""
    for operation, arguments in (
        ("frequency", {"hz": 60.0}),
        ("bias", {"watts": 0.0}),
        ("lie", {"lie": "none"}),
        ("miner_fault", {"fault": "none"}),
        ("condenser_flow", {"plc": TANK, "lpm": None}),
    ):
        world.do(operation, **arguments)
    for program in ("gpud", "agent"):
        world.start(program)
    await world.untag_all()
    await look_after(world)


async def look_after(world: World) -> None:
    """A person on site: what latched is acknowledged, what was found off is released."""
    for verb, target in (("ack", TANK), ("ack", CONTACTOR), ("release", GROUP), ("release", CONTACTOR)):
        await world.person(verb, target)


async def _ill(world: World, operation: str, target: dict[str, str], fault: str, ms: float, lasts_s: float) -> None:
    world.do(operation, **target, fault=fault, ms=ms)
    await asyncio.sleep(lasts_s)
    world.do(operation, **target, fault="none")


def _some(world: World, random: Random, share: float) -> list[str]:
    miners = world.site.miners
    return sorted(random.sample(miners, random.randint(1, max(1, round(share * len(miners))))))
