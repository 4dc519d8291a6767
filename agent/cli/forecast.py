"""What a site would do, worked out from its site.toml alone, at rated watts: the ladder, each rule's shed, its time.

Theory. Loads are shed in the order of agent/core/tree.py. A load gives up its rated watts less what it draws at its
lowest step. What a rule would shed is the shortest run of its circuit's ladder that is enough.
The time from the grid's change until the watts are gone is at most the sum of

    refresh   until the meter has a new value: its refresh_ms
    poll      until it is read: its fast_ms; of a circuit without a meter, its loads' poll_s
    confirm   refresh_ms for each refresh after the first that must agree
    send      until the last load has its command: the figures of design 5, measured with 1,000, 4,000 and 8,000 loads
    load      until a load that was told is down, at the latest: its family's own time
"""

from msgspec import Struct

from agent.cli import equipment
from agent.cli.equipment import ContactorRow, GpusRow, TankRow
from agent.config import (
    CircuitTable,
    CoincidentPeakRule,
    CommandRule,
    CommsLossRule,
    CoolingRule,
    DemandWindowRule,
    PowerCapRule,
    ScheduleRule,
    SiteFile,
    UnderFrequencyRule,
)
from agent.config.budget import Budget, budget
from agent.config.checks import floors_kw
from agent.core.tree import Tree
from agent.core.values import NS_PER_MS
from agent.translate import translate
from agent.translate_rules import frequency_meter

PowerRule = (  # those about a circuit's power
    UnderFrequencyRule
    | PowerCapRule
    | CommandRule
    | CommsLossRule
    | DemandWindowRule
    | ScheduleRule
    | CoincidentPeakRule
)


class Rung(Struct, frozen=True):
    """One load on the ladder."""

    load: str
    group: str
    circuit: str
    worth_w: float
    cumulative_w: float
    reach_ms: int


class CircuitRow(Struct, frozen=True):
    """One circuit with what hangs on it and beneath it."""

    id: str
    parent: str | None
    depth: int
    meter: str | None
    limit_kw: float
    demand_kw: float | None
    floor_kw: float
    rated_kw: float  # everything running at rated watts
    fallback_kw: float | None
    loads: int


class RuleRow(Struct, frozen=True):
    """What one rule would do with everything running at rated watts."""

    id: str
    kind: str
    circuit: str | None
    acts: bool
    when: str  # what sets it off
    wanted_kw: float  # to shed
    shed_kw: float
    loads: int
    budget_ms: Budget

    @property
    def unmet_kw(self) -> float:
        """What the ladder lacks."""
        return max(0.0, self.wanted_kw - self.shed_kw)


class Forecast(Struct, frozen=True):
    """All of it."""

    site: str
    agent: str
    control: str
    circuits: tuple[CircuitRow, ...]
    ladder: tuple[Rung, ...]
    rules: tuple[RuleRow, ...]
    tanks: tuple[TankRow, ...] = ()
    contactors: tuple[ContactorRow, ...] = ()
    gpus: tuple[GpusRow, ...] = ()


def forecast(file: SiteFile) -> Forecast:
    """What the site would do."""
    tree = Tree(translate(file, {}).site)
    circuits = _circuits(file)
    rules = tuple(_rule(file, tree, circuits, rule) for rule in file.rules if not isinstance(rule, CoolingRule))
    return Forecast(
        file.site.id,
        file.site.agent,
        file.site.control,
        circuits,
        ladder(tree, _root(file).id),
        rules,
        equipment.tanks(file, tree),
        equipment.contactors(file, tree),
        equipment.gpus(file),
    )


def ladder(tree: Tree, circuit: str) -> tuple[Rung, ...]:
    """A circuit's loads in the order in which the agent would shed them, with cumulative watts."""
    rungs: list[Rung] = []
    sum_w = 0.0
    for load in tree.shed_order:
        if circuit not in tree.path[load.circuit] or len(load.steps) == 1:
            continue  # elsewhere, or only read
        below = load.steps[0]
        worth_w = load.steps[-1].watts - below.watts
        sum_w += worth_w
        rungs.append(Rung(load.id, load.group, load.circuit, worth_w, sum_w, below.reach_ns // NS_PER_MS))
    return tuple(rungs)


def _root(file: SiteFile) -> CircuitTable:
    return file.circuits[0]


def _beneath(file: SiteFile, circuit: str) -> set[str]:
    """The circuit and all that it feeds; circuits stand parents first."""
    found = {circuit}
    for other in file.circuits:
        if other.parent in found:
            found.add(other.id)
    return found


def _circuits(file: SiteFile) -> tuple[CircuitRow, ...]:
    asleep_kw: dict[str, float] = {}
    rated_kw: dict[str, float] = {}
    loads: dict[str, int] = {}
    for miners in file.miners:
        at = miners.circuit
        asleep_kw[at] = asleep_kw.get(at, 0.0) + miners.asleep_kw
        rated_kw[at] = rated_kw.get(at, 0.0) + sum(host.rated_w for host in miners.hosts) / 1000
        loads[at] = loads.get(at, 0) + len(miners.hosts)
    floors = floors_kw(file.circuits, asleep_kw)
    full = floors_kw(file.circuits, rated_kw)
    children: dict[str | None, list[CircuitTable]] = {}
    for circuit in file.circuits:
        children.setdefault(circuit.parent, []).append(circuit)
    rows: list[CircuitRow] = []

    def add(circuit: CircuitTable, depth: int) -> None:
        count = sum(loads.get(name, 0) for name in _beneath(file, circuit.id))
        rows.append(
            CircuitRow(
                circuit.id,
                circuit.parent,
                depth,
                circuit.meter,
                circuit.limit_kw,
                circuit.demand_kw,
                floors[circuit.id],
                full[circuit.id],
                circuit.fallback_kw,
                count,
            )
        )
        for child in children.get(circuit.id, []):
            add(child, depth + 1)

    add(_root(file), 0)
    return tuple(rows)


def _rule(file: SiteFile, tree: Tree, circuits: tuple[CircuitRow, ...], rule: PowerRule) -> RuleRow:
    circuit = rule.circuit if rule.circuit is not None else _root(file).id
    row = next(row for row in circuits if row.id == circuit)
    rungs = ladder(tree, circuit)
    when, wanted_kw = _wanted(rule, row)
    taken = _cut(rungs, 1000 * wanted_kw)
    refresh, poll = _heard_within(file, rule)
    confirm = refresh * (rule.confirm_refreshes - 1) if isinstance(rule, UnderFrequencyRule) else 0.0
    load = float(max((rung.reach_ms for rung in taken), default=0))
    return RuleRow(
        id=rule.id,
        kind=str(type(rule).__struct_config__.tag),
        circuit=rule.circuit,
        acts=file.acts(rule),
        when=when,
        wanted_kw=wanted_kw,
        shed_kw=taken[-1].cumulative_w / 1000 if taken else 0.0,
        loads=len(taken),
        budget_ms=budget(refresh, poll, confirm, len(taken), load),
    )


def _wanted(rule: PowerRule, row: CircuitRow) -> tuple[str, float]:
    """What sets the rule off, and how much it then wants shed with everything running."""
    match rule:
        case UnderFrequencyRule(shed_below_hz=hz, to_kw=None, shed_kw=shed_kw):
            return f"below {hz:g} Hz", shed_kw or 0.0
        case UnderFrequencyRule(shed_below_hz=hz, to_kw=to_kw):
            return f"below {hz:g} Hz, to {to_kw:g} kW", max(0.0, row.rated_kw - (to_kw or 0.0))
        case PowerCapRule(margin_kw=margin_kw):
            target_kw = row.limit_kw - margin_kw
            return f"above {target_kw:g} kW", max(0.0, row.rated_kw - target_kw)
        case DemandWindowRule(margin_kw=margin_kw):
            target_kw = (row.demand_kw or row.limit_kw) - margin_kw
            return f"more than {target_kw:g} kW on average", max(0.0, row.rated_kw - target_kw)
        case ScheduleRule(to_kw=to_kw) | CoincidentPeakRule(to_kw=to_kw):
            return f"at its hours, to {to_kw:g} kW", max(0.0, row.rated_kw - to_kw)
        case CommandRule():
            return "a signed limit, the lowest that can be reached", row.rated_kw - row.floor_kw
        case CommsLossRule(then="fallback", after_s=after_s):
            return f"no broker for {after_s:g} s: to fallback_kw", max(0.0, row.rated_kw - (row.fallback_kw or 0.0))
        case CommsLossRule(then=then, after_s=after_s):
            return f"no broker for {after_s:g} s: {then} limits", 0.0


def _cut(rungs: tuple[Rung, ...], wanted_w: float) -> tuple[Rung, ...]:
    """The shortest run of rungs that is enough; all of them when even that is too little."""
    for count, rung in enumerate(rungs, 1):
        if wanted_w <= 0:
            return ()
        if rung.cumulative_w >= wanted_w:
            return rungs[:count]
    return rungs


def _heard_within(file: SiteFile, rule: PowerRule) -> tuple[float, float]:
    """How old what the rule looks at may be, ms: the meter's refresh and poll; without a meter, its loads' poll."""
    if isinstance(rule, CommandRule | CommsLossRule | ScheduleRule | CoincidentPeakRule):
        return 0.0, 0.0
    name: str | None
    if isinstance(rule, UnderFrequencyRule):
        name = frequency_meter(file, rule.circuit)
    else:
        name = next(row.meter for row in file.circuits if row.id == rule.circuit)
    for meter in file.meters:
        if meter.id == name:
            return float(meter.refresh_ms), float(meter.fast_ms)
    beneath = _beneath(file, rule.circuit)
    return 0.0, max((1000 * miners.poll_s for miners in file.miners if miners.circuit in beneath), default=0.0)
