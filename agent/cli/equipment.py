"""What a site.toml says of tanks, contactors and GPUs, for `ballast check`.

A tank's loads, at rated watts, may hang on several circuits. How many GPUs a gpud has, and what they draw, only it can
say: here stands what the file says of them. A coil's write waits at worst for the transaction that is in flight on its
connection, and on RTU frames for a reply that is late (drivers/modbus/link.py).
"""

from typing import Final

from msgspec import Struct

from agent.config import ContactorTable, CoolingRule, GpusTable, LinkTable, SiteFile
from agent.config.budget import Budget, budget
from agent.config.cooling import key_of
from agent.core.tree import Tree, tank_node
from agent.core.values import NS_PER_MS

ALL: Final = "all"


class TankRow(Struct, frozen=True):
    """One tank: its rule's values and what it cools."""

    id: str
    rule: str
    acts: bool
    circuits: tuple[str, ...]
    loads: int
    rated_kw: float
    gpus: tuple[str, ...]  # [[gpus]] it cools; their number and watts are gpud's to say
    shed: tuple[str, ...]
    shed_for_ms: int
    warn: tuple[str, ...]
    warn_for_s: float
    permit: tuple[str, ...]
    permit_for_s: float
    auto_returns_per_day: int
    budget_ms: Budget


class ContactorRow(Struct, frozen=True):
    """One contactor: what it feeds, and how soon it can be told."""

    id: str
    plc: str
    circuit: str
    feeds: str
    loads: int
    rated_kw: float
    use: str
    permit: tuple[str, ...]
    write_wait_ms: float  # at worst, until its coil's frame may go out
    on_silence: str


class GpusRow(Struct, frozen=True):
    """One [[gpus]] table."""

    id: str
    circuit: str
    at: str
    gpus: int | None  # None: all that gpud has
    floor_w: float
    fallback_w: float
    tank: str | None


def tanks(file: SiteFile, tree: Tree) -> tuple[TankRow, ...]:
    """Every tank, in the order of the rules."""
    return tuple(_tank(file, tree, rule) for rule in file.rules if isinstance(rule, CoolingRule))


def contactors(file: SiteFile, tree: Tree) -> tuple[ContactorRow, ...]:
    """Every contactor."""
    links = {link.id: link for link in file.links}
    plcs = {plc.id: plc for plc in file.plcs}
    return tuple(_contactor(tree, contactor, links[plcs[contactor.plc].link]) for contactor in file.contactors)


def gpus(file: SiteFile) -> tuple[GpusRow, ...]:
    """Every table of GPUs."""
    return tuple(
        GpusRow(row.id, row.circuit, row.at, _count(row), row.floor_w, row.fallback_w, row.cooling) for row in file.gpus
    )


def write_wait_ms(link: LinkTable) -> float:
    """The longest that a coil's frame waits for its turn on a link."""
    # Here, not at the top: they bring pymodbus, and most sites are checked without it.
    from drivers.modbus.link import write_wait_s_max
    from drivers.modbus.serial import CHARACTER_BITS

    byte_s = CHARACTER_BITS / link.line.baudrate if link.line is not None else 0.0
    return 1000 * write_wait_s_max(byte_s, alone=link.writes_apart, late=link.rtu)


def _tank(file: SiteFile, tree: Tree, rule: CoolingRule) -> TankRow:
    loads = [load for load in tree.site.loads if tank_node(rule.plc) in tree.nodes_of[load.id]]
    cooled = tuple(row.id for row in file.gpus if row.cooling == rule.plc)
    circuits = {load.circuit for load in loads} | {row.circuit for row in file.gpus if row.cooling == rule.plc}
    plc = next(plc for plc in file.plcs if plc.id == rule.plc)
    reach_ms = max((load.steps[0].reach_ns // NS_PER_MS for load in loads), default=0)
    return TankRow(
        id=rule.plc,
        rule=rule.id,
        acts=file.acts(rule),
        circuits=tuple(circuit.id for circuit in file.circuits if circuit.id in circuits),
        loads=len(loads),
        rated_kw=sum(load.steps[-1].watts for load in loads) / 1000,
        gpus=cooled,
        shed=tuple(f"{key_of(one)} {one.value:g}" for one in rule.shed),
        shed_for_ms=rule.shed_for_ms,
        warn=tuple(f"{key_of(one)} {one.value:g}" for one in rule.warn),
        warn_for_s=rule.warn_for_s,
        permit=tuple(f"{key_of(one)} {one.value:g}" for one in rule.permit),
        permit_for_s=rule.permit_for_s,
        auto_returns_per_day=rule.auto_returns_per_day,
        budget_ms=budget(0.0, float(plc.fast_ms), float(rule.shed_for_ms), len(loads), float(reach_ms)),
    )


def _contactor(tree: Tree, table: ContactorTable, link: LinkTable) -> ContactorRow:
    contactor = tree.contactors[table.id]
    feeds = table.feeds
    name = feeds.gpus or feeds.miners or ""
    return ContactorRow(
        id=table.id,
        plc=table.plc,
        circuit=contactor.circuit,
        feeds=f"{name}, string {feeds.string}" if feeds.string is not None else name,
        loads=len(contactor.feeds),
        rated_kw=sum(tree.loads[load].steps[-1].watts for load in contactor.feeds) / 1000,
        use=table.use,
        permit=table.permit,
        write_wait_ms=write_wait_ms(link),
        on_silence=table.on_silence,
    )


def _count(table: GpusTable) -> int | None:
    return None if table.select == ALL else len(table.select)
