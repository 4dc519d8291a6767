"""Amperes: a circuit's current in its worst phase, always in force where the circuit has a `limit_a`.

    hi_w = net_w * limit_a / worst_a

Watts and amperes are proportional as long as power factor, voltage and the phases' shares are; where a shed changes
them, the next current works the bound out anew, so that it ends at the limit. Currents are read with the slow round, so
a bound is worked out once for each of them, with the watts of that moment: watts that have fallen since, beside a
current that has not been read again, would ask for the same amperes twice.

A current that is silent or bad says nothing; watts keep their own limit, and that nothing watches the amperes is an
alarm.
"""

from msgspec import Struct

from agent.core.bounds import Bound
from agent.core.rules.asked import Answer, Asked
from agent.core.site import BoundClass
from agent.core.state import Event
from agent.core.values import NS_PER_S, fresh_value

FRESH_NS = 10 * NS_PER_S  # ten slow rounds
LOAD_SHARE_MIN = 0.2  # below a fifth of the limit the ratio of watts to amperes is mostly the site's own supply
UNWATCHED = "no current is read: its limit_a is not kept"


class Amperes(Struct, frozen=True, tag="amperes"):
    """A circuit's limit_a."""

    id: str  # what its events are kept under: power_cap.limit_key
    circuit: str
    limit_a: float
    acts: bool = True


class AmperesMemory(Struct, frozen=True):
    """The bound that the newest current gave."""

    taken_ns: int
    hi_w: float


def decide_amperes(rule: Amperes, asked: Asked, event: Event | None) -> Answer:
    """A bound while the worst phase is near its limit or above."""
    net = asked.nets[rule.circuit]
    if net.meter is None:
        return Answer(alarm=UNWATCHED)
    keys = asked.tree.meters[net.meter].currents
    amps: list[float] = []
    taken_ns = 0
    for key in keys:
        amp = fresh_value(asked.image.points.get(key), asked.now_ns, FRESH_NS)
        if amp is not None:
            amps.append(amp)
            taken_ns = max(taken_ns, asked.image.points[key].taken_ns)
    if not amps:
        return Answer(alarm=UNWATCHED)
    memory = asked.memory
    if not isinstance(memory, AmperesMemory) or memory.taken_ns != taken_ns:
        worst_a = max(amps)
        idle = worst_a < LOAD_SHARE_MIN * rule.limit_a or net.last_w <= 0
        memory = AmperesMemory(taken_ns, float("inf") if idle else net.last_w * rule.limit_a / worst_a)
    if memory.hi_w == float("inf"):
        return Answer(memory=memory)
    return Answer((Bound(rule.circuit, rule.id, "limit_a", BoundClass.PROTECT, memory.hi_w, acts=rule.acts),), memory)
