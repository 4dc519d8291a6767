"""Commands: the limits that signed commands ask for, as bounds. Each has a lease; the tightest one binds.

By the time a lease is in the image, its signature, role, sequence and expiry were checked and it is durable
(agent/uplink/commands.py). When it lapses or is released its bound is gone; the circuit then returns by ramp.
"""

from msgspec import Struct

from agent.core.bounds import Bound
from agent.core.image import Image, Lease
from agent.core.site import BoundClass


class Command(Struct, frozen=True, tag="command"):
    """The rule as configured: whether commands act at all on this circuit."""

    id: str
    circuit: str
    acts: bool = True


def in_force(lease: Lease, now_ns: int) -> bool:
    """Whether a lease still binds; one that says hold keeps its limit until it is released."""
    return lease.until_ns is None or now_ns < lease.until_ns or lease.after == "hold"


def command_bounds(image: Image, now_ns: int, rule_of: dict[str, Command], observe: bool) -> list[Bound]:
    """One bound for each lease in force."""
    bounds: list[Bound] = []
    for lease in image.leases:
        if not in_force(lease, now_ns):
            continue
        rule = rule_of.get(lease.circuit)
        acts = rule.acts if rule is not None else not observe
        name = rule.id if rule is not None else "command"
        bounds.append(
            Bound(
                lease.circuit,
                lease.id,
                name,
                BoundClass.COMMAND,
                lease.limit_w,
                until_ns=lease.until_ns,
                slack_w=lease.tolerance_w,
                acts=acts,
            )
        )
    return bounds
