"""Meters: polls, backups, and what a circuit or rule needs its meter to measure."""

from typing import Final

from agent.config.checks import meter_above
from agent.config.reading import Draft
from agent.config.rules import UnderFrequencyRule

_VOLTAGES: Final = ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v")
_VOLTAGES_MIN: Final = 2  # a frequency counts only with two phases alive


def check_meters(draft: Draft) -> None:
    """Every check of meters."""
    for path, meter in draft.meters:
        if meter.slow_ms < meter.fast_ms:
            wrong = f"faster than fast_ms ({meter.fast_ms})"
            draft.reader.fault((*path, "slow_ms"), wrong, "write fast_ms or more")
    _check_backups(draft)
    _check_points(draft)


def _check_backups(draft: Draft) -> None:
    backups = {meter.id: meter.backup for _, meter in draft.meters}
    for path, meter in draft.meters:
        if meter.backup == meter.id:
            draft.reader.fault((*path, "backup"), "its own backup", "name another meter, or take it out")
        elif meter.backup is not None and backups.get(meter.backup) is not None:
            wrong = f'meter "{meter.backup}" has a backup itself'
            draft.reader.fault((*path, "backup"), wrong, "a backup stands alone: take that one's out")


def _check_points(draft: Draft) -> None:
    """A circuit's meter measures power; one that drives a frequency rule, frequency and two voltages."""
    points = {device: {point.name for point in profile.points} for device, profile in draft.profiles.items()}
    for path, circuit in draft.circuits:
        if circuit.meter in points and "power_w" not in points[circuit.meter]:
            wrong = "its profile has no power_w"
            draft.reader.fault((*path, "meter"), wrong, "name a meter that measures the circuit's power")
    for path, rule in draft.rules:
        meter = meter_above(rule.circuit, draft) if isinstance(rule, UnderFrequencyRule) else None
        if meter is None or meter not in points:
            continue
        if "frequency_hz" not in points[meter] or sum(name in points[meter] for name in _VOLTAGES) < _VOLTAGES_MIN:
            wrong = f'meter "{meter}" gives no frequency with two phase voltages'
            draft.reader.fault((*path, "circuit"), wrong, "name a circuit whose meter does")
