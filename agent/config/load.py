"""load(): one site.toml, everything it names, every cross-check; a SiteFile, or all of its faults at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.config.checks import check_circuits
from agent.config.contactors import check_contactors
from agent.config.cooling import resolve_cooling
from agent.config.credentials import check_credentials, located
from agent.config.devices import ContactorTable, LinkTable, MeterTable, PlcTable
from agent.config.faults import ConfigErrors, kind_of, shown
from agent.config.gpus import check_gpus
from agent.config.hosts import resolve_miners
from agent.config.lines import Lines
from agent.config.links import check_links
from agent.config.loads import UNIX, GpusTable
from agent.config.meters import check_meters
from agent.config.notyet import RULE_KINDS, TABLES, mend_not_yet
from agent.config.plcs import check_contacts, check_plcs
from agent.config.presets import check_presets, with_preset
from agent.config.profiles import load_profiles
from agent.config.reading import Draft, Reader, Rows, nearest
from agent.config.rules import (
    CoincidentPeakRule,
    CommandRule,
    CommsLossRule,
    CoolingWritten,
    DemandWindowRule,
    PowerCapRule,
    RuleTable,
    RuleWritten,
    ScheduleRule,
    UnderFrequencyRule,
)
from agent.config.syntax import parse, read_text
from agent.config.tables import (
    CircuitTable,
    EnterServiceTable,
    KeysTable,
    MaintenanceTable,
    MqttTable,
    RideThroughTable,
    SiteFile,
    SiteTable,
    SiteToml,
    TelemetryTable,
)
from agent.config.tanks import check_tanks

RULES: Final[dict[str, type[RuleWritten]]] = {
    "under_frequency": UnderFrequencyRule,
    "power_cap": PowerCapRule,
    "command": CommandRule,
    "coincident_peak": CoincidentPeakRule,
    "demand_window": DemandWindowRule,
    "schedule": ScheduleRule,
    "comms_loss": CommsLossRule,
    "cooling": CoolingWritten,
}

CHECKS: Final[tuple[Callable[[Draft], None], ...]] = (
    check_circuits,
    check_links,
    check_meters,
    check_plcs,
    check_contacts,
    check_presets,
    check_contactors,
    check_gpus,
    check_tanks,
)

RAMP_UP_SHARE_PER_MIN: Final = 0.1  # of the root's limit, where no ramp is given: whole in ten minutes


def load(path: str | Path) -> SiteFile:
    """The site that a site.toml describes; raises ConfigErrors with every fault of it."""
    file = str(path)
    path = Path(path)
    text, raw, syntax_faults = parse(read_text(path, file), file)
    reader = Reader(file, raw, Lines(text), whole=not syntax_faults)
    reader.faults += syntax_faults
    draft = _read(reader, path.absolute().parent)
    if reader.whole:
        check_credentials(reader)
        load_profiles(draft)
        for check in CHECKS:
            check(draft)
    if reader.faults or draft.site is None:
        raise ConfigErrors(sorted(reader.faults, key=lambda fault: (fault.file != file, fault.file, fault.line)))
    return _whole(draft, draft.site, path.absolute(), text)


def _read(reader: Reader, folder: Path) -> Draft:
    known = [field.encode_name for field in msgspec.structs.fields(SiteToml)]
    for key, value in reader.raw.items():
        mend = mend_not_yet(key, value)
        if mend:
            for at in range(len(value)) if isinstance(value, list) else (None,):
                reader.fault((key,) if at is None else (key, at), "not yet supported", mend)
        elif key not in known:
            what = "no such table" if isinstance(value, dict | list) else "a key outside of any table"
            reader.fault((key,), what, nearest(key, (*known, *TABLES), f"the tables are {', '.join(known)}"))
    draft = Draft(
        reader=reader,
        folder=folder,
        site=_site(reader),
        circuits=reader.tables("circuit", CircuitTable),
        links=reader.tables("link", LinkTable),
        meters=reader.tables("meter", MeterTable),
        plcs=reader.tables("plc", PlcTable),
        gpus=reader.tables("gpus", GpusTable),
        contactors=reader.tables("contactor", ContactorTable),
        rules=_rules(reader),
        ride_through=reader.single("ride_through", RideThroughTable) if "ride_through" in reader.raw else None,
        enter_service=reader.single("enter_service", EnterServiceTable),
        maintenance=reader.tables("maintenance", MaintenanceTable),
        mqtt=reader.single("mqtt", MqttTable) if "mqtt" in reader.raw else None,
        telemetry=reader.single("telemetry", TelemetryTable),
        keys=reader.single("keys", KeysTable),
    )
    draft.miners = resolve_miners(draft)
    return draft


def _site(reader: Reader) -> SiteTable | None:
    if "site" not in reader.raw:
        reader.fault(("site",), "missing", 'begin with [site] and its id = "…" and nominal_hz = …', missing=True)
        return None
    return reader.single("site", SiteTable)


def _rules(reader: Reader) -> Rows[RuleTable]:
    rules: Rows[RuleTable] = []
    for path, raw in reader.each("rule"):
        rule = _rule(reader, path, with_preset(reader, path, raw))
        if rule is not None:
            rules.append((path, rule))
    return rules


def _rule(reader: Reader, path: tuple[str | int, ...], raw: dict[str, Any]) -> RuleTable | None:
    kinds = " or ".join(shown(kind) for kind in RULES)
    at = (*path, "kind")
    kind = raw.get("kind")
    if "kind" not in raw:
        reader.fault(at, "missing", f"add it: {kinds}", missing=True)
    elif not isinstance(kind, str):
        reader.fault(at, f"this is {kind_of(kind)}", f"write {kinds}")
    elif mend := mend_not_yet("rule.kind", kind):
        reader.fault(at, "not yet supported", mend)
    elif kind not in RULES:
        reader.fault(at, "no such rule", nearest(kind, (*RULES, *RULE_KINDS), f"write {kinds}"))
    else:
        rule = reader.table(path, raw, RULES[kind], skip=("kind",))
        return resolve_cooling(reader, path, rule) if isinstance(rule, CoolingWritten) else rule
    return None


def _whole(draft: Draft, site: SiteTable, path: Path, text: str) -> SiteFile:
    """The draft without faults, with what was left out worked out and every path absolute."""
    folder = path.parent
    telemetry, keys, mqtt = draft.telemetry, draft.keys, draft.mqtt
    assert telemetry is not None, "a table with a fault was refused before"
    assert draft.enter_service is not None, "a table with a fault was refused before"
    assert keys is not None, "a table with a fault was refused before"
    if mqtt is not None:
        mqtt = msgspec.structs.replace(
            mqtt, ca=_absolute(folder, mqtt.ca), cert=_absolute(folder, mqtt.cert), key=_absolute(folder, mqtt.key)
        )
    return SiteFile(
        path=path,
        site=msgspec.structs.replace(site, state_dir=str(folder / site.state_dir)),
        circuits=tuple(_with_ramp(circuit) for circuit in _parents_first(draft)),
        links=tuple(link for _, link in draft.links),
        meters=tuple(meter for _, meter in draft.meters),
        plcs=tuple(plc for _, plc in draft.plcs),
        miners=tuple(miners for _, miners in draft.miners),
        gpus=tuple(_with_socket(folder, gpus) for _, gpus in draft.gpus),
        contactors=tuple(contactor for _, contactor in draft.contactors),
        rules=tuple(rule for _, rule in draft.rules),
        ride_through=draft.ride_through,
        enter_service=draft.enter_service,
        maintenance=tuple(table for _, table in draft.maintenance),
        mqtt=mqtt,
        telemetry=telemetry,
        keys=msgspec.structs.replace(keys, agent=_absolute(folder, keys.agent), keyring=located(folder, keys.keyring)),
        text=text,
        named=draft.named,
    )


def _parents_first(draft: Draft) -> list[CircuitTable]:
    ordered: list[CircuitTable] = []
    left = [circuit for _, circuit in draft.circuits]
    placed: set[str | None] = {None}
    while left:
        ordered += [circuit for circuit in left if circuit.parent in placed]
        left = [circuit for circuit in left if circuit.parent not in placed]
        placed |= {circuit.id for circuit in ordered}
    return ordered


def _with_ramp(circuit: CircuitTable) -> CircuitTable:
    if circuit.parent is not None or circuit.ramp_up_kw_per_min is not None:
        return circuit
    return msgspec.structs.replace(circuit, ramp_up_kw_per_min=RAMP_UP_SHARE_PER_MIN * circuit.limit_kw)


def _with_socket(folder: Path, gpus: GpusTable) -> GpusTable:
    return msgspec.structs.replace(gpus, at=f"{UNIX}{folder / gpus.socket}")


def _absolute(folder: Path, name: str | None) -> str | None:
    return None if name is None else located(folder, name)
