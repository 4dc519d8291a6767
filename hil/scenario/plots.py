"""What was seen as lines for plots and distributions of times. Pure."""

from collections.abc import Callable, Iterable

from hil.results import Latency, Series
from hil.scenario.expect.telling import reaction_ms
from hil.scenario.seen import Sample, Seen

_POINTS_MAX = 2_000  # more is more than a screen has


def series(seen: Seen, groups: dict[str, tuple[str, ...]]) -> tuple[Series, ...]:
    """Every line that this scenario has something for."""
    samples = seen.samples
    shown = [one for one in seen.refreshes if one.at_s >= 0]
    lines = [
        _line("frequency", "frequency", "Hz", [(one.at_s, one.hertz) for one in shown]),
        _line("power", "power", "kW", [(one.at_s, _kw(one.watts)) for one in shown]),
        _of("limit", "power", "kW", samples, lambda one: one.hi_kw, staircase=True),
        *(
            _of(f"{name} on", "loads", "loads", samples, _count(frozenset(miners)), staircase=True)
            for name, miners in groups.items()
        ),
    ]
    gpus = max((len(one.limits_w) for one in samples), default=0)
    lines += [_of(f"GPU {at}", "gpus", "W", samples, _gpu(at), staircase=True) for at in range(gpus)]
    for name in {name for one in samples for name in one.contactors}:
        lines.append(_of(name, "contactors", "closed", samples, _closed(name), staircase=True))
    for name in {name for one in samples for name in one.tanks}:
        for value, unit in (("pressure_kpa", "kPa"), ("flow_lpm", "l/min"), ("level_pct", "%")):
            lines.append(_of(f"{name} {value.partition('_')[0]}", f"tank {unit}", unit, samples, _tank(name, value)))
    return tuple(line for line in lines if any(value is not None for value in line.values))


def latencies(seen: Seen, crossings: Iterable[tuple[float, float, float]]) -> tuple[Latency, ...]:
    """Reactions to each crossing (threshold in Hz, begin and end of where it is looked for)."""
    each: list[float] = []
    last: list[float] = []
    for below_hz, begin_s, end_s in crossings:
        told = reaction_ms(seen, below_hz, begin_s, end_s)
        each += told
        last += told[-1:]
    found = (
        Latency("register served -> verb read, each load", "ms", tuple(each)),
        Latency("register served -> verb read, last load", "ms", tuple(last)),
        Latency("register changed -> served to the agent", "ms", tuple(_ages(seen))),
    )
    return tuple(one for one in found if one.samples)


def _ages(seen: Seen) -> list[float]:
    """How long each refresh waited for its first reader."""
    return [(one.served_s - one.at_s) * 1000 for one in seen.refreshes if one.served_s is not None and one.at_s >= 0]


def _of(
    name: str, group: str, unit: str, samples: Iterable[Sample], value: Callable[[Sample], float | None], *,
    staircase: bool = False,
) -> Series:  # fmt: skip
    return _line(name, group, unit, [(one.at_s, value(one)) for one in samples if one.at_s >= 0], staircase=staircase)


def _line(
    name: str, group: str, unit: str, points: list[tuple[float, float | None]], *, staircase: bool = False
) -> Series:
    """Thinned where there are too many points."""
    kept = points[:: max(1, len(points) // _POINTS_MAX)]
    at_s = tuple(round(at_s, 3) for at_s, _ in kept)
    return Series(name, group, unit, at_s, tuple(None if y is None else round(y, 4) for _, y in kept), staircase)


def _kw(watts: float | None) -> float | None:
    return None if watts is None else watts / 1000


def _count(miners: frozenset[str]) -> Callable[[Sample], float | None]:
    return lambda one: float(len(miners & set(one.on)))


def _gpu(at: int) -> Callable[[Sample], float | None]:
    return lambda one: one.limits_w[at] if at < len(one.limits_w) else None


def _closed(name: str) -> Callable[[Sample], float | None]:
    return lambda one: float(one.contactors[name]) if name in one.contactors else None


def _tank(name: str, value: str) -> Callable[[Sample], float | None]:
    return lambda one: one.tanks.get(name, {}).get(value)
