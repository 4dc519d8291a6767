"""Power cap: every circuit's own limit, always in force; a rule of this kind sets how far below it we stay.

The bound is there all the time. It binds when the net power stands above it, and leaves room when it stands below.
"""

from msgspec import Struct

from agent.core.bounds import Bound
from agent.core.site import BoundClass
from agent.core.tree import Tree


class PowerCap(Struct, frozen=True, tag="power_cap"):
    """The rule as configured."""

    id: str
    circuit: str
    margin_w: float = 0.0
    acts: bool = True


def limit_key(circuit: str, kind: str = "") -> str:
    """What events of a circuit's own limit are kept under; `kind`: of one beside its limit_kw."""
    return f"limit@{circuit}/{kind}" if kind else f"limit@{circuit}"


def is_limit(key: str) -> bool:
    """Whether an event is of a circuit's own limit: always in force, so it ends when there is room, not when the bound
    is gone.
    """
    return key.startswith("limit@")


def limit_bounds(tree: Tree, caps: tuple[PowerCap, ...]) -> tuple[Bound, ...]:
    """One bound for each circuit; worked out once, since nothing in it changes."""
    by_circuit = {cap.circuit: cap for cap in caps}
    bounds: list[Bound] = []
    for circuit in tree.site.circuits:
        cap = by_circuit.get(circuit.id)
        margin_w = cap.margin_w if cap is not None else 0.0
        bounds.append(
            Bound(
                circuit.id,
                limit_key(circuit.id),
                cap.id if cap is not None else "power_cap",
                BoundClass.PROTECT,
                circuit.limit_w - margin_w,
                acts=cap.acts if cap is not None else not tree.site.observe,
            )
        )
    return tuple(bounds)
