"""Times as distributions, and how often a value is renewed, worked out from how often it was seen to change. Pure.

A value that is read every `spacing` is seen to change at the first read after its renewal, and not at every renewal if
it happens to stay the same: each interval between two changes is a whole number of refreshes, give or take a spacing.
The shortest cluster of intervals gives a first figure; those that are a whole number of it are then divided by that
number and averaged, the others (the device was late once) left aside. Where most are no whole number the device renews
its values irregularly, or hardly slower than we ask, and the mean interval stands for it.

What changed at nearly every read is renewed at least that fast, and more cannot be said by asking.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from hil.results import percentile

CHANGES_MIN = 5  # fewer say nothing about how often it is renewed
_STEPS = (1.0, 2.0, 5.0)
_BARS = 30
_WHOLE = 0.2  # of a refresh: how far from a whole number of them an interval may be
_REGULAR = 0.7  # of the intervals must be such, for a device that renews its values regularly
_COARSE = 3.0  # spacings: below this an interval cannot be told from its neighbours


class Spread(Struct, frozen=True):
    """A distribution of times, ms."""

    count: int
    p50: float
    p99: float
    max: float
    histogram: tuple[tuple[float, int], ...]  # upper edge, how many up to it and above the one before

    def line(self) -> str:
        """In one line."""
        return f"p50 {short(self.p50)}, p99 {short(self.p99)}, max {short(self.max)} ms ({self.count})"

    def bars(self) -> list[str]:
        """A line for each column of the histogram."""
        most = max((count for _, count in self.histogram), default=1)
        return [
            f"<= {short(edge):>6} ms  {'#' * math.ceil(_BARS * count / most):<{_BARS}} {count}"
            for edge, count in self.histogram
        ]


class Renewal(Struct, frozen=True):
    """How often a value was renewed."""

    name: str
    reads: int
    changes: int
    refresh_ms: float | None  # None: it did not change often enough to say
    spacing_ms: float  # between two reads
    at_most: bool = False  # it changed at nearly every read: it may be faster than this
    intervals: Spread | None = None

    def words(self) -> str:
        """For a table."""
        if self.refresh_ms is None:
            return "did not change" if not self.changes else f"{self.changes} changes: too few to say"
        figure = f"{short(self.refresh_ms)} ms"
        return f"{figure} or faster" if self.at_most else figure


def spread(times: Sequence[float]) -> Spread | None:
    """Their distribution; None of none."""
    if not times:
        return None
    ordered = sorted(times)
    edges: dict[float, int] = {}
    for value in ordered:
        edge = _edge(value)
        edges[edge] = edges.get(edge, 0) + 1
    return Spread(len(ordered), _quantile(ordered, 0.5), _quantile(ordered, 0.99), ordered[-1], tuple(edges.items()))


def renewal(name: str, seen: Sequence[tuple[int, object]]) -> Renewal:
    """How often a value was renewed, from (ns, what it was) of each read."""
    spacing_ms = _spacing_ms([at_ns for at_ns, _ in seen])
    changes = [after[0] for before, after in pairwise(seen) if after[1] != before[1]]
    intervals = [(after - before) / 1e6 for before, after in pairwise(changes)]
    if len(changes) < CHANGES_MIN:
        return Renewal(name, len(seen), len(changes), None, spacing_ms)
    refresh_ms = _refresh_ms(intervals, spacing_ms)
    return Renewal(
        name=name,
        reads=len(seen),
        changes=len(changes),
        refresh_ms=refresh_ms,
        spacing_ms=spacing_ms,
        at_most=refresh_ms < 1.5 * spacing_ms,
        intervals=spread(intervals),
    )


def short(value: float) -> str:
    """Three figures, no exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _refresh_ms(intervals: Sequence[float], spacing_ms: float) -> float:
    shortest = [value for value in intervals if value <= 1.5 * _quantile(intervals, 0.1)]
    first_ms = _quantile(shortest, 0.5)
    counted = [(value, round(value / first_ms)) for value in intervals]
    whole = [(value, count) for value, count in counted if abs(value / first_ms - count) <= _WHOLE]
    if first_ms < _COARSE * spacing_ms or len(whole) < _REGULAR * len(intervals):
        return sum(intervals) / len(intervals)
    return sum(value for value, _ in whole) / sum(count for _, count in whole)


def _spacing_ms(at_ns: Sequence[int]) -> float:
    gaps = sorted((after - before) / 1e6 for before, after in pairwise(at_ns))
    return _quantile(gaps, 0.5)


def _quantile(samples: Sequence[float], share: float) -> float:
    return percentile(samples, share) or 0.0


def _edge(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is not below it."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-3)))
    return next((step * power for step in _STEPS if value <= step * power * (1 + 1e-9)), 10 * power)
