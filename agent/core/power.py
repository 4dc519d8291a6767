"""What a circuit's power is, and what it will be when all that was sent has arrived.

A circuit's power is its meter; else its meter's backup; a circuit without a meter is the sum of its children and loads
plus `unmetered_w`, marked estimated. With meter and backup silent, or repeating themselves (a frozen meter would hide
every rise and every fall), it is unknown.

In flight: watts that were told to fall and are not due yet count as falling, once. What the meter has already shown
since the first outstanding cut (base - now) is credited to the cuts that are due first, then to the others; so a slow
load never causes double shedding, and one that is overdue shows at once. Watts that a load's own sensor shows as gone
are not falling any more: if the meter still stands high, something else has risen.
"""

from collections.abc import Mapping

from msgspec import Struct

from agent.core.image import Image, Outcome
from agent.core.ladder import Armed
from agent.core.state import CircuitMemory, Durable, Rising, State
from agent.core.tree import MeterKeys, Tree
from agent.core.values import Quality


class Net(Struct, frozen=True):
    """One circuit's net power."""

    watts: float | None  # None: unknown now
    last_w: float  # the newest ever known; its loads' sum when there never was one
    taken_ns: int  # when that was; 0: never
    estimated: bool
    meter: str | None


NO_MEMORY = CircuitMemory()
STEADY_REFRESHES = 5  # a mean over five has under half of one reading's noise
STEADY_REFRESHES_MIN = 3


def nets(tree: Tree, state: State, image: Image, armed: Armed, now_ns: int) -> dict[str, Net]:
    """Every circuit's net power."""
    found: dict[str, Net] = {}
    for name in tree.leaves_first:
        circuit = tree.circuits[name]
        if circuit.meter is None:
            watts = estimate(tree, found, armed, name)
            found[name] = Net(watts, watts, armed.made_ns, True, None)
            continue
        keys = tree.meters[circuit.meter]
        net = _metered(keys, state, image, now_ns)
        if not net.taken_ns:
            net = Net(None, estimate(tree, found, armed, name), 0, True, keys.meter.id)
        if net.watts is None and keys.meter.backup is not None:
            other = _metered(tree.meters[keys.meter.backup], state, image, now_ns)
            if other.watts is not None:
                net = Net(other.watts, other.watts, other.taken_ns, True, other.meter)
        found[name] = net
    return found


def _metered(keys: MeterKeys, state: State, image: Image, now_ns: int) -> Net:
    reading = image.points.get(keys.power)
    meter = keys.meter.id
    if reading is not None and reading.value is not None and reading.quality is not Quality.BAD:
        if now_ns - reading.taken_ns > keys.fresh_ns:
            return Net(None, reading.value, reading.taken_ns, False, meter)
        pulse = image.pulses.get(meter)
        if pulse is not None and now_ns - pulse.changed_ns > keys.alive_ns:
            # It answers and repeats itself: what it says was true when it last changed.
            return Net(None, reading.value, pulse.changed_ns, False, meter)
        return Net(reading.value, reading.value, reading.taken_ns, False, meter)
    for refresh in reversed(state.refreshes.get(meter, ())):
        if refresh.power_w is not None:
            return Net(None, refresh.power_w, refresh.taken_ns, False, meter)
    return Net(None, 0.0, 0, False, meter)


def estimate(tree: Tree, found: Mapping[str, Net], armed: Armed, name: str) -> float:
    """A circuit's watts without its meter: its loads and children, at their worst where they are not heard."""
    watts = tree.circuits[name].unmetered_w + armed.own_w.get(name, 0.0)
    for child in tree.children[name]:
        below = found[child].watts
        watts += below if below is not None else estimate(tree, found, armed, child)
    return watts


class Outstanding(Struct, frozen=True):
    """Watts that were told to fall under a circuit and are not judged."""

    due_w: float
    later_w: float  # not due yet
    landed_w: float  # of those not due yet, what the loads' own sensors show as gone


def outstanding(tree: Tree, durable: Durable, name: str, now_ns: int) -> Outstanding:
    """What was told to fall under a circuit."""
    due_w = later_w = landed_w = 0.0
    for cut in durable.cuts:
        falls_w = cut.falls.get(name)
        if falls_w is None:
            continue
        if now_ns >= cut.due_ns:
            due_w += falls_w
        else:
            later_w += falls_w
            landed_w += min(cut.landed_w, falls_w)
    return Outstanding(due_w, later_w, landed_w)


def climbing_left_w(tree: Tree, image: Image, load: str, all_rising: Mapping[str, Rising]) -> float:
    """Watts that one load was told to rise by and has not risen yet; a contactor's rise is that of what it feeds, but
    for loads that were told to rise themselves and are not there yet: these count for themselves.
    """
    rising = all_rising[load]
    if rising.arrived:
        return 0.0
    contactor = tree.contactors.get(load)
    if contactor is not None:
        back_w = sum(_back_w(tree, image, fed, rising, all_rising.get(fed)) for fed in contactor.feeds)
        return rising.watts - min(rising.watts, back_w)
    seen = image.loads.get(load)
    has_w = 0.0
    if seen is not None and seen.measured and seen.watts is not None and seen.taken_ns > rising.told_ns:
        has_w = seen.watts - rising.from_w
    return rising.watts - min(rising.watts, max(0.0, has_w))


def _back_w(tree: Tree, image: Image, load: str, closed: Rising, own: Rising | None) -> float:
    """What a load has come back by since its contactor was told to close: as it measures, else when it has had time."""
    seen, top = image.loads.get(load), tree.loads[load].steps[-1]
    if own is not None and not own.arrived:
        return top.watts
    if seen is None or seen.taken_ns <= closed.told_ns or seen.poll is not Outcome.OK:
        return 0.0
    if seen.measured and seen.watts is not None:
        return seen.watts
    return top.watts if seen.step == top.name and seen.taken_ns > closed.told_ns + top.reach_ns else 0.0


def climbing_w(tree: Tree, durable: Durable, image: Image, name: str) -> float:
    """Watts that were told to rise under a circuit and are not there yet."""
    return sum(
        climbing_left_w(tree, image, load, durable.rising) for load in durable.rising if name in tree.nodes_of[load]
    )


def steady_w(state: State, net: Net, name: str) -> float | None:
    """The mean net power of the newest refreshes of the meter that answers for a circuit now, since the last cut was
    judged; None while there are too few.
    """
    if net.meter is None:
        return None
    judged_ns = state.circuits.get(name, NO_MEMORY).judged_ns
    refreshes = state.refreshes.get(net.meter, ())[-STEADY_REFRESHES:]
    watts = [r.power_w for r in refreshes if r.power_w is not None and r.taken_ns > judged_ns]
    return sum(watts) / len(watts) if len(watts) >= STEADY_REFRESHES_MIN else None


def projected(tree: Tree, state: State, image: Image, net: Net, name: str, now_ns: int) -> float:
    """A circuit's net power when all that was sent has arrived."""
    durable = state.durable
    rising_w = climbing_w(tree, durable, image, name) if durable.rising else 0.0
    if net.watts is None:
        # Nothing judges a cut while the meter is silent: what was sent since its last word counts as gone.
        since_w = sum(cut.falls[name] for cut in durable.cuts if cut.told_ns > net.taken_ns and name in cut.falls)
        return net.last_w - since_w + rising_w
    if not durable.cuts:
        return net.watts + rising_w
    out = outstanding(tree, durable, name, now_ns)
    base_w = state.circuits.get(name, NO_MEMORY).base_w
    shown_w = 0.0 if base_w is None else min(max(base_w - net.watts, 0.0), out.due_w + out.later_w)
    return net.watts - (out.later_w - max(out.landed_w, shown_w - out.due_w)) + rising_w


def ends_unseen_w(
    tree: Tree, state: State, image: Image, found: Mapping[str, Net], armed: Armed, name: str, now_ns: int
) -> float:
    """The same for a circuit whose meter is silent, by what its loads and children said when the ladder was armed.

    Each load counts at the step it was told until that is overdue, and as it says after: what a load's own read-back
    shows as gone is not taken off a second time.
    """
    watts = tree.circuits[name].unmetered_w + armed.own_w.get(name, 0.0) - armed.falling_w.get(name, 0.0)
    for child in tree.children[name]:
        net = found[child]
        if tree.circuits[child].meter is not None and net.watts is not None:
            watts += projected(tree, state, image, net, child, now_ns)
        else:
            watts += ends_unseen_w(tree, state, image, found, armed, child, now_ns)
    return watts
