"""Chaos: what can happen to a site, drawn from a seed; then calm, in which everything has to come right again.

A mischief is a coroutine that does something to the world, and undoes it after a while. A plan draws a handful of
them and their times. At the end all is well for long enough that every load we lowered has to be back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from msgspec import structs

from tests.sim.device_chaos import device_mischief, make_devices_well, people_put_right
from tests.sim.issuer import SPOILT
from tests.sim.judges.outside import NS_PER_S, Asks, Fault, Outside, sent_at
from tests.sim.miners import AILMENTS as MINER_AILMENTS
from tests.sim.modbus import AILMENTS as METER_AILMENTS
from tests.sim.modbus import LIES
from tests.sim.plant import slope, steady, walk
from tests.sim.site import Site
from tests.sim.weather import Weather
from tests.sim.world import World

STORMY_S = 240.0
SEEN_S = 10.0  # until the agent has read everything again
CALM_S = 360.0

Mischief = Callable[[World, Random], Awaitable[str]]  # what it did, in words that are counted


def site_of(seed: int) -> Site:
    """Sites differ as much as weather does."""
    random = Random(f"{seed} site")
    site = Site(
        miners=random.choice([6, 12, 20]),
        control=random.choice(["act", "act", "act", "act", "observe"]),
        ramp_up_kw_per_min=random.choice([30.0, 60.0, 240.0]),
        jump_up_kw=random.choice([4.0, 10.0, 50.0]),
        min_off_s=random.choice([0.0, 20.0, 40.0]),
        min_on_s=random.choice([0.0, 20.0]),
        fast_ms=random.choice([50, 100, 200]),
        shed_kw=random.choice([8.0, 15.0, 25.0]),
        fallback_kw=random.choice([10.0, 15.0]),
        confirm_refreshes=random.choice([1, 1, 2]),
        blind_after_s=random.choice([2.0, 5.0]),
    )
    contactors = random.choice([0, 0, 1, 2])
    return structs.replace(
        site,
        contactors=contactors,
        jump_up_kw=50.0 if contactors else site.jump_up_kw,  # a contactor raises all that it feeds at once
        first=random.random() < 0.3,
        min_open_s=random.choice([3.0, 20.0]),
        tank=random.random() < 0.5,
        tank_fast_ms=random.choice([100, 200]),
        permit_for_s=random.choice([2.0, 10.0]),
        auto_returns_per_day=random.choice([1, 2, 5]),
        luxos=random.choice([0, 0, 2, site.miners // 4]),
        gpus=random.choice([0, 0, 2, 4]),
        gpu_value=random.choice([10.0, 900.0]),
    )


async def storm(world: World) -> None:
    """The agent starts, mischief comes and goes, then it is calm."""
    random = Random(f"{world.seed} chaos")
    await world.start(settle_s=random.choice([0.5, 5.0, 30.0]))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(random.randint(2, 7)):
            mischief = random.choice(mischief_for(world.site))
            at_s = random.uniform(0.0, STORMY_S - 80.0)
            tasks.create_task(_one(world, mischief, Random(random.random()), at_s))
        await world.pass_s(STORMY_S)
    make_well(world)
    if not world.is_alive():
        await world.start()
    await world.pass_s(SEEN_S)
    await people_put_right(world)
    await world.pass_s(CALM_S)


async def _one(world: World, mischief: Mischief, random: Random, at_s: float) -> None:
    await asyncio.sleep(at_s)
    world.exercised.append(await mischief(world, random))


def make_well(world: World) -> None:
    """Everything that mischief can spoil, as it was."""
    for miner in world.miners:
        if miner.ails:
            world.ail(miner, "")
        if "feeder" in miner.dark:
            miner.get_power()
            world.note(miner, "has power again")
    world.meter.ails, world.meter.lies = "", {}
    world.broker.ail("")
    world.broker.ack_loss = world.broker.doubles = 0.0
    world.platter.refuses, world.threads.slow_s = "", 0.0
    world.clock.step_ms, world.clock.missing = 0, False
    world.network.weather = Weather()
    world.recover()
    make_devices_well(world)


def judge_all_came_back(outside: Outside) -> list[Fault]:
    """After the calm every load that we lowered, and that nobody else touched, draws again; and every contactor that we
    opened is closed.
    """
    # One that deceived said that it was on when it was told to rise, and was not: it went off again by itself.
    by_itself = ("off by itself", "on by itself", "no power", "reboot", "deceive")
    touched = {move.load for move in outside.moved if move.what in by_itself}
    name, now_ns = "all_came_back", outside.now_ns
    faults: list[Fault] = []
    for load, rated_w in outside.rated_w.items():
        verbs = [verb for verb in outside.verbs(Asks.OFF) if verb.load == load]
        if verbs and load not in touched and outside.watts(load, now_ns) < 0.5 * rated_w:
            down_s = (now_ns - sent_at(verbs[-1])) / NS_PER_S
            faults.append(Fault(name, now_ns, f"{load} is still down, {down_s:.0f} s after it was told"))
    gpus = outside.devices.gpus
    for uuid in gpus.loads if gpus is not None else ():
        limit_w, full_w = outside.devices.limit_w(uuid, now_ns), outside.devices.limit_w(uuid, 0)
        if limit_w < full_w:
            faults.append(Fault(name, now_ns, f"{uuid} is still at {limit_w:.0f} W"))
    newest = {poles.contactor: poles for poles in outside.devices.poles}
    return faults + [
        Fault(name, now_ns, f"{contactor} is still open, {(now_ns - poles.at_ns) / NS_PER_S:.0f} s after we opened it")
        for contactor, poles in newest.items()
        if poles.ours and not poles.closed
    ]


async def dip(world: World, random: Random) -> str:
    low_hz, now_ns = random.uniform(48.0, 49.45), world.loop.now_ns
    how = random.choice(["jump", "slope", "walk"])
    if how == "slope":
        world.plant.frequency.follow(now_ns, slope(now_ns, 50.0, -random.uniform(0.2, 2.0), low_hz))
    elif how == "walk":
        world.plant.frequency.follow(now_ns, walk(random, now_ns, 49.6, 0.05, NS_PER_S // 2, 49.2, 50.1))
    else:
        world.dip(low_hz)
    await asyncio.sleep(random.uniform(0.3, 60.0))
    world.recover()
    return f"frequency: {how}"


async def frequency_lies(world: World, random: Random) -> str:
    name = random.choice(list(LIES))
    world.meter.lies["frequency_hz"] = LIES[name]
    await asyncio.sleep(random.uniform(0.2, 20.0))
    world.meter.lies.pop("frequency_hz", None)
    return f"meter shows {name} frequency"


async def power_lies(world: World, random: Random) -> str:
    name = random.choice(["nan", "infinite", "absurd", "negative"])
    world.meter.lies["power_w"] = LIES[name]
    await asyncio.sleep(random.uniform(0.2, 20.0))
    world.meter.lies.pop("power_w", None)
    return f"meter shows {name} power"


async def bus_dies(world: World, random: Random) -> str:
    world.meter.lies["voltage_v"] = random.choice([0.0, 5.0, 90.0])
    world.dip(random.uniform(40.0, 49.0))
    await asyncio.sleep(random.uniform(1.0, 20.0))
    world.recover()
    await asyncio.sleep(1.0)
    world.meter.lies.pop("voltage_v", None)
    return "frequency without voltage"


async def meter_ails(world: World, random: Random) -> str:
    world.meter.ails = random.choice(METER_AILMENTS)
    world.meter.late_s = random.choice([0.05, 0.2, 1.0])
    what = f"meter {world.meter.ails}"
    await asyncio.sleep(random.uniform(0.3, 30.0))
    world.meter.ails = ""
    return what


async def base_load_steps(world: World, random: Random) -> str:
    site = world.site
    by_w = random.uniform(0.1, 0.4) * site.limit_kw * 1e3
    world.plant.unmetered.follow(world.loop.now_ns, steady(site.unmetered_kw * 1e3 + by_w))
    await asyncio.sleep(random.uniform(5.0, 60.0))
    world.plant.unmetered.follow(world.loop.now_ns, steady(site.unmetered_kw * 1e3))
    return "base load steps"


async def miners_ail(world: World, random: Random) -> str:
    ailment = random.choice(MINER_AILMENTS)
    chosen = random.sample(world.miners, random.randint(1, max(1, len(world.miners) // 4)))
    for miner in chosen:
        world.ail(miner, ailment)
    await asyncio.sleep(random.uniform(2.0, 70.0))
    for miner in chosen:
        world.ail(miner, "")
    return f"miners {ailment}"


async def miner_moves(world: World, random: Random) -> str:
    miner = random.choice(world.miners)
    on = not miner.on
    miner.turn(on)
    world.note(miner, "on by itself" if on else "off by itself")
    return f"a miner goes {'on' if on else 'off'} by itself"


async def miner_reboots(world: World, random: Random) -> str:
    miner = random.choice(world.miners)
    miner.reboot()
    world.note(miner, "reboot")
    return "a miner reboots"


async def feeder_fails(world: World, random: Random) -> str:
    chosen = random.sample(world.miners, len(world.miners) // 3)
    for miner in chosen:
        miner.lose_power()
        world.note(miner, "no power")
    await asyncio.sleep(random.uniform(1.0, 40.0))
    for miner in chosen:
        if "feeder" in miner.dark:
            miner.get_power()
            world.note(miner, "has power again")
    return "a feeder fails"


async def bad_weather(world: World, random: Random) -> str:
    world.network.weather = Weather(
        loss=random.choice([0.0, 0.02, 0.2]),
        split=random.choice([0.0, 0.5]),
        reset=random.choice([0.0, 0.05]),
        latency_s_max=random.choice([0.002, 0.05, 0.3]),
    )
    await asyncio.sleep(random.uniform(5.0, 70.0))
    world.network.weather = Weather()
    return "bad weather"


async def broker_ails(world: World, random: Random) -> str:
    how = random.choice(["away", "frozen", "cut", "loses acknowledgements", "doubles"])
    if how == "cut":
        world.broker.cut()
    elif how == "loses acknowledgements":
        world.broker.ack_loss = 0.05
    elif how == "doubles":
        world.broker.doubles = 1.0
    else:
        world.broker.ail(how)
    await asyncio.sleep(random.uniform(1.0, 60.0))
    world.broker.ail("")
    world.broker.ack_loss = world.broker.doubles = 0.0
    return f"broker {how}"


async def command(world: World, random: Random) -> str:
    if world.clock.missing or world.clock.step_ms or world.platter.refuses:
        return "command kept back"
    full_kw = world.plant.net_w(world.loop.now_ns) / 1e3
    sent = world.issuer.limit(round(random.uniform(0.3, 1.1) * full_kw, 1), random.uniform(5.0, 60.0))
    if random.random() < 0.3:
        await asyncio.sleep(random.uniform(0.5, 20.0))
        world.issuer.release(sent)
        return "command, released"
    if random.random() < 0.3:
        world.issuer.again(sent)
        return "command, sent twice"
    return "command"


async def bad_command(world: World, random: Random) -> str:
    spoilt = random.choice(list(SPOILT))
    unready = not world.issuer.birth() or (spoilt == "replayed" and not world.issuer.can_replay())
    if world.clock.missing or world.clock.step_ms or unready:
        return "command kept back"
    world.issuer.limit(5.0, 60.0, spoilt=spoilt)
    return f"command {spoilt}"


async def killed(world: World, random: Random) -> str:
    if not world.is_alive():
        return "kill kept back"
    power = random.random() < 0.4
    await world.kill(power=power)
    await asyncio.sleep(random.choice([0.1, 2.0, 20.0]))
    if not world.is_alive():
        await world.start()
    return "power cut" if power else "kill -9"


async def killed_in_an_event(world: World, random: Random) -> str:
    world.dip(49.2)
    await asyncio.sleep(random.choice([0.1, 0.3, 0.5, 1.0, 5.0, 30.0]))
    told = await killed(world, random)
    await asyncio.sleep(random.uniform(0.5, 30.0))
    world.recover()
    return f"{told} in an event"


async def stopped(world: World, random: Random) -> str:
    if not world.is_alive():
        return "stop kept back"
    await world.stop()
    await asyncio.sleep(random.uniform(0.5, 10.0))
    if not world.is_alive():
        await world.start()
    return "stop and start"


async def disk_ails(world: World, random: Random) -> str:
    how = random.choice(["ENOSPC", "EIO", "slow"])
    if how == "slow":
        world.threads.slow_s = random.choice([0.05, 1.0])
    else:
        world.platter.refuses = how
    await asyncio.sleep(random.uniform(1.0, 40.0))
    world.platter.refuses, world.threads.slow_s = "", 0.0
    return f"disk {how}"


async def clock_ails(world: World, random: Random) -> str:
    how = random.choice(["ahead", "behind", "missing"])
    world.clock.missing = how == "missing"
    world.clock.step_ms = {"ahead": 7_200_000, "behind": -7_200_000}.get(how, 0)
    await asyncio.sleep(random.uniform(1.0, 60.0))
    world.clock.step_ms, world.clock.missing = 0, False
    return f"wall clock {how}"


MISCHIEF: tuple[Mischief, ...] = (
    dip,
    frequency_lies,
    power_lies,
    bus_dies,
    meter_ails,
    base_load_steps,
    miners_ail,
    miner_moves,
    miner_reboots,
    feeder_fails,
    bad_weather,
    broker_ails,
    command,
    bad_command,
    killed,
    killed_in_an_event,
    stopped,
    disk_ails,
    clock_ails,
)


def mischief_for(site: Site) -> list[Mischief]:
    """What can happen to such a site; what it has devices for comes as often as all the rest."""
    special = device_mischief(site)
    return [*MISCHIEF, *special, *(special[: len(MISCHIEF) // 2])]
