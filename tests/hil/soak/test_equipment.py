"""Judges of contactor, pumps, GPUs and absence: each is silent over what is well and fires over a doctored trace."""

from typing import Any

from msgspec import structs

from hil.soak.judges.equipment import (
    judge_absence_raises_nothing,
    judge_contactor_closes,
    judge_gpu_bounds,
    judge_gpu_leases,
    judge_local_is_left_alone,
    judge_pumps_are_left_alone,
)
from hil.soak.trace import Life, Limit, Trace, Turn, Write
from tests.hil.soak.traces import MINERS, drawn, fault, ns, told, well

OPENED = [Turn(ns(30), "k1", False)]
ASKED = [*OPENED, Turn(ns(40), "k1", True)]
MOVED = [Turn(ns(30.1), "a-east", False), Turn(ns(40.1), "a-east", True)]


def _contactor(**changes: Any) -> list[str]:
    trace = well(**({"coils": ASKED, "poles": MOVED} | changes))
    return [one.what for one in judge_contactor_closes(trace).broken]


def test_a_contactor_that_closes_as_it_should_is_well() -> None:
    assert _contactor() == []


def test_a_close_without_a_look_at_its_permits_is_broken() -> None:
    looks = [ns(tenth / 10) for tenth in range(394)]

    assert "not read within 500 ms" in _contactor(looks=looks)[0]


def test_a_close_without_a_permit_is_broken() -> None:
    inputs = [Turn(ns(35), "leak_ok", False), Turn(ns(50), "leak_ok", True)]

    assert "without leak_ok" in _contactor(inputs=inputs)[0]
    lost_just_now = [Turn(ns(39.8), "leak_ok", False)]
    assert _contactor(inputs=lost_just_now) == []


def test_a_close_before_the_minimum_open_time_is_broken() -> None:
    coils = [*OPENED, Turn(ns(32), "k1", True)]

    assert "after it opened" in _contactor(coils=coils, poles=[MOVED[0], Turn(ns(32.1), "a-east", True)])[0]


def test_poles_that_close_though_nobody_asked_are_broken() -> None:
    assert "nobody asked" in _contactor(coils=OPENED)[0]


def test_a_coil_written_in_local_is_broken() -> None:
    local = [fault("panel local", 35, 45)]

    assert judge_local_is_left_alone(well(faults=local, coils=ASKED)).broken
    assert not judge_local_is_left_alone(well(faults=local)).broken


def test_anything_but_a_heartbeat_at_the_tank_is_broken() -> None:
    beat, pump = Write(ns(10), "tank-a", "0600000001"), Write(ns(11), "tank-a", "0600100000")

    assert not judge_pumps_are_left_alone(well(writes=[beat, Write(ns(12), "switchgear", "0500010000")])).broken
    assert judge_pumps_are_left_alone(well(writes=[beat, pump])).broken
    assert judge_pumps_are_left_alone(well(writes=[Write(ns(10), "main", "0600000001")])).broken


AWAY = [Life(ns(-60), ns(40)), Life(ns(60))]


def test_an_absence_in_which_nothing_happens_is_well() -> None:
    trace = well(lives=AWAY, verbs=told(39, "off") + told(61, "on"), limits=[Limit(ns(55), 0, 500.0)])

    assert (judge_absence_raises_nothing(trace).count, judge_absence_raises_nothing(trace).broken) == (1, ())


def test_whatever_rises_with_no_agent_alive_is_broken() -> None:
    for changes in (
        {"verbs": told(50, "on", MINERS[:1])},
        {"poles": [Turn(ns(50), "a-east", True)]},
        {"limits": [Limit(ns(41), 0, 300.0), Limit(ns(50), 0, 400.0)]},
    ):
        assert judge_absence_raises_nothing(well(lives=AWAY, **changes)).broken, changes


def _limited(trace: Trace, watts: float) -> Trace:
    trace.truths = [structs.replace(truth, gpu_limits_w=(watts, 400.0)) for truth in drawn()]
    return trace


def test_a_gpu_that_keeps_its_limit_after_the_lease_is_broken() -> None:
    assert judge_gpu_leases(_limited(well(lives=AWAY), 700.0)).broken
    assert not judge_gpu_leases(_limited(well(lives=AWAY), 500.0)).broken


def test_a_dip_of_a_gpu_though_the_agent_was_back_within_the_lease_is_broken() -> None:
    back_soon = [Life(ns(-60), ns(40)), Life(ns(45))]

    assert judge_gpu_leases(well(lives=back_soon)).count == 1
    assert not judge_gpu_leases(well(lives=back_soon)).broken
    assert judge_gpu_leases(well(lives=back_soon, limits=[Limit(ns(42), 0, 500.0)])).broken


def test_a_limit_outside_the_drivers_bounds_is_broken() -> None:
    assert not judge_gpu_bounds(well(limits=[Limit(ns(1), 0, 200.0), Limit(ns(2), 0, 700.0)])).broken
    assert judge_gpu_bounds(well(limits=[Limit(ns(1), 0, 150.0)])).broken
