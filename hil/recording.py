"""A recorded grid: phase voltages and frequency over time, and how it is played.

Between two samples (2 s apart in the Toledo recording) the values are drawn as straight lines: a frequency has inertia
and does not jump, and a step would show a slope that never was. A sample that is NaN (a poll that was lost) is played
as NaN until the next good one. After the last sample played the grid goes on by a *drawn* line,
which is not a measurement and which the reports mark as simulated.
"""

import csv
import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

TOLEDO = Path(__file__).parent / "recordings" / "iberia-2025-04-28-toledo-2s.csv"


class Sample(Struct, frozen=True):
    """The grid at one instant, in seconds since the start of what is played."""

    at_s: float
    hertz: float
    volts: tuple[float, float, float]


def load_toledo(first: str, last: str) -> tuple[Sample, ...]:
    """The samples from one clock time to another ("12:32:50", local, both included), the first at 0 s."""
    samples = []
    with TOLEDO.open(encoding="ascii", newline="") as file:
        for row in csv.DictReader(file):
            clock = datetime.strptime(row["time"], "%d-%b-%Y %H:%M:%S")
            if first <= clock.strftime("%H:%M:%S") <= last:
                volts = tuple(float(row[f"AnalyzerL{phase}PhaseVoltage"]) for phase in (1, 2, 3))
                samples.append((clock, float(row["AnalyzerL1Frequency"]), volts))
    if not samples:
        raise ValueError(f"{TOLEDO.name} has nothing from {first} to {last}; it spans 11:00:00 to 12:59:58")
    start = samples[0][0]
    return tuple(
        Sample((clock - start).total_seconds(), hertz, (volts[0], volts[1], volts[2]))
        for clock, hertz, volts in samples
    )


def at(samples: Sequence[Sample], elapsed_s: float) -> Sample:
    """The grid elapsed_s after the start, on the line between two samples; the first and the last one hold."""
    index = bisect_right(samples, elapsed_s, key=lambda sample: sample.at_s)
    if index == 0:
        return samples[0]
    before = samples[index - 1]
    if index == len(samples) or math.isnan(before.hertz) or math.isnan(samples[index].hertz):
        return before
    after = samples[index]
    part = (elapsed_s - before.at_s) / (after.at_s - before.at_s)
    one, two, three = (low + (high - low) * part for low, high in zip(before.volts, after.volts, strict=True))
    return Sample(elapsed_s, before.hertz + (after.hertz - before.hertz) * part, (one, two, three))
