"""The conformance set of a GPU: which of its values the driver gives, how fast and how fresh, and what its limit does.

With --actuate the power limit goes to its lowest value and back: how long the call takes, after how long it is read
back, and how long the watts take to follow, which needs a job that draws more than the lowest limit. The limit that was
there is set again whatever happens.
"""

import sys
import time
from collections.abc import Callable

from msgspec import Struct

from hil.probe.failures import Failure
from hil.probe.moves import Move, move_of, settled
from hil.probe.nvml import ABSENT, FIELD_POWER_INSTANT, NO_PERMISSION, Nvml, NvmlError, failure_of
from hil.probe.progress import Progress
from hil.probe.report import Report, Table
from hil.probe.spread import renewal, short, spread
from hil.probe.watching import MeterWatch

_SPACING_S = 0.01
_CALLS = 100
_SLOW_MS = 100.0  # gpud's worker reads all GPUs of a host in one round
_STILL_S = 3.0
_BEFORE_S = 3.0
_READ_BACK_S = 2.0
_SAME_MW = 500  # drivers round a limit to 1 W or finer


class Value(Struct, frozen=True):
    """One value of the GPU and how it is asked for."""

    name: str
    unit: str
    ask: Callable[[Nvml], float]
    needed: bool = False  # without it Ballast cannot use the GPU as a load


def _milli(function: str, *, wide: bool = False) -> Callable[[Nvml], float]:
    return lambda nvml: nvml.number(function, wide=wide) / 1000


def _plain(function: str, *before: int, wide: bool = False) -> Callable[[Nvml], float]:
    return lambda nvml: float(nvml.number(function, *before, wide=wide))


LIMIT = "power limit"
VALUES = (
    Value("power now", "W", lambda nvml: nvml.field(FIELD_POWER_INSTANT) / 1000),
    Value("power, mean of 1 s", "W", _milli("nvmlDeviceGetPowerUsage"), needed=True),
    Value("energy", "J", _milli("nvmlDeviceGetTotalEnergyConsumption", wide=True)),
    Value(LIMIT, "W", _milli("nvmlDeviceGetPowerManagementLimit"), needed=True),
    Value("enforced limit", "W", _milli("nvmlDeviceGetEnforcedPowerLimit")),
    Value("default limit", "W", _milli("nvmlDeviceGetPowerManagementDefaultLimit")),
    Value("busy", "%", lambda nvml: float(nvml.busy_percent())),
    Value("temperature", "C", _plain("nvmlDeviceGetTemperature", 0)),
    Value("SM clock", "MHz", _plain("nvmlDeviceGetClockInfo", 1)),
    Value("memory clock", "MHz", _plain("nvmlDeviceGetClockInfo", 2)),
    Value("clock reasons", "", _plain("nvmlDeviceGetCurrentClocksEventReasons", wide=True)),
    Value("persistence mode", "", _plain("nvmlDeviceGetPersistenceMode")),
)


def probe_gpu(
    gpu: str, library: str | None, patience_s: float, progress: Progress, seconds: float
) -> tuple[Nvml, Report]:
    """Everything that reads."""
    start_s = time.monotonic()
    progress.stage("asking the driver")
    nvml = Nvml(gpu, library, patience_s)
    report = Report("gpu", gpu)
    try:
        report.device = f"{nvml.text('nvmlDeviceGetName')}, {nvml.text('nvmlDeviceGetUUID')}, driver {nvml.driver()}"
        given = _values(nvml, report)
        _limits(nvml, report)
        _call_times(nvml, report, given)
        _renewals(nvml, report, progress, given, seconds)
    except NvmlError as error:
        raise failure_of(error, gpu) from error
    report.seconds = time.monotonic() - start_s
    return nvml, report


def _values(nvml: Nvml, report: Report) -> list[Value]:
    given, rows, absent, needed = [], [], [], []
    for value in VALUES:
        try:
            rows.append((value.name, f"{value.ask(nvml):,.1f} {value.unit}".strip()))
            given.append(value)
        except NvmlError as error:
            if error.code not in ABSENT and error.code != NO_PERMISSION:
                raise
            rows.append((value.name, str(error)))
            absent.append(value.name)
            needed += [value.name] if value.needed else []
    report.tables.append(Table("values", ("value", "is"), rows))
    words = f"{len(given)} of {len(VALUES)} are given"
    if needed:
        report.find(
            "values", "bad", f"{words}; not {', '.join(absent)}", "it can be measured or limited only with these"
        )
    else:
        report.find("values", "note" if absent else "good", f"{words}; not {', '.join(absent)}" if absent else words)
    if any(value.name == "persistence mode" and value.ask(nvml) == 0 for value in given):
        said = "persistence mode is off: a limit is forgotten when the last client of the driver ends"
        report.find("persistence", "note", said, "nvidia-smi -pm 1, or nvidia-persistenced; gpud turns it on too")
    return given


def _limits(nvml: Nvml, report: Report) -> None:
    try:
        low, high = nvml.pair("nvmlDeviceGetPowerManagementLimitConstraints")
    except NvmlError as error:
        if error.code not in ABSENT:
            raise
        report.find("limits", "bad", f"the range of its limit is not told: {error}", "it cannot be a load")
        return
    report.measured["limit_w"] = {"min": low / 1000, "max": high / 1000}
    report.find("limits", "good", f"from {low / 1000:,.0f} to {high / 1000:,.0f} W")


def _call_times(nvml: Nvml, report: Report, given: list[Value]) -> None:
    times = []
    for number in range(_CALLS):
        start_ns = time.monotonic_ns()
        given[number % len(given)].ask(nvml)
        times.append((time.monotonic_ns() - start_ns) / 1e6)
    taken = spread(times)
    if taken is not None:
        report.times["one call of the driver"] = taken
        report.measured["call_ms"] = {"p50": taken.p50, "p99": taken.p99, "max": taken.max}
        report.find("call time", "good" if taken.p99 <= _SLOW_MS else "note", taken.line())


def _renewals(nvml: Nvml, report: Report, progress: Progress, given: list[Value], seconds: float) -> None:
    progress.stage("how often its values are renewed")
    watched = [
        value for value in given if value.name in ("power now", "power, mean of 1 s", "energy", "busy", "SM clock")
    ]
    seen: dict[str, list[tuple[int, object]]] = {value.name: [] for value in watched}
    start_ns = time.monotonic_ns()
    while (now_ns := time.monotonic_ns()) - start_ns < seconds * 1e9:
        progress.step((now_ns - start_ns) / 1e9, seconds)
        for value in watched:
            seen[value.name].append((time.monotonic_ns(), value.ask(nvml)))
        time.sleep(max(0.0, _SPACING_S - (time.monotonic_ns() - now_ns) / 1e9))
    found = {name: renewal(name, reads) for name, reads in seen.items()}
    report.measured["renewals"] = found
    rows = [(name, one.words()) for name, one in found.items()]
    report.tables.append(Table("renewed", ("value", "every"), rows))
    _tell_energy(report, seen)


def _tell_energy(report: Report, seen: dict[str, list[tuple[int, object]]]) -> None:
    """Whether the energy counter and the power tell the same."""
    energy = [(at_ns, float(str(value))) for at_ns, value in seen.get("energy", [])]
    powers = [float(str(value)) for _, value in seen.get("power now", seen.get("power, mean of 1 s", []))]
    if len(energy) < 2 or not powers or energy[-1][1] <= energy[0][1]:
        return
    by_energy_w = (energy[-1][1] - energy[0][1]) / ((energy[-1][0] - energy[0][0]) / 1e9)
    mean_w = sum(powers) / len(powers)
    good = abs(by_energy_w - mean_w) <= max(5.0, 0.05 * mean_w)
    said = f"its counter grew by {by_energy_w:,.1f} W, the mean power was {mean_w:,.1f} W"
    report.find("energy", "good" if good else "note", said)


class Turned(Struct, frozen=True):
    """One new limit and what followed; seconds after the call was made."""

    limit_w: float
    call_s: float
    read_back_s: float | None
    own: Move | None
    meter: Move | None


def turn(nvml: Nvml, report: Report, progress: Progress, meter: MeterWatch | None, settle_s: float) -> None:
    """Down to the lowest limit and back, with findings."""
    try:
        low_mw, _ = nvml.pair("nvmlDeviceGetPowerManagementLimitConstraints")
        before_mw = nvml.number("nvmlDeviceGetPowerManagementLimit")
    except NvmlError as error:
        report.find("switching", "bad", f"not tried: {error}", "its limit cannot be read")
        return
    if abs(before_mw - low_mw) <= _SAME_MW:
        report.find("switching", "note", f"not tried: it is at its lowest limit, {low_mw / 1000:,.0f} W, already")
        return
    turns: list[Turned] = []
    try:
        for limit_mw in (low_mw, before_mw):
            progress.stage(f"limit to {limit_mw / 1000:,.0f} W")
            turns.append(_turn(nvml, progress, meter, settle_s, limit_mw))
    except NvmlError as error:
        mend = "only root may set limits: run it with sudo" if error.code == NO_PERMISSION else "look at dmesg"
        report.find("switching", "bad", f"refused: {error}", mend)
    finally:
        _restore(nvml, report, before_mw)
    _tell_turns(report, turns)


def _turn(nvml: Nvml, progress: Progress, meter: MeterWatch | None, settle_s: float, limit_mw: int) -> Turned:
    power = _power(nvml)
    series = _watch(nvml, power, [], progress, _BEFORE_S, lambda series: False)
    asked_ns = time.monotonic_ns()
    nvml.set_limit(limit_mw)
    called_ns = time.monotonic_ns()
    read_back_ns = 0
    while not read_back_ns and time.monotonic_ns() - asked_ns < _READ_BACK_S * 1e9:
        if abs(nvml.number("nvmlDeviceGetPowerManagementLimit") - limit_mw) <= _SAME_MW:
            read_back_ns = time.monotonic_ns()
    series = _watch(nvml, power, series, progress, settle_s, lambda series: settled(series, asked_ns, _STILL_S))
    return Turned(
        limit_w=limit_mw / 1000,
        call_s=(called_ns - asked_ns) / 1e9,
        read_back_s=(read_back_ns - asked_ns) / 1e9 if read_back_ns else None,
        own=move_of(series, asked_ns),
        meter=move_of(list(meter.series), asked_ns) if meter else None,
    )


def _power(nvml: Nvml) -> Callable[[Nvml], float]:
    """The power now where it is told, else the mean of a second."""
    now, mean = VALUES[0].ask, VALUES[1].ask
    try:
        now(nvml)
    except NvmlError:
        return mean
    return now


def _watch(
    nvml: Nvml,
    power: Callable[[Nvml], float],
    series: list[tuple[int, float]],
    progress: Progress,
    seconds: float,
    over: Callable[[list[tuple[int, float]]], bool],
) -> list[tuple[int, float]]:
    start_s = time.monotonic()
    while (gone_s := time.monotonic() - start_s) < seconds and not over(series):
        progress.step(gone_s, seconds)
        series.append((time.monotonic_ns(), power(nvml)))
        time.sleep(_SPACING_S)
    return series


def _restore(nvml: Nvml, report: Report, before_mw: int) -> None:
    try:
        if abs(nvml.number("nvmlDeviceGetPowerManagementLimit") - before_mw) > _SAME_MW:
            nvml.set_limit(before_mw)
    except (NvmlError, Failure) as error:
        said = f"THE LIMIT IS NOT WHAT IT WAS ({before_mw / 1000:,.0f} W): {error}"
        report.find("left as found", "bad", said, f"nvidia-smi -pl {before_mw / 1000:.0f}")
        print(said, file=sys.stderr)


def _tell_turns(report: Report, turns: list[Turned]) -> None:
    report.measured["turns"] = turns
    for one, name in zip(turns, ("time to shed", "time to return"), strict=False):
        move = one.meter or one.own
        if one.read_back_s is None:
            report.find(name, "bad", f"{one.limit_w:,.0f} W was taken and is not read back", "the driver ignores it")
        elif move is None:
            said = f"read back after {short(one.read_back_s * 1000)} ms, but its watts did not move"
            report.find(name, "note", said, "give it a job that draws more than its lowest limit")
        else:
            said = f"{move.there_s:.2f} s, {move.before:,.0f} to {move.after:,.0f} W"
            read_back = (
                f"the call took {short(one.call_s * 1000)} ms, read back after {short(one.read_back_s * 1000)} ms"
            )
            report.find(name, "good", f"{said}; {read_back}")
