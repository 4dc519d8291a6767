"""React: on every trigger reading, rules -> bounds -> what binds -> cut the armed ladder.

This is the path from a reading to a setpoint: no formatting, no building of setpoints. A cut of 4,000 loads is a few
slices of tuples that were prepared when the ladder was. Nothing here ever raises a load.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from agent.core.bounds import Bound, fold
from agent.core.cut import Slice, cut, without
from agent.core.image import Image
from agent.core.ladder import MIN_ON_CLASSES, Armed
from agent.core.modes import Cue, after
from agent.core.names import event_id
from agent.core.power import (
    NO_MEMORY,
    Net,
    climbing_left_w,
    ends_unseen_w,
    estimate,
    nets,
    outstanding,
    projected,
    steady_w,
)
from agent.core.rules import Rules
from agent.core.rules.asked import Asked
from agent.core.rules.blind import blind_bound, blind_key
from agent.core.rules.command import command_bounds
from agent.core.rules.cooling import decide_cooling
from agent.core.rules.power_cap import is_limit
from agent.core.rules.under_frequency import decide_under_frequency
from agent.core.setpoint import Setpoint
from agent.core.site import BoundClass
from agent.core.state import (
    CircuitMemory,
    CoolingMemory,
    Cut,
    Durable,
    Event,
    Mode,
    Refresh,
    RuleMemory,
    State,
    Tie,
    Trouble,
)
from agent.core.supply import sagging, supply_of
from agent.core.tie import jump_down_w, tie_of
from agent.core.tree import Tree, tank_node
from agent.core.values import DAY_NS

REFRESHES_KEPT = 16
EVENTS_KEPT = 100  # of a rule in a day
LIMIT_MOVES_PU = 0.01  # less is not worth a line in the journal


class Reaction(Struct, frozen=True):
    """What came of one image."""

    state: State
    setpoints: tuple[Setpoint, ...]
    bounds: tuple[Bound, ...]  # all that are in force
    nets: Mapping[str, Net]
    blocked: frozenset[str] = frozenset()  # nodes whose loads may not rise: no permit, or latched
    latches: tuple[tuple[str, str], ...] = ()  # nodes that are to stay off from now on, and why


def react(tree: Tree, rules: Rules, state: State, image: Image, armed: Armed, now_ns: int) -> Reaction:
    """Lowers what must be lowered now."""
    found = nets(tree, state, image, armed, now_ns)
    tie = tie_of(tree, image, now_ns)
    supply = supply_of(tree, state, image, now_ns)
    if tie is not state.tie or supply is not state.supply:
        state = replace(state, tie=tie, supply=supply)
    state = _with_refreshes(tree, state, image)
    state, blind = _blindness(tree, state, found, armed, now_ns)
    state, bounds = _ask_rules(tree, rules, state, image, found, now_ns)
    bounds += blind
    state, cooled, blocked, latches = _ask_tanks(tree, rules, state, image, now_ns)
    bounds += cooled
    by_circuit: dict[str, list[Bound]] = {}
    durable = state.durable
    for bound in bounds:
        if bound.acts:
            by_circuit.setdefault(bound.circuit, []).append(bound)
        if bound.begins or (not bound.acts and found[bound.circuit].last_w > bound.hi_w):
            durable = _opened(tree, durable, bound, found[bound.circuit], image, now_ns)
    if durable is not state.durable:
        state = replace(state, durable=durable)
    setpoints: tuple[Setpoint, ...] = ()
    for name in tree.leaves_first:
        here = by_circuit.get(name)
        if not here:
            continue
        for binding in _bindings(here):
            needed_w = _needed_w(tree, state, image, armed, found, binding, now_ns)
            if needed_w <= 0:
                continue
            taken = _take(tree, state, image, armed, found, binding, needed_w, now_ns)
            state = _sent(tree, state, image, found, binding, taken, needed_w, now_ns)
            setpoints += taken.setpoints
    return Reaction(state, setpoints, tuple(bounds), found, blocked, latches)


def event_of(durable: Durable, key: str) -> Event | None:
    """The open event of a bound: one that still binds before one whose loads are on their way back."""
    found: Event | None = None
    for event in durable.events.values():
        if event.key == key and (found is None or found.lifted):
            found = event
    return found


def _bindings(here: Sequence[Bound]) -> Iterator[Bound]:
    """The lowest bound, then what binds of the classes above it: a request that waits, for loads to be heard or for
    steady readings, or that must spare minimum on times, hides no limit.
    """
    while here:
        binding = here[0] if len(here) == 1 else fold(here).binding
        if binding is None:
            return
        yield binding
        here = [bound for bound in here if bound.cls < binding.cls]


def _with_refreshes(tree: Tree, state: State, image: Image) -> State:
    """Keeps the newest distinct contents of each meter's fast block."""
    changed: dict[str, tuple[Refresh, ...]] = {}
    for name, keys in tree.meters.items():
        pulse = image.pulses.get(name)
        if pulse is None:
            continue
        known = state.refreshes.get(name, ())
        if known and known[-1].number == pulse.refreshes:
            continue
        power = image.points.get(keys.power)
        frequency = image.points.get(keys.frequency)
        refresh = Refresh(
            pulse.refreshes,
            pulse.changed_ns,
            power.value if power is not None else None,
            frequency.value if frequency is not None else None,
            sagging(state),
        )
        changed[name] = (*known[-(REFRESHES_KEPT - 1) :], refresh)
    return replace(state, refreshes={**state.refreshes, **changed}) if changed else state


def _blindness(
    tree: Tree, state: State, found: Mapping[str, Net], armed: Armed, now_ns: int
) -> tuple[State, list[Bound]]:
    """How long each circuit's power has been unknown, and the bounds of those that are blind."""
    changed: dict[str, CircuitMemory] = {}
    bounds: list[Bound] = []
    for name in tree.leaves_first:
        circuit = tree.circuits[name]
        if circuit.meter is None:
            continue
        memory = state.circuits.get(name, NO_MEMORY)
        if found[name].watts is not None:
            if memory.silent_since_ns is not None:
                changed[name] = replace(memory, silent_since_ns=None, blind_from_w=None)
            continue
        if memory.silent_since_ns is None:
            # Silent since its last word; one that was never heard, since now.
            memory = changed[name] = replace(memory, silent_since_ns=found[name].taken_ns or now_ns)
        assert memory.silent_since_ns is not None
        blind_ns = memory.silent_since_ns + circuit.blind_after_ns
        if now_ns < blind_ns:
            continue
        if memory.blind_from_w is None:
            memory = changed[name] = replace(memory, blind_from_w=estimate(tree, found, armed, name))
        assert memory.blind_from_w is not None
        bound = blind_bound(circuit, memory.blind_from_w, blind_ns, now_ns, tree.site.observe)
        if bound is not None:
            bounds.append(bound)
    return (replace(state, circuits={**state.circuits, **changed}) if changed else state), bounds


def _ask_rules(
    tree: Tree, rules: Rules, state: State, image: Image, found: Mapping[str, Net], now_ns: int
) -> tuple[State, list[Bound]]:
    """Every rule's bound, and what each remembers."""
    bounds = list(rules.limits)
    memories: dict[str, RuleMemory] = {}
    for rule in rules.under_frequency:
        event = event_of(state.durable, rule.id)
        if event is not None and event.lifted:
            event = None  # its loads are on their way back: a new crossing is a new event
        memory, bound = decide_under_frequency(rule, tree, state, image, now_ns, event, found[rule.circuit].last_w)
        if memory is not state.rules.get(rule.id):
            memories[rule.id] = memory
        if bound is not None:
            bounds.append(bound)
    state, answered, aside = _ask_others(tree, rules, state, image, found, now_ns)
    bounds += answered
    if image.leases and not aside:
        bounds += command_bounds(image, now_ns, rules.commands, tree.site.observe)
    return (replace(state, rules={**state.rules, **memories}) if memories else state), bounds


def _ask_others(
    tree: Tree, rules: Rules, state: State, image: Image, found: Mapping[str, Net], now_ns: int
) -> tuple[State, list[Bound], bool]:
    """What the kinds in rules.ASKED answer, and whether leases are set aside."""
    bounds: list[Bound] = []
    aside = False
    memories: dict[str, Struct] = {}
    troubles: dict[str, Trouble] = {}
    for rule, decide in rules.asked:
        event = event_of(state.durable, rule.id)
        if event is not None and event.lifted:
            event = None
        answer = decide(rule, Asked(tree, state, image, found, now_ns, state.memories.get(rule.id)), event)
        bounds += answer.bounds
        aside = aside or answer.sets_leases_aside
        if answer.memory is not None:
            memories[rule.id] = answer.memory
        if answer.alarm:
            known = state.troubles.get(rule.id)
            same = known is not None and known.why == answer.alarm
            troubles[rule.id] = known if known is not None and same else Trouble(answer.alarm, now_ns)
    if memories != state.memories or troubles != state.troubles:
        state = replace(state, memories=memories, troubles=troubles)
    return state, bounds, aside


def _ask_tanks(
    tree: Tree, rules: Rules, state: State, image: Image, now_ns: int
) -> tuple[State, list[Bound], frozenset[str], tuple[tuple[str, str], ...]]:
    """Every tank's bound while it is shed, the nodes whose loads may not rise, and those to be latched."""
    bounds: list[Bound] = []
    blocked = set(state.durable.latched)
    if state.tie is Tie.UNKNOWN or sagging(state):
        blocked.add(tree.site.circuits[0].id)
    blocked.update(
        work.circuit
        for work in tree.site.maintenance
        # With a clock that is not trusted it may be that time: somebody may have a hand in there.
        if image.wall_ms is None or work.from_ms <= image.wall_ms < work.to_ms
    )
    latches: list[tuple[str, str]] = []
    memories: dict[str, CoolingMemory] = {}
    for rule in rules.cooling:
        event = event_of(state.durable, rule.id)
        if event is not None and event.lifted:
            event = None
        cooled = decide_cooling(rule, tree, state, image, now_ns, event)
        if cooled.memory != state.cooling.get(rule.id):
            memories[rule.id] = cooled.memory
        if cooled.bound is not None:
            bounds.append(cooled.bound)
        if not cooled.permitted:
            blocked.add(tank_node(rule.plc))
        if cooled.latch:
            latches.append((tank_node(rule.plc), cooled.latch))
    if memories:
        state = replace(state, cooling={**state.cooling, **memories})
    return state, bounds, frozenset(blocked), tuple(latches)


def _opened(tree: Tree, durable: Durable, bound: Bound, net: Net, image: Image, now_ns: int) -> Durable:
    """The durable state with this bound's event open."""
    event = event_of(durable, bound.key)
    if event is not None:
        if not event.lifted:
            moves = _moves(event, bound)
            return _with_event(durable, replace(event, hi_w=bound.hi_w)) if moves else durable
        if bound.cls is BoundClass.PROTECT and event.dry == (not bound.acts):
            # A limit that binds again before its loads are back goes on with the same event.
            return _with_event(durable, replace(event, lifted=False, hi_w=bound.hi_w))
    base_w = bound.base_w if bound.base_w is not None else net.last_w
    opened = Event(
        event_id(f"{tree.site.id}/{tree.site.agent}", image.wall_ms, durable.counter, bound.key, now_ns),
        bound.key,
        bound.rule,
        bound.cls,
        bound.circuit,
        bound.hi_w,
        base_w,
        now_ns,
        dry=not bound.acts,
    )
    begun = durable.begun
    if bound.begins and bound.cls is BoundClass.GRID:
        today = [at_ns for at_ns in begun.get(bound.rule, ()) if now_ns - at_ns < DAY_NS]
        begun = {**begun, bound.rule: (*today, now_ns)[-EVENTS_KEPT:]}
    return replace(_with_event(durable, opened), counter=durable.counter + 1, begun=begun)


def _moves(event: Event, bound: Bound) -> bool:
    """Whether what an event stands at has changed: blindness ramps down, a limit of amperes or demand moves."""
    if bound.key.startswith("blind@"):
        return event.hi_w != bound.hi_w
    return is_limit(bound.key) and abs(event.hi_w - bound.hi_w) > LIMIT_MOVES_PU * abs(event.hi_w)


def _with_event(durable: Durable, event: Event) -> Durable:
    return replace(durable, events={**durable.events, event.id: event})


def _needed_w(
    tree: Tree, state: State, image: Image, armed: Armed, found: Mapping[str, Net], binding: Bound, now_ns: int
) -> float:
    """How many more watts must go for this circuit to end at or under its bound."""
    name = binding.circuit
    net = found[name]
    if binding.key == blind_key(name):
        return ends_unseen_w(tree, state, image, found, armed, name, now_ns) - binding.hi_w
    if binding.unlimited:
        return float("inf")
    if net.watts is None and not net.taken_ns and binding.cls is BoundClass.PROTECT:
        return 0.0  # never heard: blindness answers for it, not a guess
    ends_w = projected(tree, state, image, net, name, now_ns)
    if binding.cls is BoundClass.PROTECT:
        return ends_w - binding.hi_w
    event = event_of(state.durable, binding.key)
    answered = event is not None and event.told_w > 0
    booting = state.circuits.get(name, NO_MEMORY).mode is Mode.BOOT
    if booting and (answered or binding.cls in MIN_ON_CLASSES):
        # Loads that are not heard yet count for nothing, so all of them would go, those too that somebody else switched
        # off. What was answered before the restart, and what is no protection, waits until they are heard.
        return 0.0
    if not answered:
        return ends_w - binding.hi_w
    # A request answered once is judged on steady readings, or noise would shed one load after another.
    if any(name in cut_sent.falls for cut_sent in state.durable.cuts):
        return 0.0
    steady = steady_w(state, net, name) if net.meter is not None else net.watts
    if steady is None or net.watts is None:
        return 0.0
    over_w = steady + ends_w - net.watts - binding.hi_w
    return over_w if over_w > binding.slack_w else 0.0


def _take(
    tree: Tree,
    state: State,
    image: Image,
    armed: Armed,
    found: Mapping[str, Net],
    binding: Bound,
    needed_w: float,
    now_ns: int,
) -> Slice:
    """The rungs that this bound takes, within the jump limits above it."""
    name = binding.circuit
    ladder = armed.ladder(name, binding.cls)
    gone: set[str] = set(image.local)  # LOCAL since the ladder was armed counts at once
    for sent in state.durable.cuts:
        if sent.told_ns >= armed.made_ns:
            gone.update(sent.loads)
    gone.update(load for load, down in state.durable.lowered.items() if down.told_ns >= armed.made_ns)
    if binding.unlimited:
        return cut(without(ladder, gone), needed_w)
    if gone:
        ladder = without(ladder, gone)
    tie = state.tie or Tie.UNKNOWN
    room_w = min(
        jump_down_w(tree.circuits[above], tie) - outstanding(tree, state.durable, above, now_ns).later_w
        for above in tree.path[name]
    )
    for above in tree.path[name]:
        export_w = tree.circuits[above].export_limit_w
        if export_w < float("inf"):
            room_w = min(room_w, projected(tree, state, image, found[above], above, now_ns) + export_w)
    return cut(ladder, needed_w, room_w)


def _sent(
    tree: Tree,
    state: State,
    image: Image,
    found: Mapping[str, Net],
    binding: Bound,
    taken: Slice,
    needed_w: float,
    now_ns: int,
) -> State:
    """The state after these setpoints went out."""
    name = binding.circuit
    durable = _opened(tree, state.durable, binding, found[name], image, now_ns)
    event = event_of(durable, binding.key)
    assert event is not None
    unmet = taken.watts < needed_w < float("inf")
    if not taken.loads:
        if event.unmet or needed_w == float("inf"):
            return state if durable is state.durable else replace(state, durable=durable)
        return replace(state, durable=_with_event(durable, replace(event, unmet=True)))
    falls_w, rising = taken.watts, durable.rising
    if rising:
        told = set(taken.loads)
        falls_w -= sum(climbing_left_w(tree, image, load, rising[load]) for load in taken.loads if load in rising)
        rising = {load: up for load, up in rising.items() if load not in told}
    sent = Cut(
        event.id,
        name,
        taken.loads,
        taken.steps,
        falls_w,
        _falls(tree, name, taken, falls_w),
        now_ns,
        now_ns + taken.reach_ns,
        found[name].taken_ns or now_ns,
    )
    event = replace(event, told_w=event.told_w + falls_w, unmet=unmet)
    durable = replace(durable, events={**durable.events, event.id: event}, cuts=(*durable.cuts, sent), rising=rising)
    circuits = dict(state.circuits)
    for above in sent.falls:
        memory = circuits.get(above, NO_MEMORY)
        base_w = memory.base_w if memory.base_w is not None else found[above].last_w
        mode = after(memory.mode, Cue.OVER) if above == name else memory.mode
        circuits[above] = replace(
            memory,
            base_w=base_w,
            mode=mode,
            since_ns=now_ns if mode is not memory.mode else memory.since_ns,
            return_from_ns=None,
        )
    return replace(state, durable=durable, circuits=circuits)


def _falls(tree: Tree, name: str, taken: Slice, falls_w: float) -> dict[str, float]:
    """How many watts a cut takes off each node: all of them along a circuit's path; a tank's loads hang on several."""
    if name not in tree.tanks:
        return dict.fromkeys(tree.path[name], falls_w)
    falls = {name: falls_w}
    for load, worth_w in zip(taken.loads, taken.worth_w, strict=True):
        for node in tree.path[tree.loads[load].circuit]:
            falls[node] = falls.get(node, 0.0) + worth_w
    return falls
