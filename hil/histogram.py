"""Distributions of times as SVG: what share of the samples lies in each bin of a logarithmic axis.

The first distribution is drawn as bars and marked with its p50, p99 and p99.9; any other is a dashed outline. A bin
that holds anything at all is at least visible: the tail is what matters.
"""

import math
from collections.abc import Sequence

from msgspec import Struct

from hil.drawing import LEFT, RIGHT, WIDE, Frame, Mark, Name, Scale, path, style, tick
from hil.results import percentile

PERCENTILES = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
_BINS = 36
_DIGITS = (1.0, 2.0, 5.0, 10.0)
_TICK = 45  # units that a named tick needs


class Times(Struct, frozen=True):
    """One distribution."""

    name: str
    values: Sequence[float]


class Histogram(Struct, frozen=True):
    """One plot of distributions. Marks are the first one's p50, p99 and p99.9."""

    title: str
    unit: str
    times: Sequence[Times]
    height: int = 150


def draw_histogram(histogram: Histogram, width: int = WIDE) -> str:
    """The histogram as an `svg` element for inclusion in HTML."""
    shown = [Times(times.name, _positive(times.values)) for times in histogram.times if times.values]
    low, high = _ends([value for times in shown for value in times.values])
    x = _LogScale(low, high, LEFT, width - RIGHT)
    bins = _Bins(low, high)
    shares = [bins.shares(times.values) for times in shown]
    names = [Name(times.name) for times in shown]
    marks = _percentiles(shown[0]) if shown else []
    frame = Frame(f"{histogram.title}, {histogram.unit}", names, marks, x, histogram.height)
    highest = max((share for each in shares for share in each), default=1.0)
    step = tick(highest, 4)
    y = Scale(0.0, math.ceil(highest / step) * step, frame.floor, frame.top)
    outlines = [_outline(each, bins, style(index), x, y) for index, each in enumerate(shares) if index]
    return frame.svg(
        _words(histogram),
        [*frame.values(y, step, "%"), *_ticks(x, frame), *(_bars(shares[0], bins, x, y) if shares else [])],
        outlines,
    )


class _LogScale(Scale):
    """The same from logarithms."""

    def __init__(self, low: float, high: float, at_low: float, at_high: float) -> None:
        super().__init__(math.log10(low), math.log10(high), at_low, at_high)

    def __call__(self, value: float) -> float:
        return super().__call__(math.log10(value))


def _ticks(x: _LogScale, frame: Frame) -> list[str]:
    """1, 2 and 5 of each decade where there is room, else the decades alone."""
    digits = (1.0, 2.0, 5.0) if (x.high - x.low) * 3 * _TICK <= x.at_high - x.at_low else (1.0,)
    powers = range(math.floor(x.low), math.ceil(x.high) + 1)
    values = [digit * 10.0**power for power in powers for digit in digits]
    shown = [value for value in values if x.low - 1e-9 <= math.log10(value) <= x.high + 1e-9]
    return [frame.tick(x(value), f"{value:g}") for value in shown]


def _positive(values: Sequence[float]) -> list[float]:
    """The values, those at or below zero as the least that a logarithmic axis is given: a microsecond in ms."""
    return [max(value, 1e-3) for value in values]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis: 1, 2 or 5 of a decade, below and above everything."""
    if not values:
        return 1.0, 10.0
    power = 10.0 ** math.floor(math.log10(min(values)))
    low = max(digit * power for digit in _DIGITS if digit * power <= min(values) * (1 + 1e-9))
    power = 10.0 ** math.floor(math.log10(max(values)))
    high = min(digit * power for digit in _DIGITS if digit * power > max(values))
    return low, high


class _Bins:
    """Bins of the same width on a logarithmic axis."""

    def __init__(self, low: float, high: float) -> None:
        self._low = math.log(low)
        self._each = (math.log(high) - self._low) / _BINS
        self.edges = [math.exp(self._low + index * self._each) for index in range(_BINS)] + [high]

    def shares(self, values: Sequence[float]) -> list[float]:
        """The percentage of the values in each bin."""
        counts = [0] * _BINS
        for value in values:
            counts[min(_BINS - 1, max(0, int((math.log(value) - self._low) / self._each)))] += 1
        return [100.0 * count / len(values) for count in counts]


def _percentiles(times: Times) -> list[Mark]:
    """The distribution's percentiles; of few samples some are the same one, and then they share a mark."""
    names: dict[float, list[str]] = {}
    for name, share in PERCENTILES:
        value = percentile(times.values, share)
        if value is not None:
            names.setdefault(value, []).append(name)
    return [Mark(value, ", ".join(same)) for value, same in names.items()]


def _bars(shares: Sequence[float], bins: _Bins, x: Scale, y: Scale) -> list[str]:
    parts = []
    for index, share in enumerate(shares):
        if share:
            left, right = x(bins.edges[index]), x(bins.edges[index + 1])
            up = min(y(share), y.at_low - 2)
            parts.append(
                f'<rect class="bar" x="{left}" y="{up:.1f}" width="{right - left:.1f}" height="{y.at_low - up:.1f}"/>'
            )
    return parts


def _outline(shares: Sequence[float], bins: _Bins, number: int, x: Scale, y: Scale) -> str:
    corners = [(x.at_low, y.at_low)]
    for index, share in enumerate(shares):
        up = min(y(share), y.at_low - 2) if share else y.at_low
        corners += [(x(bins.edges[index]), up), (x(bins.edges[index + 1]), up)]
    return path([[*corners, (x.at_high, y.at_low)]], number)


def _words(histogram: Histogram) -> str:
    parts = [f"{histogram.title}, {histogram.unit}: share of the samples in each bin, logarithmic."]
    for times in histogram.times:
        marks = "; ".join(f"{mark.name} {mark.at:.4g}" for mark in _percentiles(times)) or "no sample"
        parts.append(f"{times.name}: {len(times.values)} samples, {marks}.")
    return " ".join(parts)
