"""The profile that a probe writes: the one that it was given, with what was measured in it.

Changed are word order, table and addresses where the device is read in another way than the file says; registers_max
and readable to what was answered; refresh_ms to what was measured. Quantities that the device does not give are left
out, by name in a comment. Everything else stays as it was, comments excepted: TOML is written anew.
"""

from pathlib import Path
from typing import Any

from hil.probe.limits import Longest
from hil.probe.meter import Measured, newest_refresh
from hil.probe.report import Report

_REGISTERS_MIN = 4  # what a profile may say at least
_FIRST = ("name", "source", "word_order", "registers_max", "table", "base", "refresh_ms", "readable", "sunspec")


def write_profile(measured: Measured, report: Report, name: str | None, path: Path) -> None:
    """The file."""
    path.write_text(profile_text(measured, report, name), encoding="utf-8")


def profile_text(measured: Measured, report: Report, name: str | None) -> str:
    """Its text."""
    known = measured.known
    file = dict(known.sheet.file)
    given = {item.name for block in measured.blocks for item in block.items}
    refresh = newest_refresh(measured)
    head: dict[str, Any] = {key: file.pop(key) for key in _FIRST if key in file}
    head["name"] = name or known.sheet.name
    head["source"] = f"{known.sheet.source}; measured at {report.place} by ballast-hil probe, {report.taken[:10]}"
    head["word_order"] = known.reading.order
    head["table"] = known.reading.table
    head["base"] = known.sheet.base
    if measured.longest is not None:
        head["registers_max"] = _registers_max(measured.longest, known.sheet.registers_max)
    if not known.sheet.sunspec:
        base = known.sheet.base
        spans = [[block.at + base, block.at + block.count - 1 + base] for block in measured.blocks if block.count > 1]
        head["readable"] = spans
    if refresh is not None and refresh.refresh_ms is not None:
        head["refresh_ms"] = round(refresh.refresh_ms)
    lines = [f"# {report.device or head['name']}, probed {report.taken} at {report.place}."]
    lines += [f"# renewed every {words}: {', '.join(names)}" for words, names in _by_renewal(measured).items()]
    missing = [item.name for item in known.items if item.name not in given]
    lines += [f"# Not given by this device: {', '.join(missing)}"] if missing and measured.blocks else []
    lines += _pairs({key: head[key] for key in _FIRST if key in head})
    points = file.pop("point", [])
    for key, value in file.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]", *_pairs(value)]
    for point in points:
        if point["name"] in given or not measured.blocks:
            lines += ["", "[[point]]", *_pairs(_shifted(point, known.reading.shift))]
    for key, value in file.items():
        if isinstance(value, list):
            for row in value:
                lines += ["", f"[[{key}]]", *_pairs(row)]
    return "\n".join(lines) + "\n"


def _registers_max(longest: Longest, said: int) -> int:
    """The device's limit; where the end of its registers came first, what the file says unless more was answered."""
    return max(_REGISTERS_MIN, longest.registers if longest.limit else max(longest.registers, said))


def _by_renewal(measured: Measured) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for renewal in measured.renewals.values():
        if renewal.refresh_ms is not None:
            found.setdefault(renewal.words(), []).append(renewal.name)
    return found


def _shifted(point: dict[str, Any], shift: int) -> dict[str, Any]:
    return {key: value + shift if key in ("at", "scale_at") else value for key, value in point.items()}


def _pairs(values: dict[str, Any]) -> list[str]:
    width = max((len(key) for key in values), default=0)
    return [f"{key:<{width}} = {_toml(value)}" for key, value in values.items()]


def _toml(value: Any) -> str:
    """One value; a profile has texts, numbers, booleans and lists of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return repr(value)
