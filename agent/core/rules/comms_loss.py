"""Loss of the broker: what becomes of the limits that came from it, after `after_ns` without a connection.

hold      the limits in force when it was lost stay, also those whose leases lapse meanwhile, for `hold_max_ns` from the
          loss on: whoever set them can neither renew nor release them
release   limits from outside bind nothing until it is back; local rules and ratings do, as ever
fallback  the circuit goes to its fallback_kw: nobody outside sees what this site does any more

When the broker is back everything is as its leases say. After a restart the time begins again in full.
"""

from collections.abc import Mapping

from msgspec import Struct

from agent.core.bounds import Bound
from agent.core.rules.asked import Answer, Asked
from agent.core.rules.command import in_force
from agent.core.site import BoundClass
from agent.core.state import Event

ALARM = "the broker has been away for too long"


class CommsLoss(Struct, frozen=True, tag="comms_loss"):
    """The rule as configured."""

    id: str
    circuit: str  # that goes to its fallback
    after_ns: int
    then: str  # hold | release | fallback
    hold_max_ns: int
    acts: bool = True


class CommsMemory(Struct, frozen=True):
    """What was in force when the broker was lost."""

    lost_ns: int
    limits_w: Mapping[str, float]  # circuit -> the lowest


def decide_comms_loss(rule: CommsLoss, asked: Asked, event: Event | None) -> Answer:
    """Nothing while there is a broker."""
    lost_ns = asked.image.away_ns
    if lost_ns is None:
        return Answer()
    memory = asked.memory
    if not isinstance(memory, CommsMemory) or memory.lost_ns != lost_ns:
        memory = CommsMemory(lost_ns, _limits(asked))
    away_ns = asked.now_ns - lost_ns
    if away_ns < rule.after_ns:
        return Answer(memory=memory)
    if rule.then == "release":
        return Answer(memory=memory, alarm=ALARM, sets_leases_aside=rule.acts)
    if rule.then == "fallback":
        fallback_w = asked.tree.circuits[rule.circuit].fallback_w
        limits_w = {} if fallback_w is None else {rule.circuit: fallback_w}
    else:
        limits_w = dict(memory.limits_w) if away_ns < rule.hold_max_ns else {}
    bounds = tuple(_bound(rule, circuit, hi_w) for circuit, hi_w in limits_w.items())
    return Answer(bounds, memory, ALARM)


def _limits(asked: Asked) -> dict[str, float]:
    found: dict[str, float] = {}
    for lease in asked.image.leases:
        if in_force(lease, asked.now_ns):
            found[lease.circuit] = min(lease.limit_w, found.get(lease.circuit, lease.limit_w))
    return found


def _bound(rule: CommsLoss, circuit: str, hi_w: float) -> Bound:
    return Bound(circuit, f"{rule.id}@{circuit}", rule.id, BoundClass.COMMAND, hi_w, acts=rule.acts)
