"""When watts moved after a verb, from a series of readings. Pure.

A move goes from `before` (the median of the last seconds before the verb) to `after` (the median of the last seconds of
the series). It is taken for a straight line between 10 % and 90 % of the way, which is how the stand-ins draw theirs
too (hil/families.toml): the *delay* is where that line leaves `before`, the *ramp* is from there to where it arrives.
*There* is when the value came within a tenth of the way of `after` for good; that is what a rule may count on.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from hil.results import percentile

_BEFORE_S = 5.0
_AFTER_S = 3.0
_LOW, _HIGH = 0.1, 0.9
_SHARE = 0.02  # of what was there: less is no move either
_NOISE = 6.0  # times the mean deviation before the verb: less is no move (about 5 sigma of a normal one)

Series = Sequence[tuple[int, float]]  # (monotonic ns, value), in the order of time


class Move(Struct, frozen=True):
    """One move; seconds after the verb's last byte."""

    before: float
    after: float
    delay_s: float
    ramp_s: float
    there_s: float
    spacing_s: float  # between two readings: no time here is better than that


def move_of(series: Series, verb_ns: int) -> Move | None:
    """The move that followed the verb; None where there was none beyond the noise."""
    earlier = _before(series, verb_ns)
    later = [(at_ns, value) for at_ns, value in series if at_ns > verb_ns]
    if not earlier or len(later) < 2:
        return None
    last_ns = later[-1][0]
    before = _median(earlier)
    after = _median([value for at_ns, value in later if at_ns >= last_ns - _AFTER_S * 1e9])
    way = after - before
    if abs(way) <= _least(before, _noise(earlier)):
        return None
    gone = [(at_ns, (value - before) / way) for at_ns, value in later]
    left_s = _crossed(gone, _LOW, verb_ns)
    came_s = _crossed(gone, _HIGH, verb_ns)
    ramp_s = (came_s - left_s) / (_HIGH - _LOW)
    gaps = [(second[0] - first[0]) / 1e9 for first, second in pairwise(later)]
    return Move(
        before=before,
        after=after,
        delay_s=max(0.0, left_s - _LOW * ramp_s),
        ramp_s=ramp_s,
        there_s=_for_good(gone, verb_ns),
        spacing_s=_median(gaps),
    )


def settled(series: Series, verb_ns: int, still_s: float) -> bool:
    """Whether it has moved and stood still for so long since: nothing more is to come."""
    if not series or series[-1][0] - verb_ns < still_s * 1e9:
        return False
    earlier = _before(series, verb_ns)
    newest = [value for at_ns, value in series if at_ns >= series[-1][0] - still_s * 1e9]
    if not earlier or len(newest) < 2:
        return False
    way = abs(_median(newest) - _median(earlier))
    noise = _noise(earlier)
    return way > _least(_median(earlier), noise) and max(newest) - min(newest) <= max(2 * _NOISE * noise, 0.05 * way)


def _before(series: Series, verb_ns: int) -> list[float]:
    return [value for at_ns, value in series if verb_ns - _BEFORE_S * 1e9 <= at_ns <= verb_ns]


def _noise(earlier: Sequence[float]) -> float:
    middle = _median(earlier)
    return sum(abs(value - middle) for value in earlier) / len(earlier)


def _least(before: float, noise: float) -> float:
    """What a move has to be more than."""
    return max(_NOISE * noise, _SHARE * abs(before))


def _crossed(gone: Series, share: float, verb_ns: int) -> float:
    """When the way gone first came to this share: between two readings on the line that joins them."""
    previous = (verb_ns, 0.0)
    for at_ns, part in gone:
        if part >= share:
            steep = (share - previous[1]) / (part - previous[1]) if part > previous[1] else 1.0
            return (previous[0] + steep * (at_ns - previous[0]) - verb_ns) / 1e9
        previous = (at_ns, part)
    return (gone[-1][0] - verb_ns) / 1e9


def _for_good(gone: Series, verb_ns: int) -> float:
    """The first reading from which on all are within a tenth of the way of its end."""
    last_ns = gone[-1][0]
    for at_ns, part in reversed(gone):
        if part < _HIGH:
            break
        last_ns = at_ns
    return (last_ns - verb_ns) / 1e9


def _median(values: Sequence[float]) -> float:
    return percentile(values, 0.5) or 0.0
