"""The site worked out once: who hangs under whom, and the names that every decision would otherwise build again.

Nodes are what bounds act on: circuits, and tanks ("tank:ID") beside them. A load's watts flow through its circuits; a
bound on its tank reaches it too.
"""

from agent.core.site import Circuit, Contactor, Load, Meter, Plc, Site, Step
from agent.core.values import NS_PER_MS, NS_PER_S

FRESH_NS_MIN = 250 * NS_PER_MS  # a polled value is still fresh after a lost poll or two, however fast the poll is
POLLS_FRESH = 5
REFRESHES_ALIVE = 5  # design.md 4.2: some fast register changes within five refreshes, or the meter is not alive


def tank_node(tank: str) -> str:
    """What a tank is called among the nodes."""
    return f"tank:{tank}"


class MeterKeys:
    """One meter's points by their image names, and how long a value of it may be believed."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.power = f"{meter.id}.power_w"
        self.frequency = f"{meter.id}.frequency_hz"
        self.voltages = tuple(f"{meter.id}.voltage_l{phase}_v" for phase in (1, 2, 3))
        self.currents = tuple(f"{meter.id}.current_l{phase}_a" for phase in (1, 2, 3))
        self.fresh_ns = max(FRESH_NS_MIN, POLLS_FRESH * meter.poll_ns)
        self.alive_ns = REFRESHES_ALIVE * meter.refresh_ns + self.fresh_ns


class Tree:
    """A Site with its relations resolved; immutable by convention."""

    def __init__(self, site: Site) -> None:
        self.site = site
        tanks = tuple(Circuit(tank_node(tank.id), None, None, float("inf")) for tank in site.tanks)
        self.tanks = frozenset(tank.id for tank in tanks)
        self.circuits: dict[str, Circuit] = {node.id: node for node in (*site.circuits, *tanks)}  # and tanks
        self.meters: dict[str, MeterKeys] = {meter.id: MeterKeys(meter) for meter in site.meters}
        self.plcs: dict[str, Plc] = {plc.id: plc for plc in site.plcs}
        self.contactors: dict[str, Contactor] = {contactor.id: contactor for contactor in site.contactors}
        self.fed_by: dict[str, str] = {load: contactor.id for contactor in site.contactors for load in contactor.feeds}
        self.loads: dict[str, Load] = {load.id: load for load in site.loads}
        self.loads |= {contactor.id: _as_load(contactor, self.loads) for contactor in site.contactors}
        self.children: dict[str, tuple[str, ...]] = {
            name: tuple(other.id for other in site.circuits if other.parent == name) for name in self.circuits
        }
        self.path: dict[str, tuple[str, ...]] = {}  # circuit -> itself and its ancestors, inside out
        for circuit in self.circuits.values():
            above = self.path[circuit.parent] if circuit.parent is not None else ()
            self.path[circuit.id] = (circuit.id, *above)
        self.nodes_of: dict[str, tuple[str, ...]] = {  # load -> its circuits inside out, and its tank
            load.id: (*self.path[load.circuit], *((tank_node(load.tank),) if load.tank is not None else ()))
            for load in self.loads.values()
        }
        self.leaves_first: tuple[str, ...] = (
            *(tank.id for tank in tanks),
            *(circuit.id for circuit in reversed(site.circuits)),
        )
        # Cheap watts go first; among equals the big loads, so that few are told; then by name: repeatable.
        self.shed_order: tuple[Load, ...] = tuple(
            sorted(site.loads, key=lambda load: (load.value_usd_per_mwh, -load.steps[-1].watts, load.id))
        )

    def step_watts(self, load: str, step: str) -> float:
        """What a load draws at one of its steps; its highest for a step that it does not have."""
        steps = self.loads[load].steps
        return next((one.watts for one in steps if one.name == step), steps[-1].watts)

    def at_or_below(self, load: str, step: str, than: str) -> bool:
        """Whether a step is the same as another, or lower."""
        names = [one.name for one in self.loads[load].steps]
        return step in names and than in names and names.index(step) <= names.index(than)

    def under(self, target: str) -> tuple[str, ...]:
        """The loads and contactors that a person means by a load, group, circuit, tank or contactor; empty: nothing."""
        node = tank_node(target) if tank_node(target) in self.circuits else target
        if node in self.contactors:
            return (node, *self.contactors[node].feeds)
        return tuple(
            load.id for load in self.loads.values() if target in (load.id, load.group) or node in self.nodes_of[load.id]
        )


def _as_load(contactor: Contactor, loads: dict[str, Load]) -> Load:
    """A contactor as what can be told a step: everything that it feeds, at once."""
    watts = sum(loads[name].steps[-1].watts for name in contactor.feeds)
    steps = (Step("open", 0.0, contactor.within_ns + NS_PER_S), Step("closed", watts, 60 * NS_PER_S))
    tanks = {loads[name].tank for name in contactor.feeds}
    return Load(
        contactor.id,
        contactor.circuit,
        steps,
        0.0,
        contactor.open_ns_min,
        0,
        NS_PER_S,
        tank=tanks.pop() if len(tanks) == 1 else None,
        kind="contactor",
    )
