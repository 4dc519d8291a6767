"""When watts moved after a verb."""

import random

import pytest

from hil.probe.moves import move_of, settled

_VERB_NS = 20_000_000_000


def _watched(
    before: float, after: float, delay_s: float, ramp_s: float, *, noise: float = 0.0, spacing_s: float = 0.1
) -> list[tuple[int, float]]:
    """A straight line between two values, read from 10 s before the verb to 15 s after it came there."""
    dice = random.Random(1)
    series = []
    at_s = -10.0
    while at_s < delay_s + ramp_s + 15.0:
        part = min(1.0, max(0.0, (at_s - delay_s) / ramp_s))
        series.append((_VERB_NS + round(at_s * 1e9), before + part * (after - before) + dice.gauss(0.0, noise)))
        at_s += spacing_s
    return series


@pytest.mark.parametrize(("before", "after"), [(3300.0, 25.0), (25.0, 3300.0)])
@pytest.mark.parametrize(("delay_s", "ramp_s"), [(0.3, 1.5), (1.0, 4.3), (2.5, 20.0)])
def test_delay_and_ramp_of_a_straight_line_are_found(
    before: float, after: float, delay_s: float, ramp_s: float
) -> None:
    move = move_of(_watched(before, after, delay_s, ramp_s), _VERB_NS)

    assert move is not None
    assert [move.before, move.after] == pytest.approx([before, after])
    assert move.delay_s == pytest.approx(delay_s, abs=0.06)
    assert move.ramp_s == pytest.approx(ramp_s, abs=0.06)
    assert move.there_s == pytest.approx(delay_s + 0.9 * ramp_s, abs=0.11)


def test_a_meter_with_other_loads_and_noise_tells_the_same() -> None:
    move = move_of(_watched(63_300.0, 60_025.0, 0.5, 3.0, noise=30.0), _VERB_NS)

    assert move is not None
    assert move.before - move.after == pytest.approx(3275.0, abs=60.0)
    assert move.there_s == pytest.approx(3.2, abs=0.3)


def test_what_does_not_leave_the_noise_is_no_move() -> None:
    assert move_of(_watched(63_300.0, 63_250.0, 0.5, 3.0, noise=30.0), _VERB_NS) is None
    assert move_of(_watched(3300.0, 3300.0, 0.5, 3.0), _VERB_NS) is None


def test_it_is_not_settled_while_it_moves_nor_when_it_has_not_moved() -> None:
    series = _watched(3300.0, 25.0, 1.0, 4.0)
    until = [row for row in series if row[0] <= _VERB_NS + 8_000_000_000]
    never = _watched(3300.0, 3300.0, 1.0, 4.0)

    assert not settled(until, _VERB_NS, 5.0)
    assert not settled(never, _VERB_NS, 5.0)
    assert settled(series, _VERB_NS, 5.0)
