"""From site.toml's tables to what the core and the drivers work with: kilowatts to watts, seconds to nanoseconds."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from agent.config import ContactorTable, CoolingRule, GpusTable, MinersTable, SiteFile
from agent.core.rules import Rule
from agent.core.site import Circuit, Contact, Contactor, Load, Maintenance, Meter, Plc, Site, Step, SupplyLimits, Tank
from agent.core.tree import Tree
from agent.core.values import NS_PER_MS, NS_PER_S
from agent.shell.volley import Target
from agent.translate_rules import has_bit, rules_of
from drivers.gpu.client import GpuLoad
from drivers.miners.dialect import Account, Dialect, Secret
from drivers.miners.families import speak

INFINITE = float("inf")
ENTER_HZ_PU_MIN, ENTER_HZ_PU_MAX = 59.5 / 60, 60.1 / 60  # IEEE 1547-2018 4.10.2, in per unit of nominal
GPU_REACH_NS = 2 * NS_PER_S  # in-band limits settle in tens to hundreds of ms, and are read once a second (nvml.md)
REMOTE_BIT = "remote"  # a panel's contact: 0 is LOCAL


class GpuSteps(Struct, frozen=True):
    """One GPU's steps in watts, as its gpud listed it; kept, so that a restart knows its loads before gpud answers."""

    uuid: str
    lowest_w: float
    floor_w: float
    full_w: float


class Translated(Struct, frozen=True):
    """One site, in the core's words and in the drivers'."""

    site: Site
    rules: tuple[Rule, ...]
    targets: tuple[Target, ...]
    gpus: Mapping[str, tuple[GpuLoad, ...]]  # [[gpus]] table -> its loads
    poll_ns: dict[str, int]  # load -> its poll period
    models: dict[str, str]  # device -> model, where known
    remote: Mapping[str, str]  # PLC -> the point of its panel's contact


def translate(
    file: SiteFile, gpus: Mapping[str, tuple[GpuSteps, ...]], passwords: Mapping[str, Secret] | None = None
) -> Translated:
    """The whole site. `gpus`: what each [[gpus]] table's gpud listed last; `passwords`: of [[miners]] tables.

    Without `passwords` each table that names one counts as having it: for those who forecast and send nothing.
    """
    loads: list[Load] = []
    targets: list[Target] = []
    models = {meter.id: meter.profile for meter in file.meters} | {plc.id: plc.profile for plc in file.plcs}
    strings: dict[tuple[str, str], list[str]] = {}
    for table in file.miners:
        dialect = _dialect(file, table, passwords)
        for miner in table.hosts:
            name = table.load_id(miner)
            tank = miner.tank or table.cooling
            loads.append(_load(table, name, miner.rated_w, dialect, tank if _is_plc(file, tank) else None))
            targets.append(Target(name, miner.address, table.port, dialect))
            models[name] = miner.model
            strings.setdefault((table.id, miner.string), []).append(name)
    gpu_loads = {table.id: _gpus(table, gpus.get(table.id, ()), loads, models) for table in file.gpus}
    site = Site(
        file.site.id,
        file.site.agent,
        file.site.nominal_hz,
        tuple(_circuits(file)),
        tuple(_meters(file)),
        tuple(loads),
        file.site.control == "observe",
        tuple(
            Tank(rule.plc, _plc(file, rule.plc).blind_after_ns) for rule in file.rules if isinstance(rule, CoolingRule)
        ),
        (),
        tuple(_plc(file, table.id) for table in file.plcs),
        _contact(file, file.site.islanded_when),
        _supply(file),
        _maintenance(file),
    )
    tree = Tree(site)
    contactors = tuple(_contactor(table, tree, strings) for table in file.contactors)
    site = replace(site, contactors=contactors)
    return Translated(
        site,
        rules_of(file),
        tuple(targets),
        gpu_loads,
        {load.id: load.poll_ns for load in loads},
        models,
        {plc.id: f"{plc.id}.{REMOTE_BIT}" for plc in file.plcs if has_bit(plc, REMOTE_BIT)},
    )


def _dialect(file: SiteFile, table: MinersTable, passwords: Mapping[str, Secret] | None) -> Dialect:
    """How the miners of one table are spoken to."""
    if passwords is None:
        return table.dialect(acts=file.site.control == "act")
    account = Account(table.user or "", passwords.get(table.id), file.site.control == "act", table.unverified_control)
    return speak(table.family, account, table.control_port)


def _is_plc(file: SiteFile, name: str | None) -> bool:
    return any(isinstance(rule, CoolingRule) and rule.plc == name for rule in file.rules)


def _circuits(file: SiteFile) -> list[Circuit]:
    return [
        Circuit(
            table.id,
            table.parent,
            table.meter,
            table.limit_kw * 1000,
            table.unmetered_kw * 1000,
            _or_infinite(table.ramp_up_kw_per_min, 1000 / 60),
            _or_infinite(table.jump_up_kw, 1000),
            _or_infinite(table.jump_down_tied_kw, 1000),
            None if table.fallback_kw is None else table.fallback_kw * 1000,
            _or_infinite(table.ramp_down_kw_per_min, 1000 / 60),
            int(table.blind_after_s * NS_PER_S),
            _or_infinite(table.jump_down_island_kw, 1000),
            _or_infinite(table.export_limit_kw, 1000),
        )
        for table in file.circuits
    ]


def _or_infinite(value: float | None, factor: float) -> float:
    return INFINITE if value is None else value * factor


def _meters(file: SiteFile) -> list[Meter]:
    return [
        Meter(table.id, table.fast_ms * NS_PER_MS, table.refresh_ms * NS_PER_MS, table.nominal_ln_v, table.backup)
        for table in file.meters
    ]


def _plc(file: SiteFile, name: str) -> Plc:
    table = next(table for table in file.plcs if table.id == name)
    return Plc(table.id, table.fast_ms * NS_PER_MS, int(table.blind_after_s * NS_PER_S))


def _contact(file: SiteFile, written: str | None) -> Contact | None:
    if written is None:
        return None
    return Contact(written, _plc(file, written.partition(".")[0]).poll_ns)


def _supply(file: SiteFile) -> SupplyLimits:
    window, nominal_hz = file.enter_service.window, file.site.nominal_hz
    limits = SupplyLimits(
        v_pu_min=window.v_pu_min,
        v_pu_max=window.v_pu_max,
        hz_min=window.hz_min if window.hz_min is not None else nominal_hz * ENTER_HZ_PU_MIN,
        hz_max=window.hz_max if window.hz_max is not None else nominal_hz * ENTER_HZ_PU_MAX,
        for_ns=int(window.for_s * NS_PER_S),
        outage_when=_contact(file, file.enter_service.outage_when),
    )
    if file.ride_through is None:
        return limits
    curve = tuple((low_pu, round(lasts_ms * NS_PER_MS)) for low_pu, lasts_ms in file.ride_through.curve)
    return replace(limits, curve=curve)


def _maintenance(file: SiteFile) -> tuple[Maintenance, ...]:
    zone = ZoneInfo(file.site.timezone)

    def unix_ms(local: datetime) -> int:
        return round(local.replace(tzinfo=zone).timestamp() * 1000)

    return tuple(Maintenance(table.circuit, unix_ms(table.start), unix_ms(table.end)) for table in file.maintenance)


def _load(table: MinersTable, name: str, rated_w: float, dialect: Dialect, tank: str | None) -> Load:
    steps = tuple(
        Step(step.name, table.sleep_w if step.share is None else step.share * rated_w, step.reach_ms * NS_PER_MS)
        for step in dialect.steps
    )
    return Load(
        name,
        table.circuit,
        steps,
        table.value_usd_per_mwh,
        int(table.min_off_s * NS_PER_S),
        int(table.min_on_s * NS_PER_S),
        int(table.poll_s * NS_PER_S),
        table.id,
        tank,
    )


def _gpus(
    table: GpusTable, listed: tuple[GpuSteps, ...], loads: list[Load], models: dict[str, str]
) -> tuple[GpuLoad, ...]:
    """The GPUs of one table that its gpud listed and site.toml selects; their loads are added."""
    gpus: list[GpuLoad] = []
    for gpu in listed:
        if table.select != "all" and gpu.uuid not in table.select:
            continue
        name = table.load_id(gpu.uuid)
        steps = (
            Step("lowest", gpu.lowest_w, GPU_REACH_NS),
            Step("floor", gpu.floor_w, GPU_REACH_NS),
            Step("full", gpu.full_w, GPU_REACH_NS),
        )
        loads.append(
            Load(
                name,
                table.circuit,
                steps,
                table.value_usd_per_mwh,
                0,
                0,
                NS_PER_S,
                table.id,
                table.cooling,
                floor=1,
                kind="gpu",
            )
        )
        models[name] = "gpu"
        gpus.append(GpuLoad(name, gpu.uuid, table.floor_w, table.fallback_w))
    return tuple(gpus)


def _contactor(table: ContactorTable, tree: Tree, strings: Mapping[tuple[str, str], list[str]]) -> Contactor:
    feeds: list[str] = []
    for (group, string), names in strings.items():
        if group == table.feeds.miners and table.feeds.string in (None, string):
            feeds += names
    feeds += [load.id for load in tree.site.loads if table.feeds.gpus and load.group == table.feeds.gpus]
    paths = [tree.path[tree.loads[name].circuit] for name in feeds]
    shared = [circuit for circuit in paths[0] if all(circuit in path for path in paths)] if paths else []
    return Contactor(
        table.id,
        shared[0] if shared else tree.site.circuits[0].id,
        tuple(feeds),
        table.plc,
        tuple(f"{table.plc}.{bit}" for bit in table.permit),
        table.use == "first",
        int(table.min_open_s * NS_PER_S),
        table.operations_per_day_max,
        table.feedback.within_ms * NS_PER_MS,
    )
