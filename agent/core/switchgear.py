"""Contactors: when one may close, and what its feedback and the loads behind it say afterwards (design.md 4.14).

close     only with its permits 1 and read within 500 ms, no latched fault, operations left today; one at a time
          (returning.py), after its minimum open time
feedback  that disagrees with the command when its time is over is a fault: latched, and the contactor leaves the ladder
weld      loads behind an open contactor that still draw: latched, and what is missing is asked for further up

A latched fault is left only by an acknowledgement on site (acknowledge).
"""

from msgspec.structs import replace

from agent.core.image import Image, Outcome
from agent.core.ladder import operations_left
from agent.core.notes import EventNote, Note
from agent.core.site import Contactor
from agent.core.state import Durable, Lowered, State
from agent.core.tree import Tree, tank_node
from agent.core.values import NS_PER_MS, NS_PER_S

PERMIT_NS = 500 * NS_PER_MS
WELD_NS = 2 * NS_PER_S  # a load's own reading this long after the contactor opened tells of now
WELD_PU = 0.1  # of what is behind it: more than standby supplies draw through auxiliary feeds


def may_close(durable: Durable, image: Image, contactor: Contactor, now_ns: int) -> bool:
    """Whether this contactor itself may close now."""
    if contactor.id in durable.latched or operations_left(durable, contactor, now_ns) <= 0:
        return False
    if any(load in image.held for load in contactor.feeds):
        return False
    for permit in contactor.permits:
        reading = image.points.get(permit)
        if reading is None or reading.value is None or reading.value < 0.5 or now_ns - reading.taken_ns > PERMIT_NS:
            return False
    return True


def supervise(
    tree: Tree,
    state: State,
    image: Image,
    failed: tuple[tuple[str, str], ...],
    latches: tuple[tuple[str, str], ...],
    now_ns: int,
) -> tuple[State, list[Note]]:
    """Latches what must be latched: contactors that did not follow or are welded, and tanks that tripped too often."""
    faults = dict(latches)
    for name, why in failed:
        if name in tree.contactors:
            faults[name] = f"its feedback says otherwise: it {why}"
    lowered = dict(state.durable.lowered)
    for name, contactor in tree.contactors.items():
        down = lowered.get(name)
        if down is not None and down.confirmed and _welded(tree, image, contactor, down, now_ns):
            faults[name] = "it says that it is open, and what it feeds still draws: welded?"
            del lowered[name]
    faults = {name: why for name, why in faults.items() if name not in state.durable.latched}
    if not faults:
        return state, []
    notes: list[Note] = [
        EventNote(now_ns, "", "alarm", name, "", "protect", f"{name} is latched: {why}; acknowledge on site")
        for name, why in faults.items()
    ]
    latched = {**state.durable.latched, **faults}
    return replace(state, durable=replace(state.durable, latched=latched, lowered=lowered)), notes


def _welded(tree: Tree, image: Image, contactor: Contactor, down: Lowered, now_ns: int) -> bool:
    draws_w = 0.0
    for name in contactor.feeds:
        seen = image.loads.get(name)
        if seen is None or not seen.measured or seen.watts is None or seen.poll is not Outcome.OK:
            continue
        if seen.taken_ns > down.told_ns + WELD_NS:
            draws_w += seen.watts
    return draws_w > WELD_PU * tree.loads[contactor.id].steps[-1].watts


def acknowledge(tree: Tree, state: State, target: str) -> State | None:
    """The state after somebody on site acknowledged a latch; None: nothing of that name is latched."""
    names = {target, tank_node(target)} & state.durable.latched.keys()
    if not names:
        return None
    latched = {name: why for name, why in state.durable.latched.items() if name not in names}
    returns = {name: at for name, at in state.durable.auto_returns.items() if name not in names}
    return replace(state, durable=replace(state.durable, latched=latched, auto_returns=returns))


def release(tree: Tree, state: State, image: Image, target: str, now_ns: int) -> tuple[State, tuple[str, ...]]:
    """Loads that were found off count as lowered by us from now on, so that they come back by ramp; and which."""
    found: dict[str, Lowered] = {}
    for name in tree.under(target):
        seen, load = image.loads.get(name), tree.loads[name]
        known = state.durable.lowered.keys() | state.durable.rising.keys()
        if seen is None or seen.step is None or seen.step == load.steps[-1].name or name in known:
            continue
        watts = load.steps[-1].watts - tree.step_watts(name, seen.step)
        found[name] = Lowered("", seen.step, min(now_ns, seen.taken_ns - 1), watts, True)
    if not found:
        return state, ()
    return replace(state, durable=replace(state.durable, lowered={**state.durable.lowered, **found})), tuple(found)
