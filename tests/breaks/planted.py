"""The bugs: where each is planted, the day on which it shows, and the judge that has to notice it.

Each is what a slip of a programmer's hand would be: a check that says yes, a bound that is forgotten, a number that
is not counted.
"""

import math
from typing import Any

from tests.breaks.planted_devices import DEVICES_PLANTED
from tests.breaks.planting import Planted, always
from tests.sim.site import Site
from tests.sim.world import World

BACK_S = 200.0


async def dip(world: World) -> None:
    world.dip(49.3)
    await world.pass_s(20)
    world.recover()
    await world.pass_s(BACK_S)


async def short_dip(world: World) -> None:
    world.dip(49.3)
    await world.pass_s(5)
    world.recover()
    await world.pass_s(BACK_S)


async def nonsense(world: World) -> None:
    world.meter.lies["frequency_hz"] = 0.0
    await world.pass_s(10)
    del world.meter.lies["frequency_hz"]
    await world.pass_s(BACK_S)


async def silent_meter(world: World) -> None:
    world.meter.ails = "silent"
    await world.pass_s(60)
    world.meter.ails = ""
    await world.pass_s(BACK_S)


async def silent_meter_in_the_return(world: World) -> None:
    world.dip(49.3)
    await world.pass_s(20)
    world.recover()
    await world.pass_s(32)
    world.meter.ails = "silent"
    await world.pass_s(30)
    world.meter.ails = ""
    await world.pass_s(BACK_S)


async def parked_and_killed(world: World) -> None:
    world.miners[-1].turn(False)
    world.note(world.miners[-1], "off by itself")
    await world.pass_s(15)
    world.dip(49.3)
    await world.pass_s(20)
    await world.kill()
    await world.start()
    world.recover()
    await world.pass_s(BACK_S)


async def mute_miners(world: World) -> None:
    world.dip(49.3)
    for miner in world.miners:
        world.ail(miner, "mute")
    await world.pass_s(20)
    world.recover()
    await world.pass_s(60)
    for miner in world.miners:
        world.ail(miner, "")
    await world.pass_s(BACK_S)


async def less_room_at_the_return(world: World) -> None:
    world.dip(49.3)
    await world.pass_s(20)
    world.plant.unmetered.follow(world.loop.now_ns, lambda _: 50_000.0)
    world.recover()
    await world.pass_s(BACK_S)


async def expired_command(world: World) -> None:
    world.issuer.limit(45.0, lease_s=20.0, spoilt="expired")
    await world.pass_s(BACK_S)


def believes_all(gate: Any) -> Any:
    """A gate that stands open."""

    def open_gate(keys: Any, refreshes: Any, image: Any, now_ns: int) -> Any:
        reading = image.points.get(keys.frequency)
        value = reading.value if reading is not None else None
        return type(gate(keys, refreshes, image, now_ns))(value if value is not None and math.isfinite(value) else None)

    return open_gate


def sleeps(decide: Any) -> Any:
    """A rule that remembers and never binds."""
    return lambda *asked: (decide(*asked)[0], None)


def blinks(poll_requests: Any) -> Any:
    """A poll that writes."""
    led = b'{"command":"ascset","parameter":"0,led,1-1"}'
    return lambda dialect, seen: (*poll_requests(dialect, seen), led)


def adopts_all(adopt: Any) -> Any:
    """Whatever is found off after a restart is ours."""
    return lambda tree, state, image, _armed: adopt(tree, state, image, dict.fromkeys(tree.loads, "off"))


def ageless(init: Any) -> Any:
    """A reading is as good as new for ever."""

    def made(keys: Any, meter: Any) -> None:
        init(keys, meter)
        keys.fresh_ns = keys.alive_ns = 10**18

    return made


PLANTED = (
    Planted(
        "the frequency gate stands open",
        "nothing_shed_without_cause",
        (("agent.core.rules.under_frequency:gate", believes_all),),
        nonsense,
    ),
    Planted(
        "the under-frequency rule never binds",
        "crossing_sheds",
        (("agent.core.react:decide_under_frequency", sleeps),),
        dip,
    ),
    Planted(
        "a blind circuit is left where it is",
        "blind_goes_to_fallback",
        (("agent.core.react:blind_bound", always(None)),),
        silent_meter,
    ),
    Planted(
        "a poll writes",
        "observe_reads_alone",
        (("drivers.miners.avalon:AvalonDialect.poll_requests", blinks),),
        dip,
        Site(control="observe"),
    ),
    Planted(
        "after a restart whatever is off is raised",
        "raise_of_what_we_lowered",
        (("agent.core.attend:adopt", adopts_all),),
        parked_and_killed,
    ),
    Planted(
        "the minimum off time is not counted",
        "raise_after_minimum_off",
        (("agent.core.returning:_off_ns", always(-(10**18))),),
        short_dip,
        Site(min_off_s=90.0),
    ),
    Planted(
        "a load is raised with its last write unanswered",
        "raise_knows_its_load",
        (("agent.core.returning:may_rise", always(True)), ("agent.shell.volley:Volley._settle", always(None))),
        mute_miners,
    ),
    Planted(
        "a reading never gets old",
        "raise_knows_the_net",
        (("agent.core.tree:MeterKeys.__init__", ageless),),
        silent_meter_in_the_return,
    ),
    Planted(
        "the ramp is not kept",
        "raise_within_ramp_and_jump",
        (("agent.core.returning:_Room._within_ramp", always(True)),),
        dip,
    ),
    Planted(
        "the return does not look at the limit",
        "raise_within_limit",
        (("agent.core.attend:room_w", always({})),),
        less_room_at_the_return,
        Site(margin_kw=0.0, ramp_up_kw_per_min=6_000.0, jump_up_kw=50.0),  # several loads in one beat
    ),
    Planted(
        "records are not chained",
        "records_signed_sequenced_chained",
        (("agent.uplink.sealer:digest", always("0" * 64)),),
        dip,
    ),
    Planted(
        "an expired command is obeyed",
        "commands_answered_as_they_deserve",
        (("agent.uplink.checks:not_fresh", always(None)),),
        expired_command,
    ),
    Planted(
        "a begin is told again and again",
        "one_event_from_begin_to_end",
        (("agent.core.attend:_begun", lambda _: lambda state: state),),
        dip,
    ),
    *DEVICES_PLANTED,
)
