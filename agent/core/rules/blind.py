"""Blind: a circuit whose power cannot be known any more goes to its fallback by ramp (design.md 4.1).

Not a rule that a site names: it comes with `fallback_kw`. From `blind_after_s` of silence on, the circuit is bounded by
what its children and loads draw at their worst, falling at `ramp_down_kw_per_min` to `fallback_kw`. A circuit without a
fallback is held: nothing rises, nothing is shed.
"""

from agent.core.bounds import Bound
from agent.core.site import BoundClass, Circuit
from agent.core.values import NS_PER_S


def blind_key(circuit: str) -> str:
    """What events of a circuit's blindness are kept under."""
    return f"blind@{circuit}"


def blind_bound(circuit: Circuit, from_w: float, since_ns: int, now_ns: int, observe: bool) -> Bound | None:
    """The bound of a circuit that has been blind since since_ns and stood at from_w then."""
    if circuit.fallback_w is None:
        return None
    down_w = circuit.ramp_down_w_per_s * max(0, now_ns - since_ns) / NS_PER_S
    hi_w = max(circuit.fallback_w, from_w - down_w)
    return Bound(circuit.id, blind_key(circuit.id), "blind", BoundClass.PROTECT, hi_w, acts=not observe, begins=True)
