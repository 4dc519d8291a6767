"""Returns, loads that do not do as told, and restarts."""

import msgspec
from msgspec.structs import replace

from agent.core.image import Lease, Outcome, Write
from agent.core.notes import EventNote
from agent.core.react import react
from agent.core.restore import restored
from agent.core.rules.power_cap import PowerCap
from agent.core.site import Circuit
from agent.core.state import Durable, Mode
from tests.core.rig import SECOND, START, TICK, UFR, Rig, a_site


def shed(**more: float) -> Rig:
    rig = Rig(a_site(**more), UFR)  # type: ignore[arg-type]
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(5)
    rig.hz = 50.0
    return rig


def test_a_return_never_outruns_its_ramp() -> None:
    rig = shed(ramp_up_w_per_s=6_000.0)
    rig.tick(20)
    while rig.mode() is not Mode.RETURNING:
        rig.tick()
    start_w, start_ns = rig.watts, rig.now_ns

    while rig.mode() is not Mode.NORMAL:
        rig.tick()
        elapsed_s = (rig.now_ns - start_ns) / SECOND
        assert rig.watts <= start_w + 6_000.0 * elapsed_s + 3_000.0

    assert rig.watts == 130_000


def test_no_single_beat_raises_more_than_jump_up() -> None:
    rig = shed(jump_up_w=7_000.0)
    before_w = rig.watts

    for _ in range(60):
        rig.tick()
        assert rig.watts - before_w <= 7_000
        before_w = rig.watts

    assert rig.watts == 130_000


def test_no_load_rises_inside_its_minimum_off_time() -> None:
    rig = Rig(a_site(off_s=30), UFR)
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(1)
    down_ns = rig.now_ns
    rig.hz = 50.0
    told = rig.tick(400)

    ups = [(at_ns, setpoint) for at_ns, setpoint in rig.told if not setpoint.lowers]
    assert told
    assert ups
    assert all(at_ns - down_ns >= 30 * SECOND for at_ns, _ in ups)
    assert rig.kinds().count("return") == 1  # though it was planned many times before


def test_a_return_is_aborted_within_one_tick() -> None:
    rig = shed(ramp_up_w_per_s=6_000.0)
    while rig.mode() is not Mode.RETURNING:
        rig.tick()
    rig.tick(30)

    rig.hz = 49.4
    rig.tick()
    low = rig.watts
    rig.tick(30)

    assert low <= 70_000
    assert rig.watts == low


def test_a_load_whose_write_is_unanswered_is_not_raised_until_it_is_read_twice() -> None:
    rig = shed()
    load = next(load for load, on in rig.on.items() if not on)
    rig.tick(10)
    rig.writes[load] = Write("off", rig.now_ns, Outcome.SILENT, rig.now_ns)
    rig.loads[load] = msgspec.structs.replace(rig.loads[load], agreed=0)
    rig.dark.add(load)
    rig.tick(40)

    assert not rig.on[load]
    assert all(setpoint.load != load for _, setpoint in rig.told if not setpoint.lowers)


def test_a_circuit_without_room_holds_up_no_load_of_another() -> None:
    whole = a_site()
    circuits = (*whole.circuits, Circuit("dear", "poi", None, 500_000.0), Circuit("cheap", "poi", None, 500_000.0))
    loads = tuple(
        replace(load, circuit="cheap" if number % 2 else "dear", value_usd_per_mwh=90.0 if number % 2 else 200.0)
        for number, load in enumerate(whole.loads)
    )
    rig = Rig(replace(whole, circuits=circuits, loads=loads), replace(UFR, shed_w=110_000.0))
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(5)
    rig.hz = 50.0
    rig.leases = (Lease("c1", "dispatch", "dear", 5_000.0, START, None),)

    rig.tick(100)

    assert all(rig.on[load.id] for load in loads if load.circuit == "cheap")
    assert sum(rig.on[load.id] for load in loads if load.circuit == "dear") <= 1


def test_one_dead_load_holds_up_nobody_but_itself() -> None:
    rig = shed()
    load = next(load for load, on in rig.on.items() if not on)
    rig.dark.add(load)

    rig.tick(700)

    assert rig.mode() is Mode.NORMAL
    assert sum(rig.on.values()) == 39
    assert rig.kinds()[-1] == "end"


def test_a_load_that_acknowledges_and_does_nothing_is_replaced() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    rig.tick(10)
    rig.deaf = {"a/10.0.0.0", "a/10.0.0.1", "a/10.0.0.10"}

    rig.hz = 49.4
    rig.tick(60)

    assert rig.watts <= 70_300
    assert "short" in rig.kinds()
    assert set(rig.state.mistrusted) == rig.deaf


def test_what_was_off_before_is_never_raised() -> None:
    rig = Rig(a_site(), UFR)
    rig.on["a/10.0.0.5"] = False
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(5)
    rig.hz = 50.0
    rig.tick(60)

    assert rig.mode() is Mode.NORMAL
    assert not rig.on["a/10.0.0.5"]


def test_a_minimum_off_time_begins_when_the_load_was_told_at_last() -> None:
    rig = shed(off_s=10)
    late = next(load for load, on in rig.on.items() if not on)
    rig.writes[late] = Write("off", rig.now_ns, Outcome.OK, rig.now_ns + 4 * SECOND)
    rig.tick(115)

    before = rig.on[late]
    rig.tick(45)

    assert not before
    assert sum(rig.on.values()) == 40


def test_a_contested_load_is_told_again_for_protection_alone() -> None:
    rig = Rig(a_site(4), UFR, PowerCap("limits", "poi", 0.0))
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(5)
    stubborn = "a/10.0.0.2"
    for _ in range(2):
        rig.on[stubborn] = True
        rig.tick(20)
    told = len([load for _, setpoint in rig.told if (load := setpoint.load) == stubborn])

    rig.extra_w = 30_000.0  # everything goes, and more is wanted
    rig.tick(50)
    again = len([load for _, setpoint in rig.told if (load := setpoint.load) == stubborn])
    rig.extra_w = 600_000.0
    rig.tick(5)

    assert again == told
    assert not rig.on[stubborn]


def test_a_load_that_moves_by_itself_is_told_once_more_and_then_left_alone() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(30)
    load = next(load for load, on in rig.on.items() if not on)

    rig.on[load] = True
    again = rig.tick(3)
    rig.tick(30)
    rig.on[load] = True
    third = rig.tick(3)

    assert [setpoint.load for setpoint in again] == [load]
    assert load not in [setpoint.load for setpoint in third]
    assert load not in rig.state.durable.lowered


def test_the_state_survives_json() -> None:
    rig = shed(ramp_up_w_per_s=6_000.0)
    rig.tick(40)

    again = msgspec.json.decode(msgspec.json.encode(rig.state), type=type(rig.state))

    assert again == rig.state


def again(rig: Rig, *, same_boot: bool = True, armed: dict[str, str] | None = None, ticks: int = 20) -> Rig:
    """The agent after a crash: what is durable, and the same plant."""
    kept = msgspec.json.decode(msgspec.json.encode(rig.state.durable), type=Durable)
    state = restored(rig.tree, kept, same_boot=same_boot, now_ns=rig.now_ns)
    fresh = Rig(rig.tree.site, UFR, state=state)
    fresh.on, fresh.now_ns, fresh.hz, fresh.pulse = rig.on, rig.now_ns + ticks * TICK, rig.hz, rig.pulse
    fresh.armed_before = armed or {}
    return fresh


def test_after_a_crash_the_same_event_goes_on_to_its_end() -> None:
    rig = shed()
    event = next(iter(rig.state.durable.events))

    fresh = again(rig)
    fresh.tick(100)

    assert fresh.mode() is Mode.NORMAL
    assert fresh.watts == 130_000
    assert [note.kind for note in fresh.notes if isinstance(note, EventNote) and note.event == event] == [
        "return",
        "end",
    ]


def test_after_a_crash_a_load_raised_behind_our_back_is_not_ours_any_more() -> None:
    rig = shed()
    load = next(load for load, on in rig.on.items() if not on)
    rig.on[load] = True

    fresh = again(rig)
    fresh.tick(3)

    assert load not in fresh.state.durable.lowered


def test_after_a_crash_nothing_rises_before_the_meter_was_heard() -> None:
    rig = shed()

    fresh = again(rig)
    fresh.meter_dead = True
    fresh.tick(100)

    assert not any(not setpoint.lowers for _, setpoint in fresh.told)


def test_a_load_found_on_its_armed_step_counts_as_lowered_by_us() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    rig.tick(10)
    armed = dict(rig.armed.armed_loads)
    rig.on["a/10.0.0.7"] = False  # the volley went out, and the agent died before it noted anything

    fresh = again(rig, armed=armed)
    fresh.tick(80)

    assert fresh.on["a/10.0.0.7"]


def test_a_load_found_on_its_armed_step_counts_as_lowered_by_us_also_when_the_meter_came_up_late() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    rig.tick(10)
    armed = dict(rig.armed.armed_loads)
    rig.on["a/10.0.0.7"] = False

    fresh = again(rig, armed=armed)
    fresh.tick(70, reading=False)  # longer than blind_after, with nobody heard
    fresh.tick(80)

    assert fresh.on["a/10.0.0.7"]


def test_after_another_boot_of_the_machine_minimum_off_times_start_again() -> None:
    rig = Rig(a_site(off_s=30), UFR)
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(400)
    rig.hz = 50.0

    fresh = again(rig, same_boot=False)
    fresh.tick(250)

    assert not any(not setpoint.lowers for _, setpoint in fresh.told)


def test_after_a_crash_a_cut_on_its_way_is_not_made_again() -> None:
    for same_boot in (True, False):
        rig = Rig(a_site(), UFR)
        rig.settle()
        rig.tick(10)
        rig.deaf = set(rig.on)  # acknowledged, and the watts take their time
        rig.hz = 49.4
        told = rig.tick()

        fresh = again(rig, same_boot=same_boot, ticks=3)
        fresh.deaf = rig.deaf
        twice = fresh.tick(10)

        assert len(told) > 15
        assert twice == ()


def test_after_a_crash_an_event_that_is_a_little_over_does_not_take_every_load_before_any_is_heard() -> None:
    rig = shed()
    rig.hz = 49.4

    fresh = again(rig)
    fresh.extra_w += 2_000
    fresh.arm()
    fresh.tick(30)

    assert sum(not on for on in fresh.on.values()) - sum(not on for on in rig.on.values()) <= 1


def test_after_another_boot_a_load_that_was_rising_and_is_found_up_is_not_lowered_again() -> None:
    rig = shed(ramp_up_w_per_s=6_000.0)
    while not rig.state.durable.rising:
        rig.tick()
    rising = set(rig.state.durable.rising)

    fresh = again(rig, same_boot=False)
    fresh.dark = set(rising)  # not heard in BOOT
    fresh.tick(20)
    fresh.dark = set()
    fresh.tick(100)

    assert not any(setpoint.lowers for _, setpoint in fresh.told)
    assert fresh.watts == 130_000


def test_an_event_whose_begin_was_not_told_before_the_crash_is_told_after_it() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.now_ns += TICK
    rig.read()
    rig.state = react(rig.tree, rig.rules, rig.state, rig.image(), rig.armed, rig.now_ns).state  # and no beat after it

    fresh = again(rig)
    fresh.tick(3)

    assert fresh.kinds().count("begin") == 1


def test_a_command_found_at_the_start_waits_until_the_loads_are_heard_and_takes_no_load_that_was_off() -> None:
    rig = Rig(a_site(), UFR)
    rig.on["a/10.0.0.7"] = False  # switched off by somebody else
    rig.leases = (Lease("c1", "dispatch", "poi", 100_000.0, START, None),)
    heard = dict(rig.on)
    rig.dark = set(heard)
    rig.arm()

    rig.tick(1, reading=False)
    rig.dark = set()
    rig.tick(30)

    assert "a/10.0.0.7" not in {setpoint.load for _, setpoint in rig.told}
    assert rig.watts <= 100_000


def test_a_load_that_comes_up_by_itself_while_it_may_return_is_not_told_off_again() -> None:
    rig = shed(ramp_up_w_per_s=1_000.0)
    while rig.mode() is not Mode.RETURNING:
        rig.tick()
    load = next(iter(rig.state.durable.lowered))

    rig.on[load] = True
    told = rig.tick(20)

    assert not any(setpoint.lowers for setpoint in told)
    assert "alarm" not in rig.kinds()
