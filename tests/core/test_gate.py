"""The gate's slope: what a meter shows against what it showed before, however often it is asked."""

import pytest

from agent.core.image import Image, Pulse
from agent.core.rules.gate import STEEP, UNPROVEN, Gated, gate
from agent.core.site import Meter
from agent.core.state import Refresh
from agent.core.tree import MeterKeys
from agent.core.values import NS_PER_MS, Reading

METER = MeterKeys(Meter("main", 20 * NS_PER_MS, 300 * NS_PER_MS, 230.0))


def shown(*refreshes: tuple[int, float | None], at_ms: int) -> Gated:
    """What the gate says at an instant; `refreshes`: when each was first seen, and its frequency."""
    kept = tuple(Refresh(n, ms * NS_PER_MS, 1000.0 + n, hz) for n, (ms, hz) in enumerate(refreshes))
    now_ns = at_ms * NS_PER_MS
    volts = {f"main.voltage_l{phase}_v": Reading(230.0, now_ns) for phase in (1, 2, 3)}
    points = {"main.frequency_hz": Reading(refreshes[-1][1], now_ns), **volts}
    image = Image(points=points, pulses={"main": Pulse(len(kept) - 1, kept[-1].taken_ns)})
    return gate(METER, kept, image, now_ns)


@pytest.mark.parametrize("at_ms", [900, 920, 1000, 1100, 1190])
def test_one_wrong_refresh_of_a_slow_meter_is_steep_for_as_long_as_it_is_shown(at_ms: int) -> None:
    assert shown((300, 50.0), (600, 50.001), (900, 46.0), at_ms=at_ms) is STEEP


@pytest.mark.parametrize("at_ms", [900, 1000, 1150])
def test_a_wrong_frequency_is_steep_also_while_other_registers_go_on(at_ms: int) -> None:
    seen = ((600, 50.0), (900, 46.0), (1000, 46.0), (1100, 46.0))
    assert shown(*(one for one in seen if one[0] <= at_ms), at_ms=at_ms) is STEEP


def test_a_fall_that_a_grid_can_make_passes_at_once() -> None:
    assert shown((600, 50.0), (900, 49.4), at_ms=900) == Gated(49.4)


def test_what_has_stood_for_five_refreshes_is_believed() -> None:
    seen = [(600, 50.0), *((900 + 300 * n, 46.0) for n in range(5))]

    assert shown(*seen[:-1], at_ms=1900) is STEEP
    assert shown(*seen, at_ms=2100) == Gated(46.0)


def test_refreshes_less_than_100_ms_apart_are_compared_with_an_older_one() -> None:
    assert shown((0, 50.0), (80, 50.0), (100, 49.9), at_ms=100) == Gated(49.9)
    assert shown((0, 50.0), (80, 50.0), (100, 48.0), at_ms=100) is STEEP


def test_at_the_start_it_waits_for_something_to_compare_with() -> None:
    assert shown((0, 50.0), at_ms=50) is UNPROVEN
    assert shown((0, 50.0), at_ms=100) == Gated(50.0)
    assert shown((0, 50.0), (60, 49.99), at_ms=60) is UNPROVEN


def test_a_refresh_without_a_frequency_is_passed_over() -> None:
    assert shown((300, 50.0), (600, None), (900, 49.95), at_ms=900) == Gated(49.95)
