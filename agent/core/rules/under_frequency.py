"""Under-frequency: below a threshold, give up a fixed number of watts, or go to a fixed net power.

A shed needs a crossing that we saw, from at or above the threshold to below it, since BOOT: a register stuck low from
the start alarms and sheds nothing. `confirm_refreshes` distinct refreshes of the meter must agree. The watts are
counted from the mean net power of the five refreshes before the crossing, or from the baseline of an event that
already lowered the circuit, as far as what we lowered explains it, and stay fixed for the event. It is released when
the frequency has been above `release_above_hz` without a break for `release_for_ns`; a frequency that cannot be
believed is no reason to release, and starts that time again.
"""

from msgspec import Struct
from msgspec.structs import replace

from agent.core.bounds import Bound
from agent.core.image import Image
from agent.core.rules.gate import Gated, gate
from agent.core.site import BoundClass
from agent.core.state import Event, Refresh, RuleMemory, State, Tie
from agent.core.tie import may_begin
from agent.core.tree import Tree
from agent.core.values import DAY_NS

USED_UP = Gated(None, "its events of 24 hours are used up")
NOT_TIED = Gated(None, "the site is not tied, or it is not known")
NOT_ISLAND = Gated(None, "the site is no island")
BASELINE_REFRESHES = 5
OURS_PU = 0.95  # of an earlier baseline: with so much explained by what we lowered it still holds
NOISE_PU = 0.005  # class 0.5 meter: steadier than this it cannot be judged


class UnderFrequency(Struct, frozen=True, tag="under_frequency"):
    """The rule as configured; watts and nanoseconds."""

    id: str
    circuit: str
    meter: str
    shed_below_hz: float
    release_above_hz: float
    release_for_ns: int
    confirm_refreshes: int = 1
    shed_w: float | None = None  # below what it drew before; or
    to_w: float | None = None
    acts: bool = True
    when: str = "any"  # tied | island | any: what the site must be for a shed to begin
    events_per_day: int | None = None  # more than the contract asks for are not given
    event_ns_max: int | None = None  # longer than that no event lasts


def decide_under_frequency(
    rule: UnderFrequency,
    tree: Tree,
    state: State,
    image: Image,
    now_ns: int,
    open_event: Event | None,
    last_w: float,
) -> tuple[RuleMemory, Bound | None]:
    """The rule's memory after this image, and its bound while it is shedding.

    `last_w` is the circuit's newest known or estimated net power, for when no refresh before the crossing had any.
    """
    memory = state.rules.get(rule.id, RuleMemory())
    keys = tree.meters[rule.meter]
    refreshes = state.refreshes.get(rule.meter, ())
    gated = gate(keys, refreshes, image, now_ns)
    if open_event is not None:
        return _while_open(rule, memory, gated, now_ns, open_event)
    if gated.hz is not None and _used_up(rule, state, now_ns):
        gated = USED_UP
    if gated.hz is not None and not may_begin(rule.when, state.tie or Tie.UNKNOWN):
        gated = NOT_ISLAND if state.tie is Tie.TIED else NOT_TIED
    if gated.hz is None:
        return _unavailable(memory, gated, now_ns), None
    pulse = image.pulses[rule.meter]
    if gated.hz >= rule.shed_below_hz:
        if memory.seen_above and memory.available and not memory.below_refreshes and not memory.alarm:
            return memory, None
        return RuleMemory(seen_above=True, counted_refresh=pulse.refreshes, available=True), None
    if not memory.seen_above:
        alarm = "frequency below the threshold, and no crossing was seen since the start or the last event"
        since_ns = memory.unavailable_ns if memory.unavailable_ns is not None else now_ns
        return RuleMemory(alarm=alarm, unavailable_ns=since_ns), None
    below = memory.below_refreshes + (pulse.refreshes != memory.counted_refresh or not memory.below_refreshes)
    after = RuleMemory(True, below, pulse.refreshes, None, True)
    if below < rule.confirm_refreshes:
        return after, None
    base_w = _baseline(rule, tree, state, refreshes)
    if base_w is None:
        base_w = last_w
    hi_w = rule.to_w if rule.to_w is not None else base_w - (rule.shed_w or 0.0)
    return after, _bound(rule, hi_w, base_w)


def _while_open(
    rule: UnderFrequency, memory: RuleMemory, gated: Gated, now_ns: int, event: Event
) -> tuple[RuleMemory, Bound | None]:
    above_ns = memory.above_since_ns
    if gated.hz is None or gated.hz < rule.release_above_hz:
        above_ns = None
    elif above_ns is None:
        above_ns = now_ns
    since_ns = None
    if gated.hz is None:
        since_ns = memory.unavailable_ns if memory.unavailable_ns is not None else now_ns
    after = RuleMemory(True, 0, memory.counted_refresh, above_ns, gated.hz is not None, gated.why, since_ns)
    if above_ns is not None and now_ns - above_ns >= rule.release_for_ns:
        return after, None
    if rule.event_ns_max is not None and now_ns - event.began_ns >= rule.event_ns_max:
        # Given in full. Below the threshold still, it must be seen above it before the next one.
        return replace(after, seen_above=False), None
    return after, _bound(rule, event.hi_w, event.base_w)


def _used_up(rule: UnderFrequency, state: State, now_ns: int) -> bool:
    if rule.events_per_day is None:
        return False
    begun = state.durable.begun.get(rule.id, ())
    return sum(now_ns - began_ns < DAY_NS for began_ns in begun) >= rule.events_per_day


def _unavailable(memory: RuleMemory, gated: Gated, now_ns: int) -> RuleMemory:
    """Silence is no crossing and no recovery; what was seen above stays seen."""
    if not memory.available and memory.alarm == gated.why:
        return memory
    since_ns = memory.unavailable_ns if memory.unavailable_ns is not None else now_ns
    return RuleMemory(memory.seen_above, 0, memory.counted_refresh, None, False, gated.why, since_ns)


def _baseline(rule: UnderFrequency, tree: Tree, state: State, refreshes: tuple[Refresh, ...]) -> float | None:
    now_w = _before(rule, tree, state, refreshes)
    for event in state.durable.events.values():
        if event.circuit == rule.circuit and event.base_w is not None and event.told_w > 0 and not event.dry:
            # What fell besides and by itself is nothing that we gave, and none of it can be given again.
            ours_w = None if now_w is None else now_w + _given_w(rule, tree, state)
            return event.base_w if ours_w is None or ours_w >= event.base_w * OURS_PU else ours_w
    return now_w


def _given_w(rule: UnderFrequency, tree: Tree, state: State) -> float:
    """What the loads on this circuit gave up that we lowered and that are not back."""
    down = dict(state.durable.lowered)
    down |= {load: up.was for load, up in state.durable.rising.items() if not up.arrived}
    return sum(
        entry.watts
        for load, entry in down.items()
        if load not in tree.contactors and rule.circuit in tree.nodes_of[load]
    )


def _before(rule: UnderFrequency, tree: Tree, state: State, refreshes: tuple[Refresh, ...]) -> float | None:
    """The mean net power before the crossing."""
    circuit_meter = tree.circuits[rule.circuit].meter
    if circuit_meter is not None and circuit_meter != rule.meter:
        refreshes = state.refreshes.get(circuit_meter, ())
        before = [refresh.power_w for refresh in refreshes if refresh.power_w is not None and not refresh.sagging]
    else:
        before = [
            refresh.power_w
            for refresh in refreshes
            if refresh.power_w is not None
            and not refresh.sagging
            and refresh.frequency_hz is not None
            and round(refresh.frequency_hz, 3) >= rule.shed_below_hz
        ]
    before = before[-BASELINE_REFRESHES:]
    return sum(before) / len(before) if before else None


def _bound(rule: UnderFrequency, hi_w: float, base_w: float | None) -> Bound:
    slack_w = NOISE_PU * abs(base_w) if base_w is not None else 0.0
    return Bound(
        rule.circuit,
        rule.id,
        rule.id,
        BoundClass.GRID,
        hi_w,
        base_w=base_w,
        slack_w=slack_w,
        acts=rule.acts,
        begins=True,
    )
