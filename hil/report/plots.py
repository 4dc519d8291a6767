"""A scenario's plots, of one run or of two over each other.

A *take* is one scenario's result with what its lines are called in the legend: "" where it stands alone, "A" and "B"
where two are compared. One panel a group of series, at most as many lines in it as can be told apart; one histogram a
name of times: the agent's as bars, and the floor's and another run's as outlines.
"""

from collections.abc import Sequence

from msgspec import Struct

from hil.drawing import STYLES, Mark
from hil.histogram import Histogram, Times
from hil.plot import Line, Panel
from hil.results import Latency, ScenarioResult, Series

_TITLES = {"power": "Power against limit", "loads": "Loads by step", "gpus": "GPUs"}
_FROM_ZERO = {"W", "kW", "loads", "ms", "s", "A", "%"}  # of other units zero is no natural end of the axis
_MARKS_MAX = 40  # beyond these the moments' numbers would be a wall


class Take(Struct, frozen=True):
    """One side of a plot."""

    name: str
    result: ScenarioResult


def ends(takes: Sequence[Take]) -> tuple[float, float]:
    """The time axis: from zero, or what is before it, to the last of everything."""
    known = [at_s for take in takes for series in take.result.series for at_s in (series.at_s[:1] + series.at_s[-1:])]
    known += [moment.at_s for take in takes for moment in take.result.moments]
    return min([0.0, *known]), max([1.0, *known])


def panels(takes: Sequence[Take]) -> list[Panel]:
    """Frequency first, then power, loads, and whatever else there is."""
    groups: dict[str, dict[str, list[tuple[Take, Series]]]] = {"frequency": {}, "power": {}, "loads": {}}
    for take in takes:
        for series in take.result.series:
            groups.setdefault(series.group, {}).setdefault(series.name, []).append((take, series))
    drawn = []
    for group, names in groups.items():
        members = [member for same in names.values() for member in same]
        drawn += [
            _panel(group, members[first : first + STYLES], _marks(takes)) for first in range(0, len(members), STYLES)
        ]
    return drawn


def histograms(sides: Sequence[tuple[str, Sequence[Latency]]]) -> list[Histogram]:
    """One for each name of times, the agent's first; a side is what its lines are called, and its times."""
    named: dict[tuple[str, str], list[Times]] = {}
    for of_agent in (True, False):
        for side, latencies in sides:
            for one in latencies:
                if (one.subject == "agent") is of_agent:
                    times = Times(f"{side} {one.subject}".strip(), one.samples)
                    named.setdefault((one.name, one.unit), []).append(times)
    return [Histogram(name, unit, times) for (name, unit), times in named.items()]


def _panel(group: str, members: Sequence[tuple[Take, Series]], marks: Sequence[Mark]) -> Panel:
    units = list(dict.fromkeys(series.unit for _, series in members))
    lines = []
    for take, series in members:
        name = f"{take.name} {series.name}".strip()
        points = list(zip(series.at_s, series.values, strict=True))
        lines.append(Line(f"{name}, {series.unit}" if len(units) > 1 else name, points, stepped=series.staircase))
    return Panel(
        _TITLES.get(group, group.capitalize()),
        ", ".join(units),
        lines,
        marks,
        low=0.0 if _FROM_ZERO.issuperset(units) else None,
    )


def _marks(takes: Sequence[Take]) -> list[Mark]:
    """The moments by their numbers; of two runs they would not be the same ones."""
    moments = takes[0].result.moments if len(takes) == 1 else ()
    if len(moments) > _MARKS_MAX:
        return []
    return [Mark(moment.at_s, str(number)) for number, moment in enumerate(moments, start=1)]
