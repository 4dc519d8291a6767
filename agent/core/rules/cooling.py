"""Cooling: shed, warn and permit values of one tank, each with its time; the figures come from the tank's maker.

shed     any value passed for `shed_for_ns` without a break, or the PLC silent for its blind time: all that the tank
         cools goes to its lowest step, whatever jump limits say. Two-phase fluid stores next to no heat: 100 kW make a
         kilogram of vapour a second (grid-and-ai.md 4), so this is the agent's part beside the PLC's own interlock.
warn     any value passed for `warn_for_ns`: an alarm, and nothing rises.
permit   every value kept, and the PLC's own permit where it has one, for `permit_for_ns`: only then may its loads
         rise. A process trip returns by itself `auto_returns_per_day` times in 24 h; then it stays off (LATCHED) until
         somebody on site acknowledges.

A value that is missing or bad counts as passed for warn and permit, and for shed once the PLC is silent for its blind
time.
"""

from msgspec import Struct

from agent.core.bounds import Bound
from agent.core.image import Image
from agent.core.site import BoundClass
from agent.core.state import CoolingMemory, Event, State
from agent.core.tree import FRESH_NS_MIN, POLLS_FRESH, Tree, tank_node
from agent.core.values import DAY_NS, Quality, fresh_value


class Edge(Struct, frozen=True):
    """One value that must not be passed."""

    point: str  # of the PLC: "vapor_pressure_kpa_g"
    above: bool  # passed when above; else when below
    value: float


class Cooling(Struct, frozen=True, tag="cooling"):
    """The rule as configured; `permit` holds the values that must be kept."""

    id: str
    plc: str
    shed: tuple[Edge, ...]
    shed_for_ns: int
    warn: tuple[Edge, ...]
    warn_for_ns: int
    permit: tuple[Edge, ...]  # `above` here: it must be above
    permit_for_ns: int
    permit_bits: tuple[str, ...]  # the PLC's own: points that must be 1
    auto_returns_per_day: int
    acts: bool = True


class Cooled(Struct, frozen=True):
    """What the rule says of one image."""

    memory: CoolingMemory
    bound: Bound | None
    permitted: bool  # loads of this tank may rise
    latch: str = ""  # why it is to stay off until acknowledged


def decide_cooling(
    rule: Cooling, tree: Tree, state: State, image: Image, now_ns: int, open_event: Event | None
) -> Cooled:
    """The rule's memory after this image, its bound while the tank is shed, and whether its loads may rise."""
    before = state.cooling.get(rule.id, CoolingMemory())
    plc = tree.plcs[rule.plc]
    fresh_ns = max(FRESH_NS_MIN, POLLS_FRESH * plc.poll_ns)
    node = tank_node(rule.plc)
    why = _passed(rule, rule.shed, image, now_ns, max(plc.blind_after_ns, fresh_ns))
    heard_ns = _heard_ns(rule, image, now_ns, before)
    silent = now_ns - heard_ns >= plc.blind_after_ns
    over_ns = _since(before.over_ns, bool(why) or silent, now_ns)
    warned_by = _passed(rule, rule.warn, image, now_ns, fresh_ns)
    warn_ns = _since(before.warn_ns, bool(warned_by), now_ns)
    kept = not why and not silent and _kept(rule, image, now_ns, fresh_ns)
    permit_ns = _since(before.permit_ns, kept, now_ns)
    warned = warn_ns is not None and now_ns - warn_ns >= rule.warn_for_ns
    if silent:
        why = f"{rule.plc} is silent"
    memory = CoolingMemory(over_ns, warn_ns, permit_ns, warned, why or warned_by or before.why, heard_ns)
    held = permit_ns is not None and now_ns - permit_ns >= rule.permit_for_ns
    sheds = over_ns is not None and (silent or now_ns - over_ns >= rule.shed_for_ns)
    latched = node in state.durable.latched
    permitted = held and not warned and not latched
    bound = Bound(node, rule.id, rule.id, BoundClass.PROTECT, 0.0, acts=rule.acts, begins=True, unlimited=True)
    if sheds or latched:
        return Cooled(memory, bound, False)
    if open_event is None:
        return Cooled(memory, None, permitted)
    if not held:
        return Cooled(memory, bound, False)
    returns = [at_ns for at_ns in state.durable.auto_returns.get(node, ()) if now_ns - at_ns < DAY_NS]
    if len(returns) >= rule.auto_returns_per_day:
        return Cooled(memory, bound, False, f"it has returned by itself {len(returns)} times in 24 h")
    return Cooled(memory, None, permitted)


def _since(since_ns: int | None, holds: bool, now_ns: int) -> int | None:
    if not holds:
        return None
    return now_ns if since_ns is None else since_ns


def _passed(rule: Cooling, edges: tuple[Edge, ...], image: Image, now_ns: int, fresh_ns: int) -> str:
    """Which value is passed, in a few words; "" for none. One that was never read passes nothing yet."""
    for edge in edges:
        reading = image.points.get(f"{rule.plc}.{edge.point}")
        if reading is None:
            continue
        value = fresh_value(reading, now_ns, fresh_ns)
        if value is not None and (value > edge.value if edge.above else value < edge.value):
            return f"{edge.point} is {value:g}, {'above' if edge.above else 'below'} {edge.value:g}"
    return ""


def _heard_ns(rule: Cooling, image: Image, now_ns: int, before: CoolingMemory) -> int:
    """When every value that sheds was last read as a number; since now, where none ever was."""
    oldest_ns = now_ns
    for edge in rule.shed:
        reading = image.points.get(f"{rule.plc}.{edge.point}")
        if reading is None or reading.value is None or reading.quality is Quality.BAD:
            return before.heard_ns if before.heard_ns is not None else now_ns
        oldest_ns = min(oldest_ns, reading.taken_ns)
    return oldest_ns


def _kept(rule: Cooling, image: Image, now_ns: int, fresh_ns: int) -> bool:
    """Whether every permit value is kept and the PLC's own permit is given."""
    for edge in rule.permit:
        value = fresh_value(image.points.get(f"{rule.plc}.{edge.point}"), now_ns, fresh_ns)
        if value is None or not (value > edge.value if edge.above else value < edge.value):
            return False
    for bit in rule.permit_bits:
        value = fresh_value(image.points.get(f"{rule.plc}.{bit}"), now_ns, fresh_ns)
        if value is None or value < 0.5:
            return False
    return True
