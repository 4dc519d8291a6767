"""A cooling rule's three tables: their keys to thresholds, and whether permit lies inside warn and warn inside shed.

    shed   = { vapor_pressure_kpa_g_above = 6.0, for_ms = 200 }
    warn   = { vapor_pressure_kpa_g_above = 4.0, for_s = 5 }
    permit = { vapor_pressure_kpa_g_below = 3.0, for_s = 60 }

A key is a point of drivers/points.py with _above or _below behind it. What sheds must have its permit, on its other
side: without one loads would return into what shed them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from agent.config.lines import Path
from agent.config.reading import Reader, nearest
from agent.config.rules import CoolingRule, CoolingWritten, Threshold
from drivers.points import POINTS

SHED_FOR_MS_MAX: Final = 10_000  # vapour builds in seconds (grid-and-ai.md 4): a longer wait sheds too late
FOR_S_MAX: Final = 3600

_ABOVE: Final = "_above"
_BELOW: Final = "_below"
_TIMES: Final = {"shed": ("for_ms", SHED_FOR_MS_MAX), "warn": ("for_s", FOR_S_MAX), "permit": ("for_s", FOR_S_MAX)}


def resolve_cooling(reader: Reader, path: Path, written: CoolingWritten) -> CoolingRule | None:
    """The rule with its thresholds, or None with the faults noted."""
    before = len(reader.faults)
    shed = _thresholds(reader, (*path, "shed"), written.shed)
    warn = _thresholds(reader, (*path, "warn"), written.warn)
    permit = _thresholds(reader, (*path, "permit"), written.permit)
    if len(reader.faults) > before:
        return None
    _check_order(reader, path, shed, warn, permit)
    if len(reader.faults) > before:
        return None
    return CoolingRule(
        id=written.id,
        arm=written.arm,
        circuit=written.circuit,
        plc=written.plc,
        shed=shed,
        shed_for_ms=int(written.shed["for_ms"]),
        warn=warn,
        warn_for_s=written.warn["for_s"],
        permit=permit,
        permit_for_s=written.permit["for_s"],
        auto_returns_per_day=written.auto_returns_per_day,
    )


def key_of(threshold: Threshold) -> str:
    """A threshold's key as it is written."""
    return threshold.point + (_ABOVE if threshold.above else _BELOW)


def _thresholds(reader: Reader, path: Path, table: Mapping[str, float]) -> tuple[Threshold, ...]:
    time, time_max = _TIMES[str(path[-1])]
    found: list[Threshold] = []
    for key, value in table.items():
        point, above = key.removesuffix(_ABOVE), key.endswith(_ABOVE)
        if key == time:
            if not 0 <= value <= time_max or (time == "for_ms" and not value.is_integer()):
                unit = "ms, a whole number" if time == "for_ms" else "s,"
                reader.fault((*path, key), "can't be", f"write {unit} from 0 to {time_max}")
        elif key in ("for_ms", "for_s"):
            reader.fault((*path, key), "the other unit", f"write {time} here")
        elif not above and not key.endswith(_BELOW):
            mend = f"write {key}{_ABOVE} or {key}{_BELOW}" if key in POINTS else "a key is POINT_above or POINT_below"
            reader.fault((*path, key), "neither _above nor _below", mend)
        else:
            point = point.removesuffix(_BELOW) if not above else point
            if point not in POINTS:
                mend = nearest(
                    key, [f"{name}{end}" for name in POINTS for end in (_ABOVE, _BELOW)], "see docs/profiles"
                )
                reader.fault((*path, key), "no such point", mend)
            found.append(Threshold(point, above, value))
    if time not in table:
        reader.fault((*path, time), "missing", f"add it: how long, from 0 to {time_max}", missing=True)
    if not found:
        reader.fault(
            path, "no value in it", "take the values from the tank's maker: POINT_above = … or POINT_below = …"
        )
    return tuple(found)


def _check_order(
    reader: Reader, path: Path, shed: Sequence[Threshold], warn: Sequence[Threshold], permit: Sequence[Threshold]
) -> None:
    """Permit inside warn, warn inside shed; everything that sheds has its permit."""
    warned = {(edge.point, edge.above): edge.value for edge in warn}
    kept = {(edge.point, not edge.above): edge.value for edge in permit}  # by the side that it must stay away from
    for edge in shed:
        side = (edge.point, edge.above)
        inside = "less" if edge.above else "more"
        early = warned.get(side)
        if early is not None and not _inside(early, edge):
            wrong = f"not before shed's {edge.value:g}"
            reader.fault((*path, "warn", key_of(edge)), wrong, f"write {inside} than {edge.value:g}")
        if side not in kept:
            lacking = key_of(Threshold(edge.point, not edge.above, 0.0))
            mend = f"add {lacking} = …, {inside} than {edge.value:g}: without it loads return into what shed them"
            reader.fault((*path, "permit", lacking), "missing", mend, missing=True)
    outer = {**{(edge.point, edge.above): ("shed", edge.value) for edge in shed}}
    outer |= {side: ("warn", value) for side, value in warned.items()}
    for edge in permit:
        side = (edge.point, not edge.above)
        if side in outer and not _inside(edge.value, Threshold(edge.point, not edge.above, outer[side][1])):
            name, value = outer[side]
            mend = f"write {'less' if side[1] else 'more'} than {value:g}"
            reader.fault((*path, "permit", key_of(edge)), f"not inside {name}'s {value:g}", mend)


def _inside(value: float, edge: Threshold) -> bool:
    return value < edge.value if edge.above else value > edge.value
