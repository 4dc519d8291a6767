"""Tanks, contactors, GPUs, and what people hold."""

import msgspec
from msgspec.structs import replace

from agent.core.image import LoadSeen, Outcome
from agent.core.ladder import dark
from agent.core.notes import EventNote
from agent.core.power import climbing_left_w
from agent.core.react import react
from agent.core.restore import restored
from agent.core.rules.cooling import Cooling, Edge
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.site import Circuit, Contactor, Load, Plc, Step, Tank
from agent.core.state import Lowered, Mode, Rising, State
from agent.core.switchgear import acknowledge, release
from agent.core.values import NS_PER_MS
from tests.core.rig import SECOND, TICK, UFR, Rig, a_site

COOLING = Cooling(
    "tank-a",
    "tank-a",
    shed=(Edge("vapor_pressure_kpa_g", True, 6.0), Edge("condenser_flow_lpm", False, 60.0)),
    shed_for_ns=200 * NS_PER_MS,
    warn=(Edge("vapor_pressure_kpa_g", True, 4.0),),
    warn_for_ns=SECOND,
    permit=(Edge("vapor_pressure_kpa_g", False, 3.0), Edge("condenser_flow_lpm", True, 80.0)),
    permit_for_ns=2 * SECOND,
    permit_bits=("permit",),
    auto_returns_per_day=1,
)
FINE = {"tank-a.vapor_pressure_kpa_g": 1.0, "tank-a.condenser_flow_lpm": 100.0, "tank-a.permit": 1.0}


def a_tank(count: int = 20, cooled: int = 10) -> Rig:
    """Twenty miners on one circuit, ten of them in a tank."""
    site = a_site(count)
    loads = tuple(
        msgspec.structs.replace(load, tank="tank-a") if number < cooled else load
        for number, load in enumerate(site.loads)
    )
    site = msgspec.structs.replace(
        site,
        loads=loads,
        tanks=(Tank("tank-a", 2 * SECOND),),
        plcs=(Plc("tank-a", 100 * NS_PER_MS, 2 * SECOND),),
    )
    rig = Rig(site, COOLING)
    rig.tank = dict(FINE)
    rig.settle()
    rig.tick(30)
    return rig


def cooled_on(rig: Rig) -> int:
    return sum(rig.on[f"a/10.0.0.{number}"] for number in range(10))


def test_lost_condenser_flow_sheds_the_loads_of_that_tank_and_no_others() -> None:
    rig = a_tank()

    rig.tank["tank-a.condenser_flow_lpm"] = 10.0
    rig.tick(2)
    soon = cooled_on(rig)
    rig.tick(2)

    assert soon == 10  # 200 ms are not over
    assert cooled_on(rig) == 0
    assert sum(rig.on.values()) == 10


def test_a_silent_tank_is_shed_after_its_blind_time() -> None:
    rig = a_tank()

    rig.tank_dead = True
    rig.tick(18)
    before = cooled_on(rig)
    rig.tick(5)

    assert before == 10
    assert cooled_on(rig) == 0


def test_a_bad_value_is_silence_and_never_a_number() -> None:
    rig = a_tank()

    rig.tank["tank-a.condenser_flow_lpm"] = None
    rig.tick(10)
    assert cooled_on(rig) == 10
    rig.tick(20)

    assert cooled_on(rig) == 0


def test_a_tank_returns_by_itself_once_and_is_then_latched_until_acknowledged() -> None:
    rig = a_tank()
    for _ in range(2):
        rig.tank["tank-a.condenser_flow_lpm"] = 10.0
        rig.tick(10)
        rig.tank["tank-a.condenser_flow_lpm"] = 100.0
        rig.tick(60)
        if cooled_on(rig) == 10:
            continue
    latched = rig.state.circuits["tank:tank-a"].mode
    still = cooled_on(rig)

    after = acknowledge(rig.tree, rig.state, "tank-a")
    assert after is not None
    rig.state = rig.before = after
    rig.tick(60)

    assert latched is Mode.LATCHED
    assert still == 0
    assert cooled_on(rig) == 10


def test_nothing_of_a_tank_rises_without_the_plcs_own_permit() -> None:
    rig = a_tank()
    rig.tank["tank-a.condenser_flow_lpm"] = 10.0
    rig.tick(10)

    rig.tank["tank-a.condenser_flow_lpm"] = 100.0
    rig.tank["tank-a.permit"] = 0.0
    rig.tick(60)

    assert cooled_on(rig) == 0


def test_a_frequency_return_leaves_a_tank_without_permit_down() -> None:
    rig = a_tank()
    rig.rules = type(rig.rules)(
        rig.tree, (COOLING, UnderFrequency("ufr", "poi", "main", 49.5, 49.9, SECOND, shed_w=58_000.0))
    )
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(5)
    rig.tank["tank-a.vapor_pressure_kpa_g"] = 3.5  # neither shed nor warn, and no permit
    rig.hz = 50.0
    rig.tick(80)

    assert cooled_on(rig) == 0
    assert sum(rig.on.values()) == 10


def test_the_loads_of_one_tank_may_hang_on_several_circuits() -> None:
    rig = a_tank()
    site = rig.tree.site
    circuits = (*site.circuits, Circuit("b", "poi", None, 500_000.0))
    loads = tuple(
        msgspec.structs.replace(load, circuit="b") if number % 2 else load for number, load in enumerate(site.loads)
    )
    rig = Rig(msgspec.structs.replace(site, circuits=circuits, loads=loads), COOLING)
    rig.tank = dict(FINE)
    rig.settle()
    rig.tick(30)

    rig.tank["tank-a.condenser_flow_lpm"] = 10.0
    rig.tick(30)

    assert cooled_on(rig) == 0
    assert "delivered" in rig.kinds()


def test_what_a_tanks_cut_let_fall_before_a_restart_is_not_missed_after_it() -> None:
    rig = a_tank()
    rig.tank["tank-a.condenser_flow_lpm"] = 10.0
    rig.meter_dead = True
    rig.tick(4)
    assert rig.state.durable.cuts, "the meter has not judged it"

    kept = msgspec.json.decode(msgspec.json.encode(rig.state.durable), type=type(rig.state.durable))
    fresh = Rig(rig.tree.site, COOLING, state=restored(rig.tree, kept, same_boot=True, now_ns=rig.now_ns))
    fresh.on, fresh.tank, fresh.now_ns = rig.on, rig.tank, rig.now_ns + 10 * SECOND
    fresh.tick(40)

    assert "delivered" in fresh.kinds()
    assert "short" not in fresh.kinds()


def switched(count: int = 20, *, first: bool = False, fed: int = 10, jump_up_w: float = 1e9) -> Rig:
    """Twenty miners, the first ten behind a contactor."""
    site = a_site(count, jump_up_w=jump_up_w)
    feeds = tuple(load.id for load in site.loads[:fed])
    contactor = Contactor("k1", "poi", feeds, "gear", ("gear.estop_ok",), first, 3 * SECOND, 10, 500 * NS_PER_MS)
    site = msgspec.structs.replace(site, contactors=(contactor,), plcs=(Plc("gear", 100 * NS_PER_MS, 2 * SECOND),))
    rig = Rig(site, UnderFrequency("ufr", "poi", "main", 49.5, 49.9, 2 * SECOND, shed_w=45_000.0))
    rig.tank = {"gear.estop_ok": 1.0}
    rig.settle()
    rig.tick(20)
    return rig


def test_a_contactor_is_opened_only_when_asking_was_not_enough() -> None:
    rig = switched()
    rig.deaf = {f"a/10.0.0.{number}" for number in range(10)}

    rig.hz = 49.4
    rig.tick(1)
    asked_first = rig.closed["k1"]
    rig.tick(120)

    assert asked_first
    assert not rig.closed["k1"]
    assert rig.watts <= 70_000 - 45_000


def test_honest_loads_need_no_contactor() -> None:
    rig = switched()

    rig.hz = 49.4
    rig.tick(100)

    assert rig.closed["k1"]


def test_a_contactor_for_fast_rules_opens_at_once_and_what_it_feeds_is_asked_too() -> None:
    rig = switched(first=True)

    rig.hz = 49.4
    told = rig.tick(1)

    assert not rig.closed["k1"]
    assert {f"a/10.0.0.{number}" for number in range(10)} <= {setpoint.load for setpoint in told}


def test_a_contactor_closes_first_with_permit_and_its_loads_come_after() -> None:
    rig = switched(first=True)
    rig.hz = 49.4
    rig.tick(5)
    rig.hz = 50.0

    rig.tick(200)

    assert rig.closed["k1"]
    assert all(rig.on.values())
    ups = [setpoint.load for _, setpoint in rig.told if not setpoint.lowers]
    fed = [load for load in ups if rig.tree.fed_by.get(load)]
    assert ups.index("k1") < ups.index(fed[0])


def test_a_contactor_never_closes_without_its_permit_or_on_an_old_one() -> None:
    for spoil in ({"gear.estop_ok": 0.0}, {"gear.estop_ok": None}):
        rig = switched(first=True)
        rig.hz = 49.4
        rig.tick(5)
        rig.hz = 50.0
        rig.tank.update(spoil)
        rig.tick(150)
        assert not rig.closed["k1"]
    rig = switched(first=True)
    rig.hz = 49.4
    rig.tick(5)
    rig.hz = 50.0
    rig.tank_dead = True
    rig.tick(150)
    assert not rig.closed["k1"]


def test_a_closing_contactor_never_exceeds_the_jump_limit() -> None:
    rig = switched(first=True, jump_up_w=20_000.0)
    rig.hz = 49.4
    rig.tick(5)
    rig.hz = 50.0

    rig.tick(150)

    assert not rig.closed["k1"]


def test_what_came_back_behind_a_contactor_is_not_counted_as_still_to_come() -> None:
    site = switched(first=True).tree.site
    circuit = msgspec.structs.replace(site.circuits[0], limit_w=80_000.0)
    rig = Rig(msgspec.structs.replace(site, circuits=(circuit,)), UFR)
    rig.tank = {"gear.estop_ok": 1.0}
    rig.settle()
    rig.tick(20)
    rig.hz = 49.4
    rig.tick(5)
    opened = not rig.closed["k1"]

    rig.hz = 50.0
    rig.tick(300)

    assert opened
    assert rig.closed["k1"]
    assert all(rig.on.values())
    assert {note.rule for note in rig.notes if isinstance(note, EventNote) and note.kind == "begin"} == {"ufr"}


def test_a_contactor_whose_feedback_disagrees_is_latched_and_others_make_up_for_it() -> None:
    rig = switched(first=True)
    rig.stuck = {"k1"}
    rig.deaf = {f"a/10.0.0.{number}" for number in range(4)}

    rig.hz = 49.4
    rig.tick(100)

    assert "k1" in rig.state.durable.latched
    assert rig.watts <= 70_000 - 45_000


def test_a_released_contactor_closes_beside_a_return_that_waits_for_what_is_behind_it() -> None:
    rig = switched()
    rig.hz = 49.4
    rig.tick(30)
    rig.closed["k1"] = False  # by itself: it is not ours
    rig.tick(5)
    rig.hz = 50.0
    rig.tick(50)
    dark = [load for load, down in rig.state.durable.lowered.items() if down.event and rig.tree.fed_by.get(load)]

    rig.state, released = release(rig.tree, rig.state, rig.image(), "k1", rig.now_ns)
    rig.before = rig.state
    rig.tick(100)

    assert dark
    assert "k1" in released
    assert rig.closed["k1"]
    assert all(rig.on.values())


def test_loads_behind_a_closing_contactor_that_are_told_to_rise_are_not_counted_twice() -> None:
    rig = switched()
    load, fed = "k1", rig.tree.contactors["k1"].feeds
    down = Lowered("", "open", 0, 30_000.0)
    closing = Rising("", "closed", rig.now_ns, rig.now_ns + SECOND, 30_000.0, down)
    waking = Rising("", "on", rig.now_ns - SECOND, rig.now_ns + SECOND, 2_975.0, down)
    image = replace(rig.image(), loads={})

    alone_w = climbing_left_w(rig.tree, image, load, {load: closing})
    with_two_w = climbing_left_w(rig.tree, image, load, {load: closing, fed[0]: waking, fed[1]: waking})

    assert alone_w == 30_000.0
    assert with_two_w == 24_000.0


def test_a_load_that_answers_is_not_dark_whatever_its_contactors_feedback_says() -> None:
    rig = switched()
    says_open = LoadSeen("open", None, False, rig.now_ns, agreed=40)  # for four seconds of its PLC's polls
    answers = LoadSeen("on", 3_000.0, True, rig.now_ns - SECOND)
    silent = replace(answers, taken_ns=rig.now_ns - 10 * SECOND)
    fed = rig.tree.contactors["k1"].feeds[:3]
    loads = {"k1": says_open, fed[0]: answers, fed[1]: silent, fed[2]: replace(answers, poll=Outcome.SILENT)}
    image = replace(rig.image(), loads=loads)

    assert [dark(rig.tree, image, load) for load in fed] == [False, True, True]


def gpus() -> Rig:
    site = a_site(4)
    steps = (Step("lowest", 100.0, SECOND), Step("floor", 350.0, SECOND), Step("full", 700.0, SECOND))
    racks = tuple(
        Load(f"r/{number}", "poi", steps, 900.0, 0, 0, SECOND, "r", tank="tank-a", floor=1, kind="gpu")
        for number in range(4)
    )
    site = msgspec.structs.replace(
        site,
        loads=(*site.loads, *racks),
        tanks=(Tank("tank-a", 2 * SECOND),),
        plcs=(Plc("tank-a", 100 * NS_PER_MS, 2 * SECOND),),
    )
    rig = Rig(site, COOLING, UnderFrequency("ufr", "poi", "main", 49.5, 49.9, SECOND, shed_w=400_000.0))
    rig.tank = dict(FINE)
    rig.settle()
    rig.tick(30)
    return rig


def test_a_gpu_goes_to_its_floor_for_the_grid_and_below_it_for_protection_alone() -> None:
    rig = gpus()
    rig.hz = 49.4
    rig.tick(10)
    at_floor = set(rig.at.values())

    rig.tank["tank-a.condenser_flow_lpm"] = 10.0
    rig.tick(10)

    assert at_floor == {"floor"}
    assert set(rig.at.values()) == {"lowest"}


def test_gpus_come_back_to_full_when_all_is_well() -> None:
    rig = gpus()
    rig.hz = 49.4
    rig.tick(10)
    rig.tank["tank-a.condenser_flow_lpm"] = 10.0
    rig.tick(10)

    rig.tank["tank-a.condenser_flow_lpm"] = 100.0
    rig.hz = 50.0
    rig.tick(120)

    assert set(rig.at.values()) == {"full"}
    assert msgspec.json.decode(msgspec.json.encode(rig.state), type=State) == rig.state


def test_a_tagged_load_is_lowered_and_never_raised() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    rig.tick(10)
    rig.held = frozenset({"a/10.0.0.0"})

    rig.hz = 49.4
    rig.tick(5)
    assert not rig.on["a/10.0.0.0"]
    rig.hz = 50.0
    rig.tick(100)

    assert not rig.on["a/10.0.0.0"]
    assert sum(rig.on.values()) == 39


def test_a_load_in_local_is_not_told_even_by_a_ladder_that_was_armed_before() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    rig.tick(10)
    armed = rig.armed
    rig.local = frozenset(load for load in rig.on if load.endswith(("0", "1", "2", "3")))

    rig.hz = 49.4
    rig.read()
    told = react(rig.tree, rig.rules, rig.state, rig.image(), armed, rig.now_ns).setpoints

    assert told
    assert not {setpoint.load for setpoint in told} & rig.local


def test_a_lowered_load_that_somebody_raises_in_local_is_not_told_again() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(30)
    (raised, *_) = [load for load, on in rig.on.items() if not on]

    rig.local = frozenset({raised})
    rig.on[raised] = True
    rig.tick(30)

    assert rig.on[raised]
    assert raised not in rig.state.durable.lowered


def test_what_a_tank_holds_can_be_written_down_and_read_again() -> None:
    rig = a_tank()
    rig.tank["tank-a.condenser_flow_lpm"] = 20.0
    rig.tick(20)
    assert rig.state.durable.events

    assert msgspec.json.decode(msgspec.json.encode(rig.state), type=State) == rig.state


def test_what_was_found_off_stays_off_until_released_on_site() -> None:
    rig = Rig(a_site())
    rig.on["a/10.0.0.3"] = False
    rig.settle()
    rig.tick(50)
    assert not rig.on["a/10.0.0.3"]

    state, names = release(rig.tree, rig.state, rig.image(), "a/10.0.0.3", rig.now_ns)
    rig.state = rig.before = state
    rig.now_ns += TICK
    rig.tick(20)

    assert names == ("a/10.0.0.3",)
    assert rig.on["a/10.0.0.3"]


def test_a_gpu_that_a_lapsed_lease_took_down_comes_back_by_ramp() -> None:
    rig = gpus()
    rig.at["r/0"] = "floor"
    rig.tick(100)
    by_somebody_else = rig.at["r/0"]

    read = rig.read

    def lapsed() -> None:
        read()
        rig.loads["r/0"] = replace(rig.loads["r/0"], lapsed=rig.at["r/0"] == "floor")

    rig.read = lapsed  # type: ignore[method-assign]
    rig.tick(100)

    assert by_somebody_else == "floor", "what was found down and nobody lowered for us stays so"
    assert rig.at["r/0"] == "full"
