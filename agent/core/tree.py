"""The site worked out once: who hangs under whom, and the names that every decision would otherwise build again."""

from agent.core.site import Circuit, Load, Meter, Site
from agent.core.values import NS_PER_MS

FRESH_NS_MIN = 250 * NS_PER_MS  # a polled value is still fresh after a lost poll or two, however fast the poll is
POLLS_FRESH = 5
REFRESHES_ALIVE = 5  # design.md 4.2: some fast register changes within five refreshes, or the meter is not alive


class MeterKeys:
    """One meter's points by their image names, and how long a value of it may be believed."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.power = f"{meter.id}.power_w"
        self.frequency = f"{meter.id}.frequency_hz"
        self.voltages = tuple(f"{meter.id}.voltage_l{phase}_v" for phase in (1, 2, 3))
        self.fresh_ns = max(FRESH_NS_MIN, POLLS_FRESH * meter.poll_ns)
        self.alive_ns = REFRESHES_ALIVE * meter.refresh_ns + self.fresh_ns


class Tree:
    """A Site with its relations resolved; immutable by convention."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.circuits: dict[str, Circuit] = {circuit.id: circuit for circuit in site.circuits}
        self.meters: dict[str, MeterKeys] = {meter.id: MeterKeys(meter) for meter in site.meters}
        self.loads: dict[str, Load] = {load.id: load for load in site.loads}
        self.children: dict[str, tuple[str, ...]] = {
            circuit.id: tuple(other.id for other in site.circuits if other.parent == circuit.id)
            for circuit in site.circuits
        }
        self.path: dict[str, tuple[str, ...]] = {}  # circuit -> itself and its ancestors, inside out
        for circuit in site.circuits:
            above = self.path[circuit.parent] if circuit.parent is not None else ()
            self.path[circuit.id] = (circuit.id, *above)
        self.leaves_first: tuple[str, ...] = tuple(circuit.id for circuit in reversed(site.circuits))
        # Cheap watts go first; among equals the big loads, so that few are told; then by name: repeatable.
        self.shed_order: tuple[Load, ...] = tuple(
            sorted(site.loads, key=lambda load: (load.value_usd_per_mwh, -load.steps[-1].watts, load.id))
        )
        self.shed_rank: dict[str, int] = {load.id: rank for rank, load in enumerate(self.shed_order)}

    def path_of_load(self, load: str) -> tuple[str, ...]:
        """The circuits that a load's watts flow through, inside out."""
        return self.path[self.loads[load].circuit]
