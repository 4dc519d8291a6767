"""What is made of the times: percentiles, and the verdict that design demands.

Each volley gives one time: from the change of a register to the last of N miners having read the last byte of its
curtailing verb, or to the contactor's PLC having read its coil's frame. Ours and the floor's are taken in turns in one
run, so that whatever else the machine does happens to both. Percentiles are by nearest rank: every figure is a time
that was measured.
"""

from collections.abc import Sequence
from math import ceil

from msgspec import Struct

RATIO_MAX = 1.25  # our p50 over the floor's, and in trouble over our own without


class Limit(Struct, frozen=True):
    """How long so many percent may take."""

    percent: float
    ms_max: float


class Volley(Struct, frozen=True):
    """One volley's times after the register changed, ms."""

    served: float  # a poll was first answered with the change
    first: float  # the first miner had its command
    last: float  # the last one had
    told: int  # how many had: one, where a contactor is opened
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


def near(what: str, whose: str, ours: Sequence[Volley], theirs: Sequence[Volley]) -> Verdict:
    """Whether our median is near enough to theirs."""
    value = ratio(ours, theirs)
    return Verdict(f"{what} is {value:.2f} of {whose}, at most {RATIO_MAX}", value <= RATIO_MAX)


def within(what: str, times: Sequence[float], *limits: Limit) -> list[Verdict]:
    """Whether these times keep their limits."""
    verdicts: list[Verdict] = []
    for limit in limits:
        ms = percentile(times, limit.percent)
        verdicts.append(
            Verdict(f"{what}: p{limit.percent:g} is {ms:.1f} ms, at most {limit.ms_max:g}", ms <= limit.ms_max)
        )
    return verdicts


def complete(volleys: Sequence[Volley], miners: int) -> Verdict:
    """Whether everybody was told each time."""
    missed = sum(volley.told < miners for volley in volleys)
    return Verdict(f"all {miners} told in each of {len(volleys)} ({missed} incomplete)", missed == 0)


def fails(what: str, verdicts: Sequence[Verdict]) -> Verdict:
    """Whether a check failed that had to: one that can't fail shows nothing."""
    failed = [verdict.what for verdict in verdicts if not verdict.held]
    return Verdict(f"{what} the check fails ({'; '.join(failed) or 'it did not'})", bool(failed))


def row(name: str, volleys: Sequence[Volley]) -> str:
    """One line of the table: where the time went (medians), the whole's distribution, verbs repeated in a volley."""
    last = [volley.last for volley in volleys]
    served = percentile([volley.served for volley in volleys], 50)
    first = percentile([volley.first - volley.served for volley in volleys], 50)
    spread = percentile([volley.last - volley.first for volley in volleys], 50)
    whole = "".join(f"{percentile(last, percent):9.1f}" for percent in (50, 99, 99.9, 100))
    repeated = sum(volley.verbs - volley.told for volley in volleys) / len(volleys)
    return f"  {name:<12}{served:9.1f}{first:9.1f}{spread:9.1f}  {whole}   {len(volleys):7d}{repeated:10.1f}"


HEADING = (
    f"  {'ms':<12}{'served':>9}{'decided':>9}{'spread':>9}  {'p50':>9}{'p99':>9}{'p99.9':>9}{'max':>9}"
    "   volleys  repeated\n"
    f"  {'':<12}{'medians of the three parts':>27}{'of each':>57}"
)
