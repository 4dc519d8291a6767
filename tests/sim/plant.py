"""The site behind the meters: every watt of it, its frequency and its voltage, at any instant past or present.

Net power is what no one commands (fans, pumps, controls; it wanders) plus what each load truly draws. Frequency and
voltage follow a script that scenarios write while the run goes on: steady with the small wander of a real grid, a
jump, a slope, a random walk, or rows of a recording. All is a function of time, so that the meter may look at the
past window and judges at any instant at all.
"""

import csv
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from tests.sim.course import Draws
from tests.sim.loop import NS_PER_S

Wave = Callable[[int], float]  # the loop's ns -> a value


class Script:
    """A quantity whose course is rewritten from an instant on; what it was before stays."""

    def __init__(self, wave: Wave) -> None:
        self._from_ns = [0]
        self._waves = [wave]

    def at(self, at_ns: int) -> float:
        return self._waves[bisect_right(self._from_ns, at_ns) - 1](at_ns)

    def follow(self, from_ns: int, wave: Wave) -> None:
        """From from_ns on it goes like this."""
        assert from_ns >= self._from_ns[-1], "the past stays as it was"
        self._from_ns.append(from_ns)
        self._waves.append(wave)


class Plant:
    """One grid connection, its loads and the grid."""

    def __init__(
        self, loads: Mapping[str, Draws], random: Random, *, unmetered_w: float, hz: float, ln_v: float
    ) -> None:
        self.loads = loads
        self.unmetered = Script(wander(random, unmetered_w, unmetered_w * 0.03))
        self.frequency = Script(wander(random, hz, 0.012))
        self.voltage = Script(wander(random, ln_v, ln_v * 0.004))

    def net_w(self, at_ns: int) -> float:
        return self.unmetered.at(at_ns) + sum(load.watts(at_ns) for load in self.loads.values())

    def settles_w(self, now_ns: int) -> float:
        """Where the net power goes when nobody commands anything more."""
        return self.unmetered.at(now_ns) + sum(load.settles_w() for load in self.loads.values())


def wander(random: Random, about: float, by: float) -> Wave:
    """Three slow waves of unrelated periods: never twice the same, never further from `about` than `by`."""
    waves = [(by / 3, random.uniform(3.0, 90.0), random.uniform(0, 2 * math.pi)) for _ in range(3)]
    return lambda at_ns: (
        about
        + sum(size * math.sin(2 * math.pi * at_ns / NS_PER_S / period_s + phase) for size, period_s, phase in waves)
    )


def steady(value: float) -> Wave:
    return lambda at_ns: value


def slope(from_ns: int, value: float, per_s: float, ends: float) -> Wave:
    """From a value by so much a second until it is `ends`."""
    turn = min if per_s > 0 else max
    return lambda at_ns: turn(ends, value + per_s * (at_ns - from_ns) / NS_PER_S)


def walk(random: Random, from_ns: int, value: float, by: float, every_ns: int, low: float, high: float) -> Wave:
    """A random walk between two walls, a step every so often."""
    path = [value]

    def at(at_ns: int) -> float:
        index = max(0, (at_ns - from_ns) // every_ns)
        while len(path) <= index:
            path.append(min(high, max(low, path[-1] + random.gauss(0, by))))
        return path[index]

    return at


def recording(rows: Sequence[float], from_ns: int, every_ns: int) -> Wave:
    """Rows of a recording one after another, straight lines between them, the last one held. A lost poll stays NaN."""

    def at(at_ns: int) -> float:
        place = max(0.0, (at_ns - from_ns) / every_ns)
        index = min(int(place), len(rows) - 1)
        after = min(index + 1, len(rows) - 1)
        return rows[index] + (rows[after] - rows[index]) * (place - int(place))

    return at


def read_toledo(path: Path, first: str, last: str) -> tuple[list[float], list[tuple[float, float, float]]]:
    """Frequency and phase voltages of the recorded collapse, every 2 s, between two times of day ("12:32:50")."""
    hz, volts = [], []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if first <= row["time"].split()[-1] <= last:
                hz.append(float(row["AnalyzerL1Frequency"]))
                volts.append(tuple(float(row[f"AnalyzerL{phase}PhaseVoltage"]) for phase in (1, 2, 3)))
    return hz, [(a, b, c) for a, b, c in volts]
