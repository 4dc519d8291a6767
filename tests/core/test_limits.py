"""Circuits' own limits, commands, and circuits whose power cannot be known."""

import pytest
from msgspec.structs import replace

from agent.core.image import Lease
from agent.core.notes import CommandNote, EventNote
from agent.core.rules.power_cap import PowerCap
from agent.core.site import Circuit, Meter
from agent.core.state import Mode
from agent.core.values import NS_PER_MS
from tests.core.rig import SECOND, START, UFR, Rig, a_site


def a_lease(name: str = "c1", kw: float = 60, seconds: float = 5, **more: object) -> Lease:
    return Lease(name, "dispatch", "poi", kw * 1000, START, START + int(seconds * SECOND), tolerance_w=2_000.0, **more)  # type: ignore[arg-type]


def states(rig: Rig) -> list[str]:
    return [
        f"{note.state}({note.code})" if note.code else note.state for note in rig.notes if isinstance(note, CommandNote)
    ]


def test_a_circuit_above_its_limit_is_lowered_below_it_at_once() -> None:
    rig = Rig(a_site(limit_w=110_000.0), PowerCap("limits", "poi", 5_000.0))
    rig.arm()

    for _ in range(3):
        rig.tick()

    assert rig.watts <= 105_000


def test_a_limit_lets_loads_back_only_while_there_is_room() -> None:
    rig = Rig(a_site(limit_w=120_000.0))
    rig.settle()
    rig.extra_w = 40_000.0
    rig.tick(10)
    assert rig.watts <= 120_000
    rig.tick(50)
    held = rig.watts

    rig.extra_w = 10_000.0
    rig.tick(100)

    assert 116_000 < held <= 120_000
    assert 116_000 < rig.watts <= 120_000


def test_a_limit_that_nothing_can_be_lowered_for_is_one_event_until_it_is_kept() -> None:
    rig = Rig(a_site(0, limit_w=120_000.0))
    rig.settle()

    rig.extra_w = 140_000.0
    rig.tick(50)
    assert rig.kinds().count("begin") == 1
    assert "end" not in rig.kinds()
    rig.extra_w = 100_000.0
    rig.tick(50)

    assert (rig.kinds().count("begin"), rig.kinds().count("end")) == (1, 1)


def test_a_command_is_applied_verified_and_ended_when_its_lease_lapses() -> None:
    rig = Rig(a_site())
    rig.settle()

    rig.leases = (a_lease(seconds=(rig.now_ns - START) / SECOND + 5),)
    rig.tick(30)
    held = rig.watts
    rig.tick(60)

    assert held <= 60_000
    assert states(rig) == ["applied", "verified", "ended(lease)"]
    assert rig.watts == 130_000


def test_a_command_that_asks_for_no_less_than_is_drawn_is_verified_without_a_cut() -> None:
    rig = Rig(a_site())
    rig.settle()

    rig.leases = (a_lease(kw=200, seconds=3_600),)
    told = rig.tick(10)

    assert told == ()
    assert states(rig) == ["applied", "verified"]


def test_a_released_command_ends_as_released_and_a_newer_one_supersedes() -> None:
    rig = Rig(a_site())
    rig.settle()
    rig.leases = (a_lease("c1", seconds=3_600),)
    rig.tick(20)

    rig.leases = (a_lease("c2", kw=90, seconds=3_600),)
    rig.tick(50)
    rig.leases = ()
    rig.tick(50)

    assert "ended(superseded)" in states(rig)
    assert states(rig)[-1] == "ended(released)"
    assert rig.watts == 130_000


def test_a_command_whose_watts_never_fall_is_unverified_and_stays_in_force() -> None:
    rig = Rig(a_site())
    rig.settle()
    rig.deaf = set(rig.on)

    rig.leases = (a_lease(seconds=3_600),)
    rig.tick(150)

    assert "unverified(the meter stands above the limit)" in states(rig)
    assert not any(state.startswith("ended") for state in states(rig))


def test_the_tighter_of_two_commands_binds() -> None:
    rig = Rig(a_site())
    rig.settle()

    rig.leases = (a_lease("c1", kw=90, seconds=3_600), a_lease("c2", kw=50, seconds=3_600))
    rig.tick(20)

    assert rig.watts <= 50_000


def test_no_command_lets_a_circuit_above_its_own_limit() -> None:
    rig = Rig(a_site(limit_w=100_000.0))
    rig.settle()

    rig.leases = (a_lease(kw=400, seconds=3_600),)
    rig.tick(50)

    assert rig.watts <= 100_000


@pytest.mark.parametrize("sensors", [True, False])
def test_a_silent_power_meter_leads_to_blind_at_its_time_and_down_by_ramp(sensors: bool) -> None:
    rig = Rig(a_site(fallback_w=40_000.0, ramp_down_w_per_s=10_000.0, blind_after_ns=5 * SECOND))
    rig.sensors = sensors
    rig.settle()

    rig.meter_dead = True
    silent_ns = rig.now_ns
    told = rig.tick(49)
    assert told == ()
    assert rig.mode() is Mode.NORMAL
    rig.tick(2)
    assert rig.mode() is Mode.BLIND
    while rig.watts > 40_000 and rig.now_ns < silent_ns + 30 * SECOND:
        rig.tick()
        elapsed_s = (rig.now_ns - silent_ns) / SECOND - 5
        ramp_w = 130_000 - 10_000 * elapsed_s
        assert rig.watts >= ramp_w - 6_100  # down by ramp, within two devices
        assert rig.watts <= max(ramp_w, 40_000) + 3_000

    assert rig.watts <= 40_000
    assert "alarm" in rig.kinds()


def test_nothing_rises_while_blind_and_all_returns_when_the_meter_is_back() -> None:
    rig = Rig(a_site(fallback_w=40_000.0, ramp_down_w_per_s=50_000.0, blind_after_ns=SECOND))
    rig.settle()
    rig.meter_dead = True
    rig.tick(60)
    low = rig.watts
    assert low <= 40_000
    rig.tick(50)
    assert rig.watts <= low

    rig.meter_dead = False
    rig.tick(80)

    assert rig.mode() is Mode.NORMAL
    assert rig.watts == 130_000


def test_a_silent_meter_before_its_time_sheds_nothing_and_raises_nothing() -> None:
    rig = Rig(a_site(), UFR)
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(5)
    rig.hz = 50.0
    rig.tick(10)

    rig.meter_dead = True
    told = rig.tick(30)

    assert told == ()


def test_a_frozen_meter_is_no_measurement_and_leads_to_blind() -> None:
    rig = Rig(a_site(fallback_w=40_000.0, blind_after_ns=2 * SECOND))
    rig.settle()

    rig.meter_frozen = True
    rig.tick(30)

    assert rig.mode() is Mode.BLIND
    assert rig.watts <= 40_000


def test_a_frozen_meter_does_not_make_one_cut_into_many() -> None:
    rig = Rig(a_site(blind_after_ns=60 * SECOND))
    rig.settle()
    rig.meter_frozen = True

    rig.leases = (a_lease(kw=100, seconds=3_600),)
    rig.tick(100)

    assert sum(not on for on in rig.on.values()) <= 12


def test_a_command_that_ends_before_its_meter_was_ever_heard_has_no_age_of_a_measurement() -> None:
    rig = Rig(a_site())
    rig.meter_dead = True
    rig.leases = (a_lease(seconds=1),)

    rig.tick(20)

    ended = [note for note in rig.notes if isinstance(note, CommandNote) and note.state == "ended"]
    assert [note.age_ns for note in ended] == [None]


def test_a_command_that_waits_for_the_loads_to_be_heard_hides_no_limit() -> None:
    rig = Rig(a_site(limit_w=110_000.0))
    rig.leases = (a_lease(kw=60, seconds=3_600),)
    rig.now_ns += 1
    rig.read()
    rig.loads = {}
    rig.arm()

    rig.tick(reading=False)

    assert rig.mode() is Mode.BOOT
    assert rig.watts <= 110_000


def test_a_command_that_must_spare_minimum_on_times_hides_no_limit() -> None:
    site = a_site(limit_w=145_000.0)
    up_long = tuple(replace(load, on_ns_min=3_600 * SECOND) for load in site.loads)
    rig = Rig(replace(site, loads=up_long), replace(UFR, shed_w=110_000.0))
    rig.settle()
    rig.tick(10)
    rig.hz = 49.4
    rig.tick(5)
    rig.hz = 50.0
    rig.tick(90)  # all are back, and inside their minimum on time
    rig.leases = (a_lease(kw=60, seconds=3_600),)
    rig.tick(30)

    rig.extra_w += 40_000
    rig.tick(10)

    assert 60_000 < rig.watts <= 145_000


def test_a_blind_circuit_counts_what_was_told_above_it_since_the_ladder_was_armed() -> None:
    site = a_site(20)
    dead = Meter("sub", 20 * NS_PER_MS, 100 * NS_PER_MS, 230.0)
    hall = Circuit(
        "hall", "poi", "sub", 500_000.0, fallback_w=30_000.0, ramp_down_w_per_s=20_000.0, blind_after_ns=4 * SECOND
    )
    loads = tuple(replace(load, circuit="hall") for load in site.loads)
    site = replace(site, circuits=(*site.circuits, hall), meters=(*site.meters, dead), loads=loads)
    rig = Rig(site, replace(UFR, shed_w=20_000.0))
    rig.tick(45)
    before = rig.armed

    rig.hz = 49.4
    rig.tick()
    asked = sum(not on for on in rig.on.values())
    for _ in range(5):
        rig.armed = before  # a volley is out, and the ladder waits
        rig.tick()
    meanwhile = sum(not on for on in rig.on.values())
    rig.tick(50)

    assert 7 <= asked <= 9
    assert meanwhile == asked
    assert 27_000 <= rig.watts - rig.extra_w <= 30_000, "to its fallback, and no further"


@pytest.mark.parametrize(("jump_down_w", "why"), [(9_000.0, "jump_down_kw"), (float("inf"), "the ladder has no more")])
def test_what_was_unmet_says_what_stood_in_the_way(jump_down_w: float, why: str) -> None:
    rig = Rig(a_site(4, jump_down_w=jump_down_w), UFR)
    rig.settle()
    rig.tick(10)

    rig.hz = 49.4
    rig.tick(2)

    unmet = [note.why for note in rig.notes if isinstance(note, EventNote) and note.kind == "unmet"]
    assert len(unmet) == 1
    assert why in unmet[0]
