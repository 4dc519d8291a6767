"""Demand: a circuit's average over the tariff's window stays at or under `demand_kw`.

    hi_w = demand_w + (demand_w * time so far - energy so far) / time left

in the window that runs now, so that what was left unused earlier in it may be drawn later in it. Energy counts while it
is imported; export never credits. The difference is spread over LEAD at least, or the last seconds of a window would
allow, and deny, anything.

clock     windows begin at whole multiples of their length since 1970 UTC, while that clock is trusted; else sliding
pulse     they begin when the utility's contact closes (0 to 1); after a pulse that is overdue, sliding until the next
sliding   every window of this length counts: no credit is taken from what has been left unused

Watts that are not known count as the circuit's limit, and the part of a window from before the start as demand_w: what
is not known is never counted as spared. Class contract: what this costs is money.
"""

from msgspec import Struct

from agent.core.bounds import Bound
from agent.core.rules.asked import Answer, Asked
from agent.core.site import BoundClass
from agent.core.state import Event
from agent.core.values import NS_PER_MS, NS_PER_S, fresh_value

LEAD_NS = 30 * NS_PER_S
OVERDUE = 1.1  # of a window: a pulse later than this was missed
PULSE_FRESH_NS = 5 * NS_PER_S


class DemandWindow(Struct, frozen=True, tag="demand_window"):
    """A circuit's demand_kw and window_min, and how its windows are found."""

    id: str  # what its events are kept under: power_cap.limit_key
    rule: str  # its name, for people
    circuit: str
    demand_w: float
    window_ns: int
    interval: str = "clock"  # clock | pulse | sliding
    pulse: str = ""  # the image point of the utility's contact
    acts: bool = True


class DemandMemory(Struct, frozen=True):
    """The window that runs."""

    began_ns: int
    energy_ws: float
    at_ns: int  # up to when it was counted
    watts: float  # what was drawn then
    number: int | None = None  # by the clock, which window it is
    contact: bool = False  # the pulse's contact was closed


def decide_demand_window(rule: DemandWindow, asked: Asked, event: Event | None) -> Answer:
    """The bound of the window that runs now."""
    now_ns = asked.now_ns
    net = asked.nets[rule.circuit]
    watts = max(0.0, net.watts) if net.watts is not None else asked.tree.circuits[rule.circuit].limit_w
    memory = asked.memory
    if not isinstance(memory, DemandMemory):
        memory = _begin(rule, asked, now_ns, watts)
    else:
        drawn_ws = memory.watts * (now_ns - memory.at_ns) / NS_PER_S
        memory = DemandMemory(
            memory.began_ns, memory.energy_ws + drawn_ws, now_ns, watts, memory.number, memory.contact
        )
        memory = _next(rule, asked, memory)
    hi_w = _allowed_w(rule, memory, now_ns)
    bound = Bound(rule.circuit, rule.id, rule.rule, BoundClass.CONTRACT, hi_w, acts=rule.acts)
    return Answer((bound,), memory)


def _number(rule: DemandWindow, asked: Asked) -> int | None:
    """Which window the clock says it is."""
    if rule.interval != "clock" or asked.image.wall_ms is None:
        return None
    return asked.image.wall_ms * NS_PER_MS // rule.window_ns


def _closed(rule: DemandWindow, asked: Asked) -> bool:
    value = fresh_value(asked.image.points.get(rule.pulse), asked.now_ns, PULSE_FRESH_NS) if rule.pulse else None
    return value is not None and value >= 0.5


def _begin(rule: DemandWindow, asked: Asked, now_ns: int, watts: float) -> DemandMemory:
    """At the start: the part of the window that was not seen counts as demand_w."""
    number = _number(rule, asked)
    passed_ns = 0 if rule.interval == "clock" else 2 * rule.window_ns  # a pulse is still to come
    if number is not None and asked.image.wall_ms is not None:
        passed_ns = asked.image.wall_ms * NS_PER_MS - number * rule.window_ns
    energy_ws = rule.demand_w * passed_ns / NS_PER_S
    return DemandMemory(now_ns - passed_ns, energy_ws, now_ns, watts, number, _closed(rule, asked))


def _next(rule: DemandWindow, asked: Asked, memory: DemandMemory) -> DemandMemory:
    """The same window, or the next one."""
    now_ns = asked.now_ns
    number, closed = _number(rule, asked), _closed(rule, asked)
    if rule.interval == "clock" and number is not None and number != memory.number:
        assert asked.image.wall_ms is not None
        passed_ns = asked.image.wall_ms * NS_PER_MS - number * rule.window_ns
        began_ns = now_ns - passed_ns
        energy_ws = memory.watts * passed_ns / NS_PER_S
        return DemandMemory(began_ns, energy_ws, now_ns, memory.watts, number, closed)
    if rule.interval == "pulse" and closed and not memory.contact:
        return DemandMemory(now_ns, 0.0, now_ns, memory.watts, None, closed)
    return DemandMemory(
        memory.began_ns,
        memory.energy_ws,
        memory.at_ns,
        memory.watts,
        memory.number if number is None else number,
        closed,
    )


def _allowed_w(rule: DemandWindow, memory: DemandMemory, now_ns: int) -> float:
    left_ns = memory.began_ns + rule.window_ns - now_ns
    known = rule.interval == "clock" and memory.number is not None
    known = known or (rule.interval == "pulse" and now_ns - memory.began_ns <= OVERDUE * rule.window_ns)
    if not known or left_ns <= 0:
        return rule.demand_w
    spared_ws = rule.demand_w * (now_ns - memory.began_ns) / NS_PER_S - memory.energy_ws
    return max(0.0, rule.demand_w + spared_ws / (max(left_ns, LEAD_NS) / NS_PER_S))
