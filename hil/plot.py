"""Values against time as SVG: one plotter, no outside resource, readable in the light, in the dark and on a phone.

A *panel* is one plot: a time axis, lines, perhaps marks (vertical, named instants) and spans (shaded times). Panels
that are drawn over the same time stand under one another, so that one can look down from a cause to its effect.
Distributions have `hil/histogram.py`, and both are made of `hil/drawing.py`.

A recording of any length is thinned to what a drawing can show: of all points in one column the first, the lowest, the
highest and the last. What a plot shows, it also carries in words.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from hil.drawing import LEFT, RIGHT, WIDE, Frame, Mark, Name, Scale, fitting, path, style, tick

_TICK = 75  # units between two names of the time axis, at least
_UNITS = ((3 * 3600.0, 3600.0, "h"), (600.0, 60.0, "min"), (0.0, 1.0, "s"))  # from this span on, divided by, called


class Line(Struct, frozen=True):
    """One series. A value that is None breaks the line; `stepped` holds each value until the next one."""

    name: str
    points: Sequence[tuple[float, float | None]]
    stepped: bool = False
    dots: bool = False  # points alone: these were measured, nothing is known between them


class Span(Struct, frozen=True):
    """A named time that is shaded."""

    from_s: float
    to_s: float
    name: str


class Panel(Struct, frozen=True):
    """One plot against time."""

    title: str
    unit: str
    lines: Sequence[Line]
    marks: Sequence[Mark] = ()
    spans: Sequence[Span] = ()
    height: int = 150  # of the plot itself, without names above and below
    low: float | None = None  # the least the axis must show
    high: float | None = None


def draw(panel: Panel, from_s: float, to_s: float, width: int = WIDE) -> str:
    """The panel as an `svg` element for inclusion in HTML."""
    x = Scale(from_s, to_s, LEFT, width - RIGHT)
    names = [Name(line.name, line.dots) for line in panel.lines]
    frame = Frame(f"{panel.title}, {panel.unit}", names, panel.marks, x, panel.height)
    low, high, step = _value_axis(panel)
    y = Scale(low, high, frame.floor, frame.top)
    spans = [_span(span, x, frame) for span in panel.spans]
    curves = [_curve(line, style(index), x, y) for index, line in enumerate(panel.lines)]
    return frame.svg(_words(panel, from_s, to_s), [*spans, *frame.values(y, step), *_time_ticks(x, frame)], curves)


def _value_axis(panel: Panel) -> tuple[float, float, float]:
    """Lowest and highest value of the axis and the distance of its ticks: round numbers around everything shown."""
    shown = [value for line in panel.lines for run in _runs(line) for _, value in run]
    shown += [bound for bound in (panel.low, panel.high) if bound is not None]
    if not shown:
        shown = [0.0, 1.0]
    low, high = min(shown), max(shown)
    step = tick((high - low) or abs(high) or 1.0, 6)
    return math.floor(low / step) * step, max(math.ceil(high / step), math.floor(low / step) + 1) * step, step


def _time_ticks(x: Scale, frame: Frame) -> list[str]:
    span = x.high - x.low
    divisor, unit = next((divisor, unit) for least, divisor, unit in _UNITS if span >= least)
    distance = tick(span / divisor, max(2, int((x.at_high - x.at_low) / _TICK))) * divisor
    first, last = math.ceil(x.low / distance - 1e-9), math.floor(x.high / distance + 1e-9)
    times = [index * distance for index in range(first, last + 1)]
    return [frame.tick(x(at_s), f"{at_s / divisor:g} {unit}") for at_s in times]


def _span(span: Span, x: Scale, frame: Frame) -> str:
    left, right = x(max(span.from_s, x.low)), x(min(span.to_s, x.high))
    return (
        f'<rect class="span" x="{left}" y="{frame.top}" width="{max(0.0, round(right - left, 1))}" '
        f'height="{frame.floor - frame.top}"/>'
        f'<text class="quiet" x="{left + 4}" y="{frame.floor - 6}">{fitting(span.name, right - left - 4)}</text>'
    )


def _runs(line: Line) -> list[list[tuple[float, float]]]:
    """The line's points, in pieces without a gap."""
    pieces = groupby(line.points, key=lambda point: point[1] is not None and math.isfinite(point[1]))
    return [[(at, value) for at, value in piece if value is not None] for known, piece in pieces if known]


def _curve(line: Line, number: int, x: Scale, y: Scale) -> str:
    """One path, with a gap wherever there was no value."""
    if line.dots:
        measured = [point for run in _runs(line) for point in run]
        return "".join(f'<circle class="d{number}" cx="{x(at)}" cy="{y(value)}" r="2.6"/>' for at, value in measured)
    return path(
        (_corners([(x(at), y(value)) for at, value in _thinned(run, x)], line.stepped) for run in _runs(line)),
        number,
    )


def _thinned(run: Sequence[tuple[float, float]], x: Scale) -> list[tuple[float, float]]:
    """What a drawing can show of the run: of each column the first point, the lowest, the highest and the last."""
    kept: list[tuple[float, float]] = []
    for _, points in groupby(run, key=lambda point: int(x(point[0]))):
        column = list(enumerate(points))
        lowest = min(column, key=lambda point: point[1][1])
        highest = max(column, key=lambda point: point[1][1])
        kept += [point for _, point in sorted({column[0], lowest, highest, column[-1]})]
    return kept


def _corners(points: Sequence[tuple[float, float]], stepped: bool) -> Iterator[tuple[float, float]]:
    before: float | None = None
    for across, up in points:
        if stepped and before is not None:
            yield across, before
        yield across, up
        before = up


def _words(panel: Panel, from_s: float, to_s: float) -> str:
    parts = [f"{panel.title}, {panel.unit}, from {from_s:.4g} to {to_s:.4g} s."]
    for line in panel.lines:
        values = [value for run in _runs(line) for _, value in run]
        said = f"{min(values):.5g} to {max(values):.5g}, {values[-1]:.5g} at the end" if values else "nothing known"
        parts.append(f"{line.name}: {said}.")
    return " ".join(parts)
