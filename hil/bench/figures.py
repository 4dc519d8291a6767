"""What is made of the times: percentiles, and the verdict that design demands.

Each volley gives one time: from the change of the meter's register to the last of N miners having read the last byte of
its curtailing verb. Ours and the floor's are taken in turns in one run, so that whatever else the machine does happens
to both. Percentiles are by nearest rank: every figure is a time that was measured.
"""

from collections.abc import Sequence
from math import ceil

from msgspec import Struct

RATIO_MAX = 1.25  # our p50 over the floor's
P99_MS_MAX = {  # ERCOT's fast response is 250 ms, the Nordic one 700 ms; LuxOS takes two round trips
    "avalon": {1000: 100.0, 4000: 250.0, 8000: 500.0},
    "luxos": {1000: 200.0, 4000: 500.0, 8000: 1000.0},
}


class Volley(Struct, frozen=True):
    """One volley's times after the register changed, ms."""

    served: float  # a poll was first answered with the change
    first: float  # the first miner had its command
    last: float  # the last one had
    told: int
    verbs: int  # more than told where requests were repeated


class Verdict(Struct, frozen=True):
    """One line of the report: whether something held."""

    what: str
    held: bool


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest measured value that at least so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def ratio(ours: Sequence[Volley], floor: Sequence[Volley]) -> float:
    """Our median over the floor's."""
    return percentile([volley.last for volley in ours], 50) / percentile([volley.last for volley in floor], 50)


def judge(dialect: str, miners: int, ours: Sequence[Volley], floor: Sequence[Volley]) -> list[Verdict]:
    """Everything that must hold for a fleet of this family and size."""
    value = ratio(ours, floor)
    p99_ms = percentile([volley.last for volley in ours], 99)
    missed = sum(volley.told < miners for volley in ours)
    verdicts = [
        Verdict(f"every miner told in each of {len(ours)} volleys ({missed} incomplete)", missed == 0),
        Verdict(f"our p50 is {value:.2f} of the floor's, at most {RATIO_MAX}", value <= RATIO_MAX),
    ]
    if miners in P99_MS_MAX[dialect]:
        limit_ms = P99_MS_MAX[dialect][miners]
        verdicts.append(Verdict(f"our p99 is {p99_ms:.0f} ms, at most {limit_ms:.0f}", p99_ms <= limit_ms))
    return verdicts


def row(name: str, volleys: Sequence[Volley]) -> str:
    """One line of the table: where the time went (medians), the whole's distribution, verbs repeated in a volley."""
    last = [volley.last for volley in volleys]
    served = percentile([volley.served for volley in volleys], 50)
    first = percentile([volley.first - volley.served for volley in volleys], 50)
    spread = percentile([volley.last - volley.first for volley in volleys], 50)
    whole = "".join(f"{percentile(last, percent):9.1f}" for percent in (50, 99, 99.9, 100))
    repeated = sum(volley.verbs - volley.told for volley in volleys) / len(volleys)
    return f"  {name:<7}{served:9.1f}{first:9.1f}{spread:9.1f}  {whole}   {len(volleys):7d}{repeated:10.1f}"


HEADING = (
    f"  {'ms':<7}{'served':>9}{'decided':>9}{'spread':>9}  {'p50':>9}{'p99':>9}{'p99.9':>9}{'max':>9}"
    "   volleys  repeated\n"
    f"  {'':<7}{'medians of the three parts':>27}{'of each':>57}"
)
