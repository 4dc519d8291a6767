"""The broker, the agent, those who command, and people on site."""

import asyncio
from random import Random

from hil.soak.issuer import SPOILT
from hil.soak.mischief.kinds import Done
from hil.soak.site import CONTACTOR, GROUP, RACK, TANK
from hil.soak.world import World


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
