"""From site.toml's tables to what the core and the drivers work with: kilowatts to watts, seconds to nanoseconds."""

from msgspec import Struct

from agent.config import CommandRule, MinersTable, PowerCapRule, SiteFile, UnderFrequencyRule
from agent.core.rules import Rule
from agent.core.rules.command import Command
from agent.core.rules.power_cap import PowerCap
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.site import Circuit, Load, Meter, Site, Step
from agent.core.values import NS_PER_MS, NS_PER_S
from agent.shell.volley import Target
from drivers.miners.dialect import Dialect
from drivers.miners.families import FAMILIES

INFINITE = float("inf")


class Translated(Struct, frozen=True):
    """One site, in the core's words and in the drivers'."""

    site: Site
    rules: tuple[Rule, ...]
    targets: tuple[Target, ...]
    poll_ns: dict[str, int]  # load -> its poll period
    models: dict[str, str]  # device -> model, where known


def translate(file: SiteFile) -> Translated:
    """The whole site."""
    loads: list[Load] = []
    targets: list[Target] = []
    models = {meter.id: meter.profile for meter in file.meters}
    for table in file.miners:
        dialect = FAMILIES[table.family]
        for miner in table.hosts:
            name = table.load_id(miner)
            loads.append(_load(table, name, miner.rated_w, dialect))
            targets.append(Target(name, miner.address, table.port, dialect))
            models[name] = miner.model
    site = Site(
        file.site.id,
        file.site.agent,
        file.site.nominal_hz,
        tuple(_circuits(file)),
        tuple(_meters(file)),
        tuple(loads),
        file.site.control == "observe",
    )
    return Translated(site, tuple(_rules(file)), tuple(targets), {load.id: load.poll_ns for load in loads}, models)


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


def _load(table: MinersTable, name: str, rated_w: float, dialect: Dialect) -> Load:
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
    )


def _rules(file: SiteFile) -> list[Rule]:
    rules: list[Rule] = []
    for table in file.rules:
        acts = file.acts(table)
        if isinstance(table, UnderFrequencyRule):
            rules.append(
                UnderFrequency(
                    table.id,
                    table.circuit,
                    frequency_meter(file, table.circuit),
                    table.shed_below_hz,
                    table.release.above_hz,
                    int(table.release.for_s * NS_PER_S),
                    table.confirm_refreshes,
                    None if table.shed_kw is None else table.shed_kw * 1000,
                    None if table.to_kw is None else table.to_kw * 1000,
                    acts,
                )
            )
        elif isinstance(table, PowerCapRule):
            rules.append(PowerCap(table.id, table.circuit, table.margin_kw * 1000, acts))
        elif isinstance(table, CommandRule):
            names = [table.circuit] if table.circuit is not None else [circuit.id for circuit in file.circuits]
            rules += (Command(table.id, name, acts) for name in names)
    return rules


def frequency_meter(file: SiteFile, circuit: str) -> str:
    """The meter nearest above a circuit: one grid has one frequency, so any meter up to the root will do."""
    by_id = {table.id: table for table in file.circuits}
    name: str | None = circuit
    while name is not None:
        meter = by_id[name].meter
        if meter is not None:
            return meter
        name = by_id[name].parent
    raise AssertionError(f"no meter above {circuit}: agent/config/checks.py refuses that")
