"""The rules of site.toml in the core's words: one row for each kind, kilowatts to watts, seconds to nanoseconds."""

from collections.abc import Callable, Iterable
from typing import Any, get_args

from agent.config import (
    CoincidentPeakRule,
    CommandRule,
    CommsLossRule,
    CoolingRule,
    DemandWindowRule,
    PlcTable,
    PowerCapRule,
    ScheduleRule,
    SiteFile,
    UnderFrequencyRule,
)
from agent.config.rules import WEEKDAYS, Day, EventLimits
from agent.config.rules import Hours as HoursWritten
from agent.core.rules import Rule
from agent.core.rules.amperes import Amperes
from agent.core.rules.command import Command
from agent.core.rules.comms_loss import CommsLoss
from agent.core.rules.cooling import Cooling, Edge
from agent.core.rules.demand_window import DemandWindow
from agent.core.rules.power_cap import PowerCap, limit_key
from agent.core.rules.schedule import Hours, Schedule
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.site import BoundClass
from agent.core.values import NS_PER_MS, NS_PER_S
from drivers.profile import load_profile

DAYS = get_args(Day)
PERMIT_BIT = "permit"  # the PLC's own permit, where its profile or [plc.bits] has a bit of this name


def rules_of(file: SiteFile) -> tuple[Rule, ...]:
    """Every rule that the site names."""
    named = [rule for table in file.rules for rule in _KINDS[type(table)](file, table, file.acts(table))]
    return (*named, *_of_circuits(file))


def has_bit(plc: PlcTable, name: str) -> bool:
    """Whether this PLC has a bit of this name, by its profile or by the site's wiring."""
    return name in plc.bits or any(bit.name == name for bit in load_profile(plc.profile).bits)


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


def _under_frequency(file: SiteFile, table: UnderFrequencyRule, acts: bool) -> list[Rule]:
    return [
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
            table.when,
            None if table.event_limits is None else table.event_limits.per_day,
            _event_ns_max(table.event_limits),
        )
    ]


def _event_ns_max(limits: EventLimits | None) -> int | None:
    return None if limits is None or limits.hours_each is None else int(limits.hours_each * 3600 * NS_PER_S)


def _power_cap(file: SiteFile, table: PowerCapRule, acts: bool) -> list[Rule]:
    return [PowerCap(table.id, table.circuit, table.margin_kw * 1000, acts)]


def _command(file: SiteFile, table: CommandRule, acts: bool) -> list[Rule]:
    names = [table.circuit] if table.circuit is not None else [circuit.id for circuit in file.circuits]
    return [Command(table.id, name, acts) for name in names]


def _of_circuits(file: SiteFile) -> list[Rule]:
    """Amperes and demand: in force where a circuit has them, with or without a rule that says how."""
    caps = {table.circuit: file.acts(table) for table in file.rules if isinstance(table, PowerCapRule)}
    demands = {table.circuit: table for table in file.rules if isinstance(table, DemandWindowRule)}
    acts = file.site.control == "act"
    rules: list[Rule] = []
    for circuit in file.circuits:
        if circuit.limit_a is not None:
            rules.append(Amperes(limit_key(circuit.id, "a"), circuit.id, circuit.limit_a, caps.get(circuit.id, acts)))
        if circuit.demand_kw is not None:
            table = demands.get(circuit.id, DemandWindowRule(id="demand_window", circuit=circuit.id))
            rules.append(
                DemandWindow(
                    limit_key(circuit.id, "demand"),
                    table.id,
                    circuit.id,
                    (circuit.demand_kw - table.margin_kw) * 1000,
                    circuit.window_min * 60 * NS_PER_S,
                    table.interval,
                    table.pulse or "",
                    file.acts(table),
                )
            )
    return rules


def _demand_window(file: SiteFile, table: DemandWindowRule, acts: bool) -> list[Rule]:
    return []  # it says how the circuit's own demand_kw is kept: _of_circuits


def _schedule(file: SiteFile, table: ScheduleRule, acts: bool) -> list[Rule]:
    hours = _hours(table.hours, range(1, 13))
    return [Schedule(table.id, table.circuit, table.to_kw * 1000, hours, BoundClass.COMMAND, acts)]


def _coincident_peak(file: SiteFile, table: CoincidentPeakRule, acts: bool) -> list[Rule]:
    hours = _hours(table.hours, table.months)
    return [Schedule(table.id, table.circuit, table.to_kw * 1000, hours, BoundClass.CONTRACT, acts)]


def _hours(written: Iterable[HoursWritten], months: Iterable[int]) -> tuple[Hours, ...]:
    def minutes(text: str) -> int:
        return 60 * int(text[:2]) + int(text[3:])

    return tuple(
        Hours(
            minutes(one.start),
            minutes(one.end),
            frozenset(DAYS.index(day) for day in one.days or WEEKDAYS),
            frozenset(months),
        )
        for one in written
    )


def _comms_loss(file: SiteFile, table: CommsLossRule, acts: bool) -> list[Rule]:
    circuit = table.circuit if table.circuit is not None else file.circuits[0].id
    after_ns, hold_max_ns = int(table.after_s * NS_PER_S), int(table.hold_max_s * NS_PER_S)
    return [CommsLoss(table.id, circuit, after_ns, table.then, hold_max_ns, acts)]


def _cooling(file: SiteFile, table: CoolingRule, acts: bool) -> list[Rule]:
    plc = next(plc for plc in file.plcs if plc.id == table.plc)
    return [
        Cooling(
            table.id,
            table.plc,
            tuple(Edge(one.point, one.above, one.value) for one in table.shed),
            table.shed_for_ms * NS_PER_MS,
            tuple(Edge(one.point, one.above, one.value) for one in table.warn),
            int(table.warn_for_s * NS_PER_S),
            tuple(Edge(one.point, one.above, one.value) for one in table.permit),
            int(table.permit_for_s * NS_PER_S),
            (PERMIT_BIT,) if has_bit(plc, PERMIT_BIT) else (),
            table.auto_returns_per_day,
            acts,
        )
    ]


_KINDS: dict[type, Callable[[SiteFile, Any, bool], list[Rule]]] = {
    UnderFrequencyRule: _under_frequency,
    PowerCapRule: _power_cap,
    CommandRule: _command,
    DemandWindowRule: _demand_window,
    ScheduleRule: _schedule,
    CoincidentPeakRule: _coincident_peak,
    CommsLossRule: _comms_loss,
    CoolingRule: _cooling,
}
