"""Time series as SVG: one plotter, no outside resource, readable in the light, in the dark and on a phone.

A *panel* is one plot: a time axis in seconds, lines, perhaps marks (vertical, named instants) and spans (shaded times).
All panels of a report share one time axis, so that one can look down from a cause to its effect. Colours are CSS
classes that the page defines for both schemes (STYLE); a line is told from its neighbour by its dash as well as by its
colour.

The text is 13 units high in a drawing 720 units wide which is shown at 100 % of the page and never below 560 CSS pixels
(the page lets a phone scroll the panel sideways), so it never falls under 10 CSS pixels.
"""

import math
from collections.abc import Sequence
from html import escape

from msgspec import Struct

WIDTH = 720
_LEFT, _RIGHT, _BOTTOM = 58, 12, 30
_LEGEND, _ROW = 30, 16  # heights of the legend and of a row of marks' names, above the plot
_LETTER = 7  # units that a letter is wide, about
_TICKS = (1.0, 2.0, 2.5, 5.0, 10.0)

STYLE = """
svg.plot { width: 100%; height: auto; display: block; font: 13px system-ui, sans-serif; }
svg.plot text { fill: var(--ink); }
svg.plot .quiet { fill: var(--quiet); }
svg.plot .grid { stroke: var(--grid); stroke-width: 1; }
svg.plot .axis { stroke: var(--quiet); stroke-width: 1; }
svg.plot .span { fill: var(--span); }
svg.plot .mark { stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 2 3; }
svg.plot .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg.plot .c1 { stroke: var(--c1); } svg.plot .d1 { fill: var(--c1); }
svg.plot .c2 { stroke: var(--c2); stroke-dasharray: 7 4; } svg.plot .d2 { fill: var(--c2); }
svg.plot .c3 { stroke: var(--c3); stroke-dasharray: 2 3; } svg.plot .d3 { fill: var(--c3); }
"""


class Line(Struct, frozen=True):
    """One series. A value that is None breaks the line; `stepped` holds each value until the next one."""

    name: str
    points: Sequence[tuple[float, float | None]]
    stepped: bool = False
    dots: bool = False  # points alone: these were measured, nothing is known between them


class Mark(Struct, frozen=True):
    """A named instant."""

    at_s: float
    name: str


class Span(Struct, frozen=True):
    """A named time that is shaded."""

    from_s: float
    to_s: float
    name: str


class Panel(Struct, frozen=True):
    """One plot."""

    title: str
    unit: str
    lines: Sequence[Line]
    marks: Sequence[Mark] = ()
    spans: Sequence[Span] = ()
    height: int = 220
    low: float | None = None  # the least the axis must show
    high: float | None = None


def draw(panel: Panel, from_s: float, to_s: float) -> str:
    """The panel as an `svg` element for inclusion in HTML."""
    low, high, step = _value_axis(panel)
    x = _Scale(from_s, to_s, _LEFT, WIDTH - _RIGHT)
    rows = _rows(panel.marks, x)
    top = _LEGEND + _ROW * (max(rows, default=-1) + 1) + 4
    y = _Scale(low, high, panel.height - _BOTTOM, top)
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {panel.height}" role="img" '
        f'aria-label="{escape(panel.title, quote=True)}" xmlns="http://www.w3.org/2000/svg">'
    ]
    parts += [_span(span, x, top, panel.height) for span in panel.spans]
    parts += _grid(x, y, step, panel.height)
    parts += [_mark(mark, row, x, panel.height) for mark, row in zip(panel.marks, rows, strict=True)]
    parts += [_curve(line, index + 1, x, y) for index, line in enumerate(panel.lines)]
    parts += _legend(panel)
    parts.append("</svg>")
    return "\n".join(parts)


class _Scale:
    """A linear map from values to drawing units."""

    def __init__(self, low: float, high: float, at_low: float, at_high: float) -> None:
        self.low = low
        self.high = high
        self._at_low = at_low
        self._per_unit = (at_high - at_low) / (high - low)

    def __call__(self, value: float) -> float:
        return round(self._at_low + (value - self.low) * self._per_unit, 1)


def _value_axis(panel: Panel) -> tuple[float, float, float]:
    """Lowest and highest value of the axis and the distance of its ticks: round numbers around everything shown."""
    shown = [value for line in panel.lines for _, value in line.points if value is not None and math.isfinite(value)]
    shown += [bound for bound in (panel.low, panel.high) if bound is not None]
    if not shown:
        shown = [0.0, 1.0]
    low, high = min(shown), max(shown)
    step = _tick((high - low) or abs(high) or 1.0, 6)
    return math.floor(low / step) * step, max(math.ceil(high / step), math.floor(low / step) + 1) * step, step


def _tick(span: float, count: int) -> float:
    """A round distance that divides the span into about `count` parts."""
    power = 10.0 ** math.floor(math.log10(span / count))
    return next(part * power for part in _TICKS if part * power * count >= span * 0.999)


def _grid(x: _Scale, y: _Scale, step: float, height: int) -> list[str]:
    parts = []
    right, floor = WIDTH - _RIGHT, height - _BOTTOM
    places = next(count for count in range(12) if round(step, count) == step or count == 11)
    for index in range(round((y.high - y.low) / step) + 1):
        value = y.low + index * step
        at = y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{at}" x2="{right}" y2="{at}"/>')
        parts.append(f'<text class="quiet" x="{_LEFT - 6}" y="{at + 4}" text-anchor="end">{value:.{places}f}</text>')
    seconds = _tick(x.high - x.low, 8)
    tick = math.ceil(x.low / seconds) * seconds
    while tick <= x.high + 1e-9:
        at = x(tick)
        parts.append(f'<line class="axis" x1="{at}" y1="{floor}" x2="{at}" y2="{floor + 4}"/>')
        parts.append(f'<text class="quiet" x="{at}" y="{floor + 18}" text-anchor="middle">{tick:g} s</text>')
        tick += seconds
    parts.append(f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{right}" y2="{floor}"/>')
    return parts


def _span(span: Span, x: _Scale, top: int, height: int) -> str:
    left, right = x(max(span.from_s, x.low)), x(min(span.to_s, x.high))
    label = f'<text class="quiet" x="{left + 4}" y="{height - _BOTTOM - 6}">{escape(span.name)}</text>'
    return (
        f'<rect class="span" x="{left}" y="{top}" width="{max(0.0, round(right - left, 1))}" '
        f'height="{height - top - _BOTTOM}"/>{label}'
    )


def _rows(marks: Sequence[Mark], x: _Scale) -> list[int]:
    """The row of each mark's name above the plot: the first in which it does not run into another."""
    ends: list[float] = []
    rows = []
    for mark in marks:
        left = _name_left(mark, x)
        row = next((row for row, end in enumerate(ends) if end <= left), len(ends))
        ends[row : row + 1] = [left + _LETTER * len(mark.name) + 10]
        rows.append(row)
    return rows


def _name_left(mark: Mark, x: _Scale) -> float:
    return min(x(mark.at_s), WIDTH - _RIGHT - _LETTER * len(mark.name))


def _mark(mark: Mark, row: int, x: _Scale, height: int) -> str:
    at, up = x(mark.at_s), _LEGEND + _ROW * row
    name = f'<text class="quiet" x="{_name_left(mark, x)}" y="{up + 12}">{escape(mark.name)}</text>'
    return f'<line class="mark" x1="{at}" y1="{up + 15}" x2="{at}" y2="{height - _BOTTOM}"/>{name}'


def _curve(line: Line, number: int, x: _Scale, y: _Scale) -> str:
    """One path, with a gap wherever there was no value."""
    path: list[str] = []
    dots: list[str] = []
    height_before: float | None = None
    for at_s, value in line.points:
        if value is None or not math.isfinite(value):
            height_before = None
            continue
        across, up = x(at_s), y(value)
        if height_before is None:
            path.append(f"M{across} {up}")
        else:
            path.append(f"L{across} {height_before}L{across} {up}" if line.stepped else f"L{across} {up}")
        if line.dots:
            dots.append(f'<circle class="d{number}" cx="{across}" cy="{up}" r="2.6"/>')
        height_before = up
    return "".join(dots) if line.dots else f'<path class="line c{number}" d="{"".join(path)}"/>'


def _legend(panel: Panel) -> list[str]:
    parts = [f'<text x="{_LEFT}" y="20" font-weight="600">{escape(panel.title)}, {escape(panel.unit)}</text>']
    at = WIDTH - _RIGHT
    for number, line in reversed(list(enumerate(panel.lines, start=1))):
        at -= _LETTER * len(line.name)
        parts.append(f'<text x="{at}" y="20">{escape(line.name)}</text>')
        sample = f'<line class="line c{number}" x1="{at - 30}" y1="16" x2="{at - 6}" y2="16"/>'
        parts.append(f'<circle class="d{number}" cx="{at - 12}" cy="16" r="3"/>' if line.dots else sample)
        at -= 44
    return parts
