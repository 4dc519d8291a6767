"""What must hold between the keys and tables of site.toml: names, references, the tree, limits, what loads can reach.

A check looks only at tables that have no fault of their own, and at ids and the names of others wherever they are
written, so that one slip is told once, not again by everything that refers to it, and hides no other.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from agent.config.lines import Path
from agent.config.reading import SEVERAL, Draft, nearest
from agent.config.rules import CommandRule, CommsLossRule, DemandWindowRule, PowerCapRule, UnderFrequencyRule
from agent.config.tables import CircuitTable

# Who names whom; looked at as written, so that a slip elsewhere in the table hides no wrong name.
REFERENCES: Final = (
    ("circuit", "parent", "circuit"),
    ("circuit", "meter", "meter"),
    ("meter", "link", "link"),
    ("meter", "backup", "meter"),
    ("miners", "circuit", "circuit"),
    ("rule", "circuit", "circuit"),
    ("rule", "plc", "plc"),
    ("plc", "link", "link"),
    ("gpus", "circuit", "circuit"),
    ("contactor", "plc", "plc"),
    ("maintenance", "circuit", "circuit"),
)
SHED_BELOW_NOMINAL_HZ_MAX: Final = 5.0  # load-shedding relays end at some 47 Hz (50) and 57 Hz (60)

# Tables whose ids must differ: image points are METER.POINT and PLC.POINT, and people tag what they name by its id.
ONE_NAME: Final = (
    ("plc", ("meter", "circuit")),
    ("miners", ("circuit", "plc")),
    ("gpus", ("circuit", "plc", "miners")),
    ("contactor", ("circuit", "plc", "miners", "gpus")),
)


def check_circuits(draft: Draft) -> None:
    """Every check but those of what links.py, meters.py and the others beside them are about."""
    _check_ids(draft)
    _check_references(draft)
    _check_site(draft)
    tree_holds = _tree_holds(draft)
    if tree_holds:
        _check_limits(draft)
    for path, rule in draft.rules:
        if isinstance(rule, UnderFrequencyRule):
            _check_under_frequency(draft, path, rule, tree_holds=tree_holds)
        elif isinstance(rule, DemandWindowRule):
            _check_demand(draft, path, rule)
        elif isinstance(rule, CommsLossRule):
            _check_comms_loss(draft, path, rule)
    _check_caps(draft)
    _check_amperes_and_demand(draft)
    _check_supply(draft)
    _check_mqtt(draft)


def floors_kw(circuits: Iterable[CircuitTable], asleep_kw: Mapping[str, float]) -> dict[str, float]:
    """Circuit -> the least it can draw: unmetered_kw and the loads asleep, of it and of all beneath it."""
    circuits = list(circuits)
    parent = {circuit.id: circuit.parent for circuit in circuits}
    floors = dict.fromkeys(parent, 0.0)
    for circuit in circuits:
        own_kw = circuit.unmetered_kw + asleep_kw.get(circuit.id, 0.0)
        at: str | None = circuit.id
        while at is not None and at in floors:
            floors[at] += own_kw
            at = parent[at]
    return floors


def meter_above(circuit: str, draft: Draft) -> str | None:
    """The id of the meter nearest above a circuit, on itself at best: one grid has one frequency."""
    rows = {row.id: row for _, row in draft.circuits}
    seen: set[str] = set()
    at: str | None = circuit
    while at is not None and at in rows and at not in seen:
        if rows[at].meter is not None:
            return rows[at].meter
        seen.add(at)
        at = rows[at].parent
    return None


def _check_ids(draft: Draft) -> None:
    reader = draft.reader
    for name in SEVERAL:
        first = reader.ids(name)
        raw = reader.raw.get(name)
        for at, item in enumerate(raw if isinstance(raw, list) else []):
            written = item.get("id") if isinstance(item, dict) else None
            if isinstance(written, str) and first[written] != (name, at):
                wrong = f"also the id of the one on line {reader.lines.at((*first[written], 'id'))}"
                reader.fault((name, at, "id"), wrong, "give each its own id")
    for one, others in ONE_NAME:
        for name, path in reader.ids(one).items():
            other = next((other for other in others if name in reader.ids(other)), None)
            if other is not None:
                wrong = f"also the id of a [[{other}]]"
                reader.fault((*path, "id"), wrong, "give it another: both are called by their ids alone")
    for path, circuit in draft.circuits:
        if circuit.id == "site" and circuit.parent is not None:
            wrong = 'commands call the root circuit "site"'
            reader.fault((*path, "id"), wrong, "give it another id")


def _check_references(draft: Draft) -> None:
    told = {fault.line for fault in draft.reader.faults}
    for name, key, table in REFERENCES:
        raw = draft.reader.raw.get(name)
        for at, item in enumerate(raw if isinstance(raw, list) else []):
            place: Path = (name, at, key)
            written = item.get(key) if isinstance(item, dict) else None
            if isinstance(written, str) and draft.reader.lines.at(place) not in told:
                _refers(draft, place, table, written)
    for path, contactor in draft.contactors:
        for key, fed in (("miners", contactor.feeds.miners), ("gpus", contactor.feeds.gpus)):
            if fed is not None:
                _refers(draft, (*path, "feeds", key), key, fed)
    measured: dict[str, str] = {}
    for path, circuit in draft.circuits:
        if circuit.meter is not None and measured.setdefault(circuit.meter, circuit.id) != circuit.id:
            wrong = f'this meter measures circuit "{measured[circuit.meter]}" already'
            draft.reader.fault((*path, "meter"), wrong, "a meter stands in one place: name another, or none")


def _refers(draft: Draft, path: Path, table: str, name: str) -> None:
    ids = draft.reader.ids(table)
    if name not in ids:
        known = f"add it, or name one of {', '.join(list(ids)[:8])}" if ids else f"add a [[{table}]]"
        draft.reader.fault(path, f"there is no [[{table}]] of this id", nearest(name, ids, known))


def _check_site(draft: Draft) -> None:
    if draft.site is None:
        return
    if not _is_timezone(draft.site.timezone) and _is_timezone("Europe/London"):
        mend = 'write its name in the tz database, such as "America/Chicago" or "UTC"'
        draft.reader.fault(("site", "timezone"), "no such time zone", mend)


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # of zoneinfo: a folder, a path that leaves its root, no such name
        return False
    return True


def _tree_holds(draft: Draft) -> bool:
    """Whether the circuits are one tree; looks at parents as written, so that a broken circuit breaks no other."""
    reader = draft.reader
    raw = reader.raw.get("circuit")
    rows = [item if isinstance(item, dict) else {} for item in (raw if isinstance(raw, list) else [])]
    parents = {row["id"]: row.get("parent") for row in rows if isinstance(row.get("id"), str)}
    if not rows:
        mend = 'add [[circuit]] with id = "…" and limit_kw = …: the grid connection'
        reader.fault(("circuit",), "missing", mend, missing=True)
        return False
    before = len(reader.faults)
    roots = [at for at, row in enumerate(rows) if "parent" not in row]
    for at in roots[1:]:
        first = rows[roots[0]].get("id")
        wrong = f'a second circuit without a parent, after "{first}"'
        reader.fault(("circuit", at), wrong, "write its parent: there is one grid connection")
    for at, row in enumerate(rows):
        name = row.get("id")
        if isinstance(name, str) and len(parents) == len(rows) and _in_circle(name, parents):
            wrong = "it feeds itself, by way of its parents"
            reader.fault(("circuit", at, "parent"), wrong, "one circuit, the grid connection, has no parent")
    known = {circuit.id for _, circuit in draft.circuits}
    fed = {circuit.parent for _, circuit in draft.circuits} <= known | {None}
    return len(reader.faults) == before and len(draft.circuits) == len(known) == len(rows) and fed


def _in_circle(name: str, parents: Mapping[str, object]) -> bool:
    seen: set[str] = set()
    at = parents.get(name)
    while isinstance(at, str) and at not in seen:
        if at == name:
            return True
        seen.add(at)
        at = parents.get(at)
    return False


def _check_limits(draft: Draft) -> None:
    """Floors above a limit, fallbacks out of reach."""
    asleep_kw: dict[str, float] = {}
    for _, miners in draft.miners:
        asleep_kw[miners.circuit] = asleep_kw.get(miners.circuit, 0.0) + miners.asleep_kw
    for _, gpus in draft.gpus:
        asleep_kw[gpus.circuit] = asleep_kw.get(gpus.circuit, 0.0) + gpus.floor_kw
    floors = floors_kw((circuit for _, circuit in draft.circuits), asleep_kw)
    margins = {rule.circuit: rule.margin_kw for _, rule in draft.rules if isinstance(rule, PowerCapRule)}
    for path, circuit in draft.circuits:
        floor_kw = floors[circuit.id]
        of_what = f"{floor_kw:g} kW is the least it can draw: unmetered_kw, and its loads asleep"
        if floor_kw > circuit.limit_kw - margins.get(circuit.id, 0.0):
            mend = "raise the limit, or put fewer loads here"
            draft.reader.fault((*path, "limit_kw"), f"below what can be reached: {of_what}", mend)
        elif circuit.fallback_kw is None:
            if circuit.meter is not None:
                mend = f"add it: where to go when the meter is silent, from {floor_kw:g} to {circuit.limit_kw:g} kW"
                draft.reader.fault((*path, "fallback_kw"), "missing on a circuit with a meter", mend, missing=True)
        elif circuit.fallback_kw < floor_kw:
            mend = f"write {floor_kw:g} or more"
            draft.reader.fault((*path, "fallback_kw"), f"out of reach: {of_what}", mend)
        elif circuit.fallback_kw > circuit.limit_kw:
            draft.reader.fault((*path, "fallback_kw"), "above limit_kw", f"write {circuit.limit_kw:g} or less")


def _check_under_frequency(draft: Draft, path: Path, rule: UnderFrequencyRule, *, tree_holds: bool) -> None:
    fault = draft.reader.fault
    if rule.shed_kw is None and rule.to_kw is None:
        mend = "add it: kW below what it drew before; or to_kw, the kW to go to"
        fault((*path, "shed_kw"), "missing, and no to_kw", mend, missing=True)
    elif rule.shed_kw is not None and rule.to_kw is not None:
        fault((*path, "to_kw"), "written beside shed_kw", "keep one of the two")
    if tree_holds and meter_above(rule.circuit, draft) is None and rule.circuit in draft.reader.ids("circuit"):
        wrong = "no meter on this circuit nor on one above it, so no frequency"
        fault((*path, "circuit"), wrong, "give one of them a meter")
    if draft.site is None:
        return
    nominal_hz = draft.site.nominal_hz
    low_hz = nominal_hz - SHED_BELOW_NOMINAL_HZ_MAX
    if not low_hz <= rule.shed_below_hz < nominal_hz:
        mend = f"write from {low_hz:g} to below {nominal_hz:g}"
        fault((*path, "shed_below_hz"), f"the site's nominal frequency is {nominal_hz:g} Hz", mend)
    elif rule.release.above_hz <= rule.shed_below_hz:
        mend = f"write more than {rule.shed_below_hz:g}"
        fault((*path, "release", "above_hz"), "not above shed_below_hz: it would return into the fault", mend)
    elif rule.release.above_hz >= nominal_hz:
        mend = f"write below {nominal_hz:g}"
        fault((*path, "release", "above_hz"), "at or above nominal: it would hardly ever return", mend)


def _check_amperes_and_demand(draft: Draft) -> None:
    """What a limit_a and a demand_kw need to be kept."""
    fault = draft.reader.fault
    for path, circuit in draft.circuits:
        if circuit.limit_a is not None:
            profile = draft.profiles.get(circuit.meter or "")
            if circuit.meter is None:
                fault((*path, "limit_a"), "no meter on this circuit, so no amperes", "give it a meter, or take it out")
            elif profile is not None and not any(point.name.startswith("current_l") for point in profile.points):
                wrong = f'profile "{profile.name}" of its meter has no currents'
                fault((*path, "limit_a"), wrong, "add current_l1_a and the others to a profile of your own")
        if circuit.demand_kw is not None and circuit.demand_kw > circuit.limit_kw:
            fault((*path, "demand_kw"), "above limit_kw, so it never binds", f"write {circuit.limit_kw:g} or less")


def _check_supply(draft: Draft) -> None:
    """The ride-through curve rises; the enter-service window is one, and near the nominal frequency."""
    fault = draft.reader.fault
    if draft.ride_through is not None:
        curve = draft.ride_through.curve
        for at, (before, after) in enumerate(pairwise(curve), 1):
            if after[0] <= before[0] or after[1] < before[1]:
                wrong = "the voltage and the time of each point are above those of the one before it"
                fault(("ride_through", "curve", at), f"does not rise: {wrong}", "compare it with the utility's curve")
        for at, (low_pu, lasts_ms) in enumerate(curve):
            if not (0 <= low_pu <= 1 and 0 <= lasts_ms <= 3_600_000):
                mend = "write [per-unit voltage from 0 to 1, ms], such as [0.5, 300]"
                fault(("ride_through", "curve", at), "not a point of such a curve", mend)
    for path, work in draft.maintenance:
        if work.end <= work.start:
            fault((*path, "to"), "not after from", "write when the work is over")
    if draft.site is None or draft.enter_service is None:
        return
    window, nominal_hz = draft.enter_service.window, draft.site.nominal_hz
    place: Path = ("enter_service", "window")
    if window.hz_min is not None and window.hz_min >= nominal_hz:
        fault((*place, "hz_min"), "at or above nominal: nothing would ever return", f"write below {nominal_hz:g}")
    if window.hz_max is not None and window.hz_max <= nominal_hz:
        fault((*place, "hz_max"), "at or below nominal: nothing would ever return", f"write above {nominal_hz:g}")


def _check_demand(draft: Draft, path: Path, rule: DemandWindowRule) -> None:
    fault = draft.reader.fault
    circuit = next((circuit for _, circuit in draft.circuits if circuit.id == rule.circuit), None)
    if circuit is not None and circuit.demand_kw is None:
        fault((*path, "circuit"), f'"{rule.circuit}" has no demand_kw', "give it one, or take the rule out")
    elif circuit is not None and circuit.demand_kw is not None and rule.margin_kw >= circuit.demand_kw:
        fault((*path, "margin_kw"), f"all of demand_kw ({circuit.demand_kw:g})", "write much less")
    if rule.interval == "pulse" and rule.pulse is None:
        fault((*path, "pulse"), "missing", "add it: the PLC.BIT of the utility's contact", missing=True)
    elif rule.interval != "pulse" and rule.pulse is not None:
        fault((*path, "pulse"), f'without effect with interval = "{rule.interval}"', 'write interval = "pulse"')


def _check_comms_loss(draft: Draft, path: Path, rule: CommsLossRule) -> None:
    fault = draft.reader.fault
    if draft.mqtt is None and "mqtt" not in draft.reader.raw:
        fault(path, "there is no broker to lose", "add [mqtt], or take the rule out")
    if rule.then == "fallback":
        name = rule.circuit or next((circuit.id for _, circuit in draft.circuits if circuit.parent is None), "")
        circuit = next((circuit for _, circuit in draft.circuits if circuit.id == name), None)
        if circuit is not None and circuit.fallback_kw is None:
            fault((*path, "then"), f'"{name}" has no fallback_kw', "give it one, or write hold or release")
    elif rule.circuit is not None:
        fault((*path, "circuit"), 'without effect: only then = "fallback" takes a circuit there', "take it out")


def _check_caps(draft: Draft) -> None:
    limits = {circuit.id: circuit.limit_kw for _, circuit in draft.circuits}
    seen: dict[tuple[str, str | None], str] = {}
    for path, rule in draft.rules:
        if not isinstance(rule, CommandRule | PowerCapRule | DemandWindowRule):
            continue
        kind = str(type(rule).__struct_config__.tag)
        other = seen.setdefault((kind, rule.circuit), rule.id)
        if other != rule.id:
            wrong = f'rule "{other}" is the {kind} rule of this circuit already'
            draft.reader.fault(path, wrong, "take one out")
        if isinstance(rule, PowerCapRule) and rule.margin_kw >= limits.get(rule.circuit, float("inf")):
            mend = "write much less"
            draft.reader.fault((*path, "margin_kw"), f"all of limit_kw ({limits[rule.circuit]:g})", mend)


def _check_mqtt(draft: Draft) -> None:
    mqtt, reader = draft.mqtt, draft.reader
    if mqtt is None:
        return
    wrong, mend = _url_fault(mqtt.url)
    if wrong:
        reader.fault(("mqtt", "url"), wrong, mend)
    if (mqtt.cert is None) != (mqtt.key is None):
        lone, other = ("cert", "key") if mqtt.key is None else ("key", "cert")
        reader.fault(("mqtt", lone), f"written without {other}", f"add {other}, or take it out")
    if mqtt.url.startswith("mqtt:"):
        for key in ("ca", "cert", "key"):
            if getattr(mqtt, key) is not None:
                reader.fault(("mqtt", key), "without effect: mqtt:// is not encrypted", "write mqtts:// in url")


def _url_fault(url: str) -> tuple[str, str]:
    example = 'write "mqtts://HOST:PORT", such as "mqtts://broker.example.net:8883"'
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"not a URL: {str(error)[:80]}", example
    if parts.username is not None:
        return "a user name or password in it", "take it out: this file holds no secrets; use a client certificate"
    if parts.scheme not in ("mqtt", "mqtts"):
        return "not an mqtts:// URL", example
    if not parts.hostname or port == 0 or any(character.isspace() for character in url):
        return "no host, or no port, in it", example
    if parts.path.strip("/") or parts.query or parts.fragment:
        return "more than a host and a port in it", example
    return "", ""
