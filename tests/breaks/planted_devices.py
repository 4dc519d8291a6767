"""The bugs planted around tanks, contactors, GPUs and people; planted.py says how."""

from collections.abc import Callable
from typing import Any

from tests.breaks.planting import Planted, always
from tests.sim.site import Site
from tests.sim.tank import FLOW_LPM
from tests.sim.world import World

BACK_S = 120.0
YARD = Site(
    miners=12,
    contactors=2,
    tank=True,
    gpus=2,
    jump_up_kw=50.0,
    ramp_up_kw_per_min=600.0,
    min_off_s=5.0,
    min_on_s=0.0,
    min_open_s=3.0,
    poll_s=2.0,
    release_for_s=5.0,
)
QUICK = Site(
    miners=12,
    contactors=2,
    first=True,
    jump_up_kw=50.0,
    ramp_up_kw_per_min=600.0,
    min_off_s=5.0,
    min_open_s=3.0,
    release_for_s=5.0,
)


async def condenser_fails(world: World, for_s: float = 10.0) -> None:
    assert world.tank is not None
    world.tank.flow_set_lpm = 0.0
    await world.pass_s(for_s)
    world.tank.flow_set_lpm = FLOW_LPM
    await world.pass_s(60.0)


async def silent_tank(world: World) -> None:
    assert world.tank is not None
    world.tank.ails = "silent"
    await world.pass_s(10)
    world.tank.ails = ""
    await world.pass_s(BACK_S)


async def return_without_permit(world: World) -> None:
    assert world.tank is not None
    world.dip(49.3)
    await world.pass_s(5)
    world.tank.withheld = True
    await world.pass_s(5)
    world.recover()
    await world.pass_s(60)
    world.tank.withheld = False
    await world.pass_s(BACK_S)


async def three_trips(world: World) -> None:
    for _ in range(3):
        await condenser_fails(world, 3.0)


async def quiet(world: World) -> None:
    await world.pass_s(20)


async def dip(world: World) -> None:
    world.dip(49.3)
    await world.pass_s(10)
    world.recover()
    await world.pass_s(BACK_S)


async def return_without_interlock(world: World) -> None:
    assert world.gear is not None
    world.dip(49.3)
    await world.pass_s(10)
    world.gear.set_input("leak_ok", False)
    world.recover()
    await world.pass_s(30)
    world.gear.set_input("leak_ok", True)
    await world.pass_s(BACK_S)


async def dip_with_a_stopped_plc(world: World) -> None:
    assert world.gear is not None
    world.gear.stop()
    await world.pass_s(10)
    world.dip(49.3)
    await world.pass_s(10)
    world.recover()
    await world.pass_s(30)


async def dip_with_stuck_contacts(world: World) -> None:
    assert world.gear is not None
    world.gear.contactors[0].stuck = (True, False)
    await world.pass_s(2)
    world.dip(49.3)
    await world.pass_s(20)
    world.recover()
    await world.pass_s(30)


async def dip_with_a_weld(world: World) -> None:
    world.weld("k1", linked=False)
    for host in world.site.feeds()["k1"]:
        world.ail(world.by_host[host], "lie")
    await world.pass_s(70)
    world.dip(49.3)
    await world.pass_s(60)
    world.recover()
    await world.pass_s(10)


async def dip_with_a_tag(world: World) -> None:
    assert await world.person("tag", world.load_name(world.miners[-1].host))
    await dip(world)


async def dip_in_local(world: World) -> None:
    assert await world.person("local", world.load_name(world.miners[-1].host))
    await dip(world)


async def dip_with_a_stubborn_miner(world: World) -> None:
    miner = world.miners[-1]
    world.dip(49.3)
    for _ in range(4):
        await world.pass_s(20)
        miner.turn(True)
        world.note(miner, "on by itself")
    await world.pass_s(40)
    world.recover()
    await world.pass_s(BACK_S)


async def killed_with_gpus_down(world: World) -> None:
    assert world.tank is not None
    world.tank.flow_set_lpm = 0.0
    await world.pass_s(10)
    await world.kill()
    await world.pass_s(30)
    world.tank.flow_set_lpm = FLOW_LPM
    await world.start()
    await world.pass_s(BACK_S)


async def killed(world: World) -> None:
    await world.kill()
    await world.pass_s(30)
    await world.start()
    await world.pass_s(BACK_S)


def deaf_ears(heard_ns: Any) -> Any:
    """Silence is never noticed."""
    return lambda _rule, _image, now_ns, _before: now_ns


def misses(beat: Any) -> Any:
    """A heartbeat that goes into another register."""

    async def wrong(writer: Any, count: int) -> Any:
        return await writer._link.write(writer._unit_id, "holding", 10, (count,))

    return wrong


def upwards(lapse: Any) -> Any:
    """A lapse that sets the fallback, wherever the limit is."""
    return lambda limit_w, _low_w, fallback_w: None if limit_w == fallback_w else fallback_w


def may_always(apply: Any) -> Any:
    """Every order may raise."""
    return lambda uuid, limit_w, clocks, _held=True, may_raise=True: apply(uuid, limit_w, clocks, True)


def writes_in_observe(init: Any) -> Any:
    """A switchgear that does not know of observe."""

    def made(*asked: Any, **options: Any) -> None:
        init(*asked, **{**options, "observe": False})

    return made


def forgets(hold: Any) -> Callable[..., None]:
    """What people hold is not passed on."""
    return lambda *_: None


DEVICES_PLANTED = (
    Planted(
        "no value of a tank is ever passed",
        "tank_trip_lowers_its_loads",
        (("agent.core.rules.cooling:_passed", always("")),),
        condenser_fails,
        YARD,
    ),
    Planted(
        "a silent tank goes unnoticed",
        "tank_trip_lowers_its_loads",
        (("agent.core.rules.cooling:_heard_ns", deaf_ears),),
        silent_tank,
        YARD,
    ),
    Planted(
        "the tank's permit is not looked at",
        "tank_permits_before_a_raise",
        (("agent.core.rules.cooling:_kept", always(True)),),
        return_without_permit,
        YARD,
    ),
    Planted(
        "returns of a tank are not counted",
        "tank_latches_after_its_returns",
        (("agent.core.rules.cooling:DAY_NS", lambda _: 0),),
        three_trips,
        YARD,
    ),
    Planted(
        "the heartbeat goes into a set point",
        "tank_plc_gets_heartbeats_alone",
        (("drivers.modbus.plc:PlcWriter.beat", misses),),
        quiet,
        YARD,
    ),
    Planted(
        "a contactor's permits are not looked at",
        "contactor_closes_carefully",
        (("agent.core.returning:may_close", always(True)),),
        return_without_interlock,
        QUICK,
    ),
    Planted(
        "a stopped PLC's contactors stay in the ladder",
        "silent_switchgear_is_left_alone",
        (("agent.core.ladder:operable", always(True)),),
        dip_with_a_stopped_plc,
        QUICK,
    ),
    Planted(
        "feedback that disagrees is no fault",
        "faulty_contactor_is_latched",
        (("agent.core.attend:supervise", lambda _: lambda _tree, state, *_: (state, [])),),
        dip_with_stuck_contacts,
        QUICK,
    ),
    Planted(
        "a weld is not seen",
        "faulty_contactor_is_latched",
        (("agent.core.switchgear:_welded", always(False)),),
        dip_with_a_weld,
        Site(miners=12, contactors=1, first=True, jump_up_kw=50.0, ramp_up_kw_per_min=600.0, shed_kw=30.0),
    ),
    Planted(
        "a tag holds nothing",
        "held_is_not_raised",
        (("agent.shell.board:Board.hold", forgets),),
        dip_with_a_tag,
        Site(miners=6, ramp_up_kw_per_min=600.0, min_off_s=5.0, release_for_s=5.0),
    ),
    Planted(
        "LOCAL holds nothing",
        "local_gets_heartbeats_alone",
        (("agent.shell.board:Board.hold", forgets),),
        dip_in_local,
        Site(miners=6, ramp_up_kw_per_min=600.0, min_off_s=5.0, release_for_s=5.0),
    ),
    Planted(
        "a load is told again however often it moves by itself",
        "contested_is_not_fought",
        (("agent.core.follow:CONTEST_NS", lambda _: 0),),
        dip_with_a_stubborn_miner,
        Site(miners=6, ramp_up_kw_per_min=600.0, min_off_s=5.0, release_for_s=5.0, poll_s=2.0),
    ),
    Planted(
        "a lapsed lease sets the fallback, upwards too",
        "gone_raises_nothing",
        (("drivers.gpu.supervisor:lapse_to_w", upwards), ("drivers.gpu.supervisor:Apply", may_always)),
        killed_with_gpus_down,
        YARD,
    ),
    Planted(
        "no lease ever lapses",
        "lapsed_lease_lowers_its_gpu",
        (("drivers.gpu.leases:Leases.lapsed", always(())),),
        killed,
        YARD,
    ),
    Planted(
        "heartbeats go out in observe",
        "observe_reads_alone",
        (("agent.shell.switching:Switchgear.__init__", writes_in_observe),),
        quiet,
        Site(control="observe", miners=12, contactors=1),
    ),
)
