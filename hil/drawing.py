"""What every plot is made of: scales, a grid, names of ticks and marks, a legend, and the classes that colour them.

Colours are CSS classes that the page defines for both schemes (STYLE); a line is told from its neighbour by its dash as
well as by its colour. A drawing is WIDE or NARROW units wide and is shown at about one CSS pixel a unit, letters 13 of
them high; a page shows the one that fits.
"""

import math
from collections.abc import Iterable, Sequence
from textwrap import wrap

from msgspec import Struct

from hil.markup import clean, text

WIDE, NARROW = 720, 340
LEFT, RIGHT = 58, 12
_BOTTOM = 30
_ROW = 16  # height of a row of marks' names, above the plot
_LEGEND = 22  # height of a row of the legend, above these
_LETTER = 7.6  # units that a letter is wide, about
_SAMPLE = 26  # units that the legend's sample of a line is wide
_GAP = 18  # units between two names of the legend
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
STYLES = 6  # how many lines can be told apart

STYLE = """
svg.plot { width: 100%; height: auto; display: block; font: 13px system-ui, sans-serif; }
svg.plot text { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
svg.plot .quiet { fill: var(--quiet); }
svg.plot .grid { stroke: var(--grid); stroke-width: 1; }
svg.plot .axis { stroke: var(--quiet); stroke-width: 1; }
svg.plot .span { fill: var(--span); }
svg.plot .mark { stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 2 3; }
svg.plot .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg.plot .bar { fill: var(--c1); fill-opacity: .55; stroke: var(--c1); stroke-width: 1; }
svg.plot .c1 { stroke: var(--c1); } svg.plot .d1 { fill: var(--c1); }
svg.plot .c2 { stroke: var(--c2); stroke-dasharray: 7 4; } svg.plot .d2 { fill: var(--c2); }
svg.plot .c3 { stroke: var(--c3); stroke-dasharray: 2 3; } svg.plot .d3 { fill: var(--c3); }
svg.plot .c4 { stroke: var(--c4); stroke-dasharray: 10 3 2 3; } svg.plot .d4 { fill: var(--c4); }
svg.plot .c5 { stroke: var(--c5); stroke-dasharray: 14 5; } svg.plot .d5 { fill: var(--c5); }
svg.plot .c6 { stroke: var(--c6); stroke-dasharray: 4 2; } svg.plot .d6 { fill: var(--c6); }
"""


class Mark(Struct, frozen=True):
    """A named place on the horizontal axis: an instant, or a percentile."""

    at: float
    name: str


class Name(Struct, frozen=True):
    """What the legend calls a line."""

    name: str
    dots: bool = False


class Scale:
    """A linear map from values to drawing units."""

    def __init__(self, low: float, high: float, at_low: float, at_high: float) -> None:
        self.low = low
        self.high = high
        self.at_low = at_low
        self.at_high = at_high
        self._per_unit = (at_high - at_low) / (high - low)

    def __call__(self, value: float) -> float:
        return round(self.at_low + (value - self.low) * self._per_unit, 1)


class Frame:
    """What is around the curves, for a plot that is `height` high without the names above and below it."""

    def __init__(self, title: str, names: Sequence[Name], marks: Sequence[Mark], x: Scale, height: int) -> None:
        self.width = round(x.at_high) + RIGHT
        self._x = x
        self._legend, above = _legend(title, names, self.width)
        self._marks = sorted(marks, key=lambda mark: mark.at)
        self._rows = _rows(self._marks, x)
        self._above = above
        self.top = above + _ROW * (max(self._rows, default=-1) + 1) + 4
        self.floor = self.top + height

    def svg(self, words: str, under: Iterable[str], over: Iterable[str]) -> str:
        """The whole `svg` element: what is under the marks, and what is over them; `words` say it all."""
        x = self._x
        return "\n".join(
            [
                f'<svg class="plot" viewBox="0 0 {self.width} {self.floor + _BOTTOM}" role="img" '
                f'aria-label="{text(words)}" xmlns="http://www.w3.org/2000/svg">',
                *under,
                f'<line class="axis" x1="{x.at_low}" y1="{self.floor}" x2="{x.at_high}" y2="{self.floor}"/>',
                *[self._mark(mark, row) for mark, row in zip(self._marks, self._rows, strict=True)],
                *over,
                *self._legend,
                "</svg>",
            ]
        )

    def values(self, y: Scale, step: float, sign: str = "") -> list[str]:
        """A level line and its value at each step of the vertical axis."""
        parts = []
        places = next(count for count in range(12) if round(step, count) == step or count == 11)
        for index in range(round((y.high - y.low) / step) + 1):
            value = y.low + index * step
            at = y(value)
            parts.append(f'<line class="grid" x1="{self._x.at_low}" y1="{at}" x2="{self._x.at_high}" y2="{at}"/>')
            parts.append(
                f'<text class="quiet" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:.{places}f}{sign}</text>'
            )
        return parts

    def tick(self, at: float, name: str) -> str:
        """A named place of the horizontal axis; a name that would leave the drawing ends with it."""
        half = _LETTER * len(name) / 2
        middle = round(min(at, self.width - half), 1)
        return (
            f'<line class="axis" x1="{at}" y1="{self.floor}" x2="{at}" y2="{self.floor + 4}"/>'
            f'<text class="quiet" x="{middle}" y="{self.floor + 18}" text-anchor="middle">{name}</text>'
        )

    def _mark(self, mark: Mark, row: int) -> str:
        at, up = self._x(mark.at), self._above + _ROW * row
        return (
            f'<line class="mark" x1="{at}" y1="{up + 15}" x2="{at}" y2="{self.floor}"/>'
            f'<text class="quiet" x="{_name_left(mark, self._x)}" y="{up + 12}">{fitting(mark.name, self.width)}</text>'
        )


def tick(span: float, count: int) -> float:
    """A round distance that divides the span into about `count` parts."""
    power = 10.0 ** math.floor(math.log10(span / count))
    return next(part * power for part in _ROUND if part * power * count >= span * 0.999)


def style(index: int) -> int:
    """The number in the classes of the line with this index."""
    return index % STYLES + 1


def fitting(name: str, room: float) -> str:
    """As much of the name as there is room for, as text."""
    letters = max(1, int(room / _LETTER))
    return text(name if len(name) <= letters else name[: letters - 1] + "…")


def path(pieces: Iterable[Iterable[tuple[float, float]]], number: int) -> str:
    """Pieces of a line, each through its corners; of a level stretch only both ends are written."""
    drawn = []
    for piece in pieces:
        corners: list[tuple[float, float]] = []
        for corner in piece:
            if len(corners) > 1 and corners[-1][1] == corners[-2][1] == corner[1]:
                corners.pop()
            corners.append(corner)
        drawn.append("M" + "L".join(f"{across} {up}" for across, up in corners))
    return f'<path class="line c{number}" d="{"".join(drawn)}"/>'


def _legend(title: str, names: Sequence[Name], width: int) -> tuple[list[str], int]:
    """Title and names with a sample of each line, in as many rows as they need; and their height."""
    rows = wrap(clean(title), int(width / _LETTER / 1.1)) or [""]
    parts = [
        f'<text x="0" y="{16 + _ROW * row}" font-weight="600">{text(words)}</text>' for row, words in enumerate(rows)
    ]
    at, up = _LETTER * 1.1 * len(rows[-1]) + _GAP, 16 + _ROW * (len(rows) - 1)
    for index, name in enumerate(names):
        needed = _SAMPLE + 6 + _LETTER * len(name.name)
        if at + needed > width and at > 0:
            at, up = 0.0, up + _LEGEND
        number, after = style(index), at + _SAMPLE
        parts.append(
            f'<circle class="d{number}" cx="{after - 6:.1f}" cy="{up - 4}" r="3"/>'
            if name.dots
            else f'<line class="line c{number}" x1="{at:.1f}" y1="{up - 4}" x2="{after:.1f}" y2="{up - 4}"/>'
        )
        parts.append(f'<text x="{after + 6:.1f}" y="{up}">{fitting(name.name, width - after - 6)}</text>')
        at += needed + _GAP
    return parts, up + 14


def _rows(marks: Sequence[Mark], x: Scale) -> list[int]:
    """The row of each mark's name above the plot: the first in which it does not run into another."""
    ends: list[float] = []
    rows = []
    for mark in marks:
        left = _name_left(mark, x)
        row = next((row for row, end in enumerate(ends) if end <= left), len(ends))
        ends[row : row + 1] = [left + _LETTER * len(mark.name) + 10]
        rows.append(row)
    return rows


def _name_left(mark: Mark, x: Scale) -> float:
    return round(max(0.0, min(x(mark.at), x.at_high - _LETTER * len(mark.name))), 1)
