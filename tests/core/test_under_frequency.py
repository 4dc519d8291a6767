"""The frequency rule and the gate before it."""

import math

import pytest

from agent.core.state import Mode
from tests.core.rig import UFR, Rig, a_site


def steady(**more: float) -> Rig:
    rig = Rig(a_site(**more), UFR)  # type: ignore[arg-type]
    rig.settle()
    rig.tick(10)
    return rig


def test_a_crossing_sheds_what_it_asks_below_what_the_site_drew_before() -> None:
    rig = steady()

    rig.hz = 49.4
    told = rig.tick()

    assert rig.watts <= 130_000 - 60_000
    assert rig.watts > 130_000 - 60_000 - 3_000  # within one device
    assert all(setpoint.step == "off" for setpoint in told)


def test_a_shed_is_judged_at_the_meter_and_told() -> None:
    rig = steady()

    rig.hz = 49.4
    rig.tick(5)

    assert rig.kinds() == ["begin", "cut", "told", "delivered"]
    assert rig.mode() is Mode.HOLDING


@pytest.mark.parametrize("hz", [0.0, math.nan, math.inf, -math.inf, 44.9, 65.1, 6553.5, None])
def test_a_frequency_that_cannot_be_sheds_nothing(hz: float | None) -> None:
    rig = steady()

    rig.hz = hz
    told = rig.tick(30)

    assert told == ()


@pytest.mark.parametrize("volts", [0.0, 114.0, 300.0, math.nan, None])
def test_a_frequency_without_voltage_sheds_nothing(volts: float | None) -> None:
    rig = steady()

    rig.hz, rig.volts = 47.4, volts
    told = rig.tick(30)

    assert told == ()


def test_a_sag_inside_the_gate_does_not_hide_a_crossing() -> None:
    rig = steady()

    rig.hz, rig.volts = 49.4, 120.0
    told = rig.tick()

    assert told


def test_a_register_stuck_low_since_the_start_alarms_and_sheds_nothing() -> None:
    rig = Rig(a_site(), UFR)
    rig.hz = 49.0

    told = rig.tick(40)

    assert told == ()
    assert "alarm" in rig.kinds()


def test_a_frozen_meter_sheds_nothing_and_alarms() -> None:
    rig = steady()

    rig.meter_frozen = True
    rig.tick(10)
    rig.hz = 49.0
    told = rig.tick(20)

    assert told == ()
    assert "alarm" in rig.kinds()


def test_a_step_steeper_than_ten_hertz_a_second_is_not_believed_at_once() -> None:
    rig = steady()

    rig.hz = 47.0  # 30 Hz/s against the refresh 100 ms before
    told = rig.tick()

    assert told == ()


def test_a_silent_meter_sheds_nothing_by_frequency() -> None:
    rig = steady()

    rig.hz, rig.meter_dead = 49.0, True
    told = rig.tick(20)

    assert told == ()


def test_a_threshold_is_met_in_whole_millihertz() -> None:
    rig = steady()

    rig.hz = 49.49999  # what 49.5 may come out as after a 32-bit float
    assert rig.tick(5) == ()
    rig.hz = 49.499
    assert rig.tick(1)


def test_as_many_distinct_refreshes_as_asked_must_agree() -> None:
    rule = type(UFR)("ufr", "poi", "main", 49.5, 49.9, 10**9, confirm_refreshes=3, shed_w=30_000.0)
    rig = Rig(a_site(), rule)
    rig.settle()
    rig.tick(10)

    rig.hz = 49.4
    first, second, third = rig.tick(), rig.tick(), rig.tick()

    assert (first, second) == ((), ())
    assert third


def test_going_to_a_fixed_net_power_does_not_depend_on_what_it_drew() -> None:
    rule = type(UFR)("ufr", "poi", "main", 49.5, 49.9, 10**9, to_w=50_000.0)
    rig = Rig(a_site(), rule)
    rig.settle()
    rig.tick(10)

    rig.hz = 49.4
    rig.tick()

    assert 47_000 < rig.watts <= 50_000


def test_it_stays_shed_until_the_frequency_was_above_for_its_time_without_a_break() -> None:
    rig = steady()
    rig.hz = 49.4
    rig.tick(5)

    rig.hz = 50.0
    rig.tick(15)
    rig.hz = None
    rig.tick(1)
    rig.hz = 50.0
    rig.tick(15)
    still = rig.mode()
    rig.tick(15)

    assert still is Mode.HOLDING
    assert rig.mode() is Mode.NORMAL
    assert rig.watts == 130_000


def test_asked_for_more_than_there_is_everything_goes_and_unmet_says_so() -> None:
    rule = type(UFR)("ufr", "poi", "main", 49.5, 49.9, 10**9, shed_w=400_000.0)
    rig = Rig(a_site(), rule)
    rig.settle()
    rig.tick(10)

    rig.hz = 49.4
    rig.tick(2)

    assert not any(rig.on.values())
    assert "unmet" in rig.kinds()


def test_a_second_crossing_counts_from_the_baseline_of_the_first() -> None:
    rig = steady(ramp_up_w_per_s=3_000.0)
    rig.hz = 49.4
    rig.tick(5)
    rig.hz = 50.0
    rig.tick(40)  # some are back
    assert rig.mode() is Mode.RETURNING

    rig.hz = 49.4
    rig.tick(5)

    assert 67_000 <= rig.watts <= 70_000


def test_what_fell_by_itself_since_an_earlier_event_is_not_counted_as_given() -> None:
    rig = Rig(a_site(limit_w=140_000.0, ramp_up_w_per_s=100.0), UFR)
    rig.settle()
    rig.extra_w = 60_000.0
    rig.tick(20)  # over the limit: some loads go
    assert rig.mode() is not Mode.NORMAL
    rig.extra_w = 10_000.0  # and what made it so is gone by itself, while they are still down
    rig.tick(20)
    assert rig.watts > 80_000

    rig.hz = 49.4
    rig.tick(5)

    assert 67_000 <= rig.watts <= 70_000  # 60 kW below the 130 kW that it would draw without us


def test_in_observe_it_says_what_it_would_do_and_tells_nobody() -> None:
    rule = type(UFR)("ufr", "poi", "main", 49.5, 49.9, 10**9, shed_w=60_000.0, acts=False)
    rig = Rig(a_site(observe=True), rule)
    rig.settle()
    rig.tick(10)

    rig.hz = 49.4
    told = rig.tick(20)
    rig.hz = 50.0
    rig.tick(20)

    assert told == ()
    assert rig.kinds() == ["begin", "cut", "end"]


def test_with_its_power_unknown_a_crossing_sheds_the_watts_asked_for_and_not_everything() -> None:
    rig = steady()
    for _ in range(20):
        rig.tick()
        rig.power_bad = True

    rig.hz = 49.4
    told = rig.tick()

    assert 20 <= len(told) <= 21
