"""The supply at the grid connection: alive, riding through a voltage excursion, or gone.

ALIVE          every phase stands above the ride-through curve
RIDE_THROUGH   a phase stands below it, for less time than the curve allows at that depth: the site stays connected.
               Nothing is lowered for it, nothing rises, and no watts that fall meanwhile are counted as delivered
OUTAGE         it has lasted longer, or the site's own contact (a 27 relay, the UPS) says that the supply is gone: that
               is known also when the meter died with it. Nothing rises until voltage and frequency have been within the
               enter-service window for its whole time. An outage withholds no shed, and a dead bus drives no frequency
               rule (rules/gate.py)

The curve is the utility's: per-unit voltage and the milliseconds that must be ridden through at it, straight lines
between; the worst phase counts, and the depth of this moment. Enter service: IEEE 1547-2018 4.10.2, whose default is
0.917 to 1.05 per unit and 59.5 to 60.1 Hz for 300 s.
"""

from collections.abc import Sequence

from msgspec import Struct

from agent.core.image import Image
from agent.core.rules.gate import gate
from agent.core.site import Contact, SupplyLimits
from agent.core.state import State, Supply, SupplyMemory
from agent.core.tree import FRESH_NS_MIN, POLLS_FRESH, MeterKeys, Tree
from agent.core.values import fresh_value

PHASES_MIN = 2


class Depth(Struct, frozen=True):
    """The lowest and the highest phase, per unit."""

    low_pu: float
    high_pu: float


def supply_of(tree: Tree, state: State, image: Image, now_ns: int) -> SupplyMemory:
    """What is known of the supply after this image."""
    limits = tree.site.supply
    memory = state.supply
    circuit = tree.site.circuits[0]
    if _gone(limits.outage_when, image, now_ns):
        return memory if memory.supply is Supply.OUTAGE and memory.good_ns is None else SupplyMemory(Supply.OUTAGE)
    keys = tree.meters[circuit.meter] if circuit.meter is not None else None
    depth = _depth(keys, image, now_ns) if keys is not None else None
    if keys is None or depth is None:
        return memory if memory.good_ns is None else SupplyMemory(memory.supply)  # silence serves no window
    if depth.low_pu < limits.curve[-1][0]:
        since_ns = memory.since_ns if memory.since_ns is not None else now_ns
        lasted = now_ns - since_ns > allowed_ns(limits.curve, depth.low_pu)
        gone = lasted or memory.supply is Supply.OUTAGE
        return SupplyMemory(Supply.OUTAGE if gone else Supply.RIDE_THROUGH, since_ns)
    if memory.supply is not Supply.OUTAGE:
        return memory if memory.supply is Supply.ALIVE else SupplyMemory()
    if not _in_window(limits, keys, depth, state, image, now_ns):
        return SupplyMemory(Supply.OUTAGE)
    good_ns = memory.good_ns if memory.good_ns is not None else now_ns
    if now_ns - good_ns >= limits.for_ns:
        return SupplyMemory()
    return memory if memory.good_ns is not None else SupplyMemory(Supply.OUTAGE, None, good_ns)


def allowed_ns(curve: Sequence[tuple[float, int]], low_pu: float) -> int:
    """How long the curve asks to ride through at this voltage, below its highest point."""
    before = curve[0]
    if low_pu <= before[0]:
        return before[1]
    for point in curve[1:]:
        if low_pu <= point[0]:
            share = (low_pu - before[0]) / (point[0] - before[0])
            return round(before[1] + share * (point[1] - before[1]))
        before = point
    return curve[-1][1]


def sagging(state: State) -> bool:
    """Whether watts that fall now may have fallen because of the voltage."""
    return state.supply.supply is not Supply.ALIVE


def _gone(contact: Contact | None, image: Image, now_ns: int) -> bool:
    if contact is None:
        return False
    fresh_ns = max(FRESH_NS_MIN, POLLS_FRESH * contact.poll_ns)
    value = fresh_value(image.points.get(contact.point), now_ns, fresh_ns)
    return value is not None and value >= 0.5


def _depth(keys: MeterKeys, image: Image, now_ns: int) -> Depth | None:
    """None while fewer than two phases are heard."""
    volts = [fresh_value(image.points.get(key), now_ns, keys.fresh_ns) for key in keys.voltages]
    known = [volt / keys.meter.nominal_ln_v for volt in volts if volt is not None]
    return Depth(min(known), max(known)) if len(known) >= PHASES_MIN else None


def _in_window(limits: SupplyLimits, keys: MeterKeys, depth: Depth, state: State, image: Image, now_ns: int) -> bool:
    if depth.low_pu < limits.v_pu_min or depth.high_pu > limits.v_pu_max:
        return False
    hz = gate(keys, state.refreshes.get(keys.meter.id, ()), image, now_ns).hz
    return hz is not None and limits.hz_min <= hz <= limits.hz_max
