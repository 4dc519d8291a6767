"""Whether a program grows: memory and descriptors over its longest life, and latency over the run.

Everything is compared between the second and the last quarter of a life, by medians: the first quarter warms up, and
one sample proves nothing. The slope is a least-squares line over the last three quarters.
"""

from collections.abc import Callable, Sequence
from statistics import linear_regression, median

from msgspec import Struct

from hil.soak.judges.view import Judged
from hil.soak.trace import S, Sample, Trace

MIB = 1 << 20
_LIVES_MIN_S = 600.0  # shorter ones say nothing
_SAMPLES_MIN = 20
_MEMORY_MAX = 0.05  # of what it held before
_DESCRIPTORS_MAX = 5.0  # a poll's connections come and go
_LATENCY_MAX = 2.0  # times, and besides
_LATENCY_SLACK_MS = 50.0  # a machine shared with the stand-ins


class Growth(Struct, frozen=True):
    """One quantity of one program over time."""

    what: str
    unit: str
    before: float
    after: float
    per_hour: float
    over_s: float
    grows: bool

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.before:.1f} -> {self.after:.1f} {self.unit} in {self.over_s / 60:.0f} min, "
            f"{self.per_hour:+.2f} {self.unit} an hour"
        )


def growths(trace: Trace, judged: Sequence[Judged]) -> list[Growth]:
    """Memory and descriptors of each program where a life was long enough, and the latency of fast sheds."""
    found: list[Growth] = []
    for program in ("agent", "gpud"):
        life = longest_life(trace.samples, program)
        seconds = (life[-1].at_ns - life[0].at_ns) / S if life else 0.0
        if seconds < _LIVES_MIN_S:
            continue
        for what, unit, value, allowed in (
            ("memory", "MiB", lambda one: one.rss_bytes / MIB, lambda before: before * _MEMORY_MAX),
            ("descriptors", "open", lambda one: float(one.descriptors), lambda _: _DESCRIPTORS_MAX),
        ):
            found.append(_growth(f"{program}'s {what}", unit, life, value, allowed))
    times = sorted(latencies(judged))
    if len(times) >= _SAMPLES_MIN:
        half = len(times) // 2
        before, after = (median(ms for _, ms in part) for part in (times[:half], times[half:]))
        hours = [(at_ns - times[0][0]) / S / 3600 for at_ns, _ in times]
        slope, _ = linear_regression(hours, [ms for _, ms in times])
        grows = after > before * _LATENCY_MAX + _LATENCY_SLACK_MS
        found.append(Growth("latency of fast sheds", "ms", before, after, slope, hours[-1] * 3600, grows))
    return found


def latencies(judged: Sequence[Judged]) -> list[tuple[int, float]]:
    """Every time that a judge measured."""
    return [one for verdict in judged for one in verdict.times_ms]


def longest_life(samples: Sequence[Sample], program: str) -> list[Sample]:
    """The samples of the process of a program that was there longest."""
    by_pid: dict[int, list[Sample]] = {}
    for sample in samples:
        if sample.program == program:
            by_pid.setdefault(sample.pid, []).append(sample)
    return max(by_pid.values(), key=lambda life: life[-1].at_ns - life[0].at_ns, default=[])


def _growth(
    what: str,
    unit: str,
    life: Sequence[Sample],
    value: Callable[[Sample], float],
    allowed: Callable[[float], float],
) -> Growth:
    quarter = len(life) // 4
    warm = life[quarter:]
    before = median(value(one) for one in warm[:quarter])
    after = median(value(one) for one in warm[-quarter:])
    hours = [(one.at_ns - life[0].at_ns) / S / 3600 for one in warm]
    slope, _ = linear_regression(hours, [value(one) for one in warm])
    return Growth(what, unit, before, after, slope, (hours[-1] - hours[0]) * 3600, after - before > allowed(before))
