"""How often a value is renewed, worked out from when it was seen to change."""

import random

import pytest

from hil.probe.spread import Renewal, renewal, spread


def _watched(
    renewals_ms: list[float], spacing_ms: float, seconds: float, *, stays: float = 0.0, seed: int = 1
) -> Renewal:
    """A value that is new at these instants, except that it stays the same in a share of them; read every spacing."""
    dice = random.Random(seed)
    value, seen, at = 0, [], 0
    read_ms = 0.3
    while read_ms < seconds * 1000:
        while at < len(renewals_ms) and renewals_ms[at] <= read_ms:
            value += dice.random() >= stays
            at += 1
        seen.append((round(read_ms * 1e6), value))
        read_ms += spacing_ms
    return renewal("power_w", seen)


def _every(period_ms: float, seconds: float) -> list[float]:
    return [number * period_ms for number in range(round(seconds * 1000 / period_ms))]


@pytest.mark.parametrize("period_ms", [40.0, 50.0, 97.0, 100.0, 200.0, 333.0, 1000.0])
@pytest.mark.parametrize("spacing_ms", [10.0, 20.0])
def test_a_regular_refresh_is_found_within_two_percent(period_ms: float, spacing_ms: float) -> None:
    found = _watched(_every(period_ms, 20), spacing_ms, 20)

    assert found.refresh_ms == pytest.approx(period_ms, rel=0.02)
    assert not found.at_most


@pytest.mark.parametrize("stays", [0.3, 0.6])
def test_a_value_that_often_stays_the_same_tells_the_same_refresh(stays: float) -> None:
    assert _watched(_every(200.0, 20), 10.0, 20, stays=stays).refresh_ms == pytest.approx(200.0, rel=0.02)


def test_a_device_that_is_late_now_and_then_is_not_taken_for_a_faster_one() -> None:
    dice = random.Random(7)
    late = [at + (60.0 if dice.random() < 0.15 else 0.0) for at in _every(100.0, 20)]

    assert _watched(late, 10.0, 20).refresh_ms == pytest.approx(100.0, rel=0.03)


def test_an_irregular_refresh_is_told_by_its_mean() -> None:
    dice = random.Random(3)
    at, renewals = 0.0, []
    while at < 40_000:
        at += dice.uniform(400.0, 1400.0)
        renewals.append(at)

    assert _watched(renewals, 10.0, 40).refresh_ms == pytest.approx(900.0, rel=0.1)


def test_what_changes_at_every_read_is_told_as_at_least_that_fast() -> None:
    found = _watched(_every(3.0, 5), 10.0, 5)

    assert found.at_most
    assert found.refresh_ms == pytest.approx(10.0, rel=0.01)
    assert found.words() == "10 ms or faster"


def test_too_few_changes_say_nothing() -> None:
    found = _watched([100.0, 300.0, 700.0], 10.0, 5)

    assert found.refresh_ms is None
    assert found.words() == "3 changes: too few to say"


def test_a_distribution_counts_every_time_once_under_the_next_edge() -> None:
    found = spread([0.4, 0.5, 0.6, 1.0, 30.0])

    assert found is not None
    assert found.histogram == ((0.5, 2), (1.0, 2), (50.0, 1))
    assert (found.p50, found.max) == (0.6, 30.0)
    assert sum(count for _, count in found.histogram) == found.count
