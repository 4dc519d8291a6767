"""Tanks: what is cooled has a rule, and the rule's points are among those of its PLC."""

from collections.abc import Mapping

from agent.config.cooling import key_of
from agent.config.lines import Path
from agent.config.reading import Draft, Reader, nearest
from agent.config.rules import CoolingRule

NO_RULE = (
    "it has no cooling rule, and so nothing here would stop what it cools",
    'add [[rule]] kind = "cooling" with plc = "{tank}"; its figures come from the tank\'s maker',
)


def tanks_written(reader: Reader) -> dict[str, bool]:
    """Every PLC's id, and whether a cooling rule is written for it, with faults of its own or not."""
    rules = reader.raw.get("rule")
    ruled = {
        str(rule.get("plc"))
        for rule in (rules if isinstance(rules, list) else [])
        if isinstance(rule, dict) and rule.get("kind") == "cooling"
    }
    return {plc: plc in ruled for plc in reader.ids("plc")}


def tank_fault(tank: str, tanks: Mapping[str, bool]) -> tuple[str, str] | None:
    """What is wrong with being cooled by a tank, and the mend; None when nothing is."""
    if tank not in tanks:
        known = f"add it, or name one of {', '.join(list(tanks)[:8])}" if tanks else "add a [[plc]]"
        return "there is no [[plc]] of this id", nearest(tank, tanks, known)
    if not tanks[tank]:
        return NO_RULE[0], NO_RULE[1].format(tank=tank)
    return None


def check_tanks(draft: Draft) -> None:
    """Every check of cooling rules and of what is cooled; the inventories' own tanks are checked in hosts.py."""
    tanks = tanks_written(draft.reader)
    cooled: list[tuple[Path, str | None]] = [((*path, "cooling"), miners.cooling) for path, miners in draft.miners]
    cooled += (((*path, "cooling"), gpus.cooling) for path, gpus in draft.gpus)
    for place, tank in cooled:
        fault = None if tank is None else tank_fault(tank, tanks)
        if fault is not None:
            draft.reader.fault(place, *fault)
    seen: dict[str, str] = {}
    for path, rule in draft.rules:
        if not isinstance(rule, CoolingRule):
            continue
        other = seen.setdefault(rule.plc, rule.id)
        if other != rule.id:
            wrong = f'rule "{other}" is the cooling rule of this PLC already'
            draft.reader.fault((*path, "plc"), wrong, "take one out")
        _check_points(draft, path, rule)


def _check_points(draft: Draft, path: Path, rule: CoolingRule) -> None:
    profile = draft.profiles.get(rule.plc)
    if profile is None:
        return
    known = [point.name for point in profile.points]
    for table, thresholds in (("shed", rule.shed), ("warn", rule.warn), ("permit", rule.permit)):
        for threshold in thresholds:
            if threshold.point not in known:
                some = f"it has {', '.join(known[:8])}" if known else "name a PLC whose profile has points"
                wrong = f'profile "{profile.name}" of PLC "{rule.plc}" has no {threshold.point}'
                mend = nearest(threshold.point, known, some)
                draft.reader.fault((*path, table, key_of(threshold)), wrong, mend)
