"""Attend: on every beat, and after each cut once its bytes are out.

Read-backs, what the meter says of the cuts, events lifted and ended, modes, returns, commands; and the notes of all
that. Nothing here lowers a load, except to repeat what one left by itself.
"""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from agent.core import commands, tell
from agent.core.bounds import Bound
from agent.core.follow import adopt, answered, follow, settle
from agent.core.image import Image, Outcome
from agent.core.ladder import READ_POLLS_MAX, Armed
from agent.core.modes import Cue, after
from agent.core.notes import Note
from agent.core.power import NO_MEMORY, Net, climbing_w, steady_w
from agent.core.react import Reaction
from agent.core.returning import raise_loads, room_w
from agent.core.rules.power_cap import is_limit
from agent.core.setpoint import Setpoint
from agent.core.state import CircuitMemory, Event, Mode, State
from agent.core.supply import sagging
from agent.core.switchgear import supervise
from agent.core.tree import Tree
from agent.core.values import NS_PER_S
from agent.core.verify import Verdict, judge, with_judges

LEFT_BEHIND_NS = 60 * NS_PER_S  # an event does not stay open for loads that have not answered this long
DRY_CLEAR_PU = 0.99
AUTO_RETURNS_KEPT = 20


class Attended(Struct, frozen=True):
    """What came of one beat."""

    state: State
    setpoints: tuple[Setpoint, ...]
    notes: tuple[Note, ...]


def attend(
    tree: Tree,
    before: State,
    reaction: Reaction,
    image: Image,
    armed: Armed,
    armed_before: Mapping[str, str],
    now_ns: int,
) -> Attended:
    """One beat. `before`: the state of the last one; `armed_before`: what the journal says was armed before a crash."""
    found, bounds = reaction.nets, reaction.bounds
    state = reaction.state
    notes: list[Note] = list(tell.begun(tree, before, state, found, armed, now_ns))
    state = with_judges(tree, settle(_begun(state), tree.contactors))
    if armed_before:
        state = adopt(tree, state, image, armed_before)
    followed = follow(tree, state, image, now_ns)
    state = followed.state
    notes += tell.failures(state, followed.failed, now_ns)
    state, faults = supervise(tree, state, image, followed.failed, reaction.latches, now_ns)
    notes += faults
    state, told = _answers(state, image, now_ns)
    notes += told
    state, judged = _judged(tree, state, found, now_ns)
    notes += judged
    state = _lifted(tree, state, found, bounds, image, now_ns)
    state, ended = _ended(tree, state, image, found, now_ns)
    notes += ended
    state, moved = _moded(tree, state, found, armed, now_ns)
    notes += moved
    back = [
        event
        for event in state.durable.events.values()
        if event.lifted and not event.dry and _mode(state, event.circuit) is Mode.RETURNING
    ]
    setpoints = followed.again
    if back or state.durable.lowered:
        raised = raise_loads(
            tree,
            state,
            image,
            found,
            room_w(bounds, found),
            [*back, *_left_behind(tree, state)],
            reaction.blocked,
            now_ns,
        )
        notes += tell.returns(tree, state, raised.state, found, now_ns)
        state = raised.state
        setpoints += raised.setpoints
    state, said = commands.attend(tree, state, image, found, bounds, now_ns)
    notes += said
    notes += tell.tied(before, state, now_ns)
    notes += tell.supplied(before, state, now_ns)
    state, alarms = tell.alarms(tree, state, now_ns)
    notes += alarms
    return Attended(_forgiven(state, now_ns), setpoints, tuple(notes))


def _forgiven(state: State, now_ns: int) -> State:
    """Loads are mistrusted, and contested, for a time."""
    if state.mistrusted and min(state.mistrusted.values()) <= now_ns:
        state = replace(state, mistrusted={load: until for load, until in state.mistrusted.items() if until > now_ns})
    if state.contested and min(state.contested.values()) <= now_ns:
        state = replace(state, contested={load: until for load, until in state.contested.items() if until > now_ns})
    return state


def _begun(state: State) -> State:
    """Notes that every event's begin is told."""
    events = state.durable.events
    if all(event.begun for event in events.values()):
        return state
    told = {name: event if event.begun else replace(event, begun=True) for name, event in events.items()}
    return replace(state, durable=replace(state.durable, events=told))


def _mode(state: State, circuit: str) -> Mode:
    return state.circuits.get(circuit, NO_MEMORY).mode


def _left_behind(tree: Tree, state: State) -> list[Event]:
    """Loads that were not there when their event ended, and those that a person released, come back under no event's
    name; beside others that return.
    """
    if not any(down.event == "" for down in state.durable.lowered.values()):
        return []
    root = tree.site.circuits[0]
    if any(not memory.seen_above or not memory.available for memory in state.rules.values()):
        return []  # the event may be lost, but not what it was for: nothing rises before the frequency was seen well
    if _mode(state, root.id) not in (Mode.NORMAL, Mode.RETURNING):
        return []
    return [Event("", "", "", tell.VALUE, root.id, float("inf"), None, 0, lifted=True)]


def _answers(state: State, image: Image, now_ns: int) -> tuple[State, list[Note]]:
    """Tells what a cut's loads answered, once all have, or when it is due."""
    notes: list[Note] = []
    cuts = list(state.durable.cuts)
    for number, sent in enumerate(cuts):
        if not sent.answered and (now_ns >= sent.due_ns or answered(sent, image)):
            cuts[number] = replace(sent, answered=True)
            notes.append(tell.told(state, sent, image, now_ns))
    if not notes:
        return state, notes
    return replace(state, durable=replace(state.durable, cuts=tuple(cuts))), notes


def _judged(tree: Tree, state: State, found: Mapping[str, Net], now_ns: int) -> tuple[State, list[Note]]:
    """Takes the cuts that the meter has judged off the outstanding ones."""
    verdicts = judge(tree, state, found, now_ns) if not sagging(state) else []
    if not verdicts:
        return state, []
    notes: list[Note] = []
    gone: set[int] = set()
    events = dict(state.durable.events)
    for verdict in verdicts:
        gone.update(id(sent) for sent in verdict.cuts)
        events, note = _verdict_told(events, verdict, found, now_ns)
        notes += note
    cuts = tuple(sent for sent in state.durable.cuts if id(sent) not in gone)
    still = {name for sent in cuts for name in sent.falls}
    circuits = {
        name: memory if name in still or memory.base_w is None else replace(memory, base_w=None, judged_ns=now_ns)
        for name, memory in state.circuits.items()
    }
    return replace(state, durable=replace(state.durable, cuts=cuts, events=events), circuits=circuits), notes


def _verdict_told(
    events: dict[str, Event], verdict: Verdict, found: Mapping[str, Net], now_ns: int
) -> tuple[dict[str, Event], list[Note]]:
    notes: list[Note] = []
    for name in dict.fromkeys(sent.event for sent in verdict.cuts):
        event = events.get(name)
        if event is None:
            continue
        short_w = 0.0 if verdict.delivered else verdict.wanted_w - verdict.fell_w
        events[name] = replace(event, delivered=verdict.delivered, short_w=short_w)
        notes.append(tell.judged(event, verdict, found[event.circuit], now_ns))
    return events, notes


def _lifted(
    tree: Tree, state: State, found: Mapping[str, Net], bounds: tuple[Bound, ...], image: Image, now_ns: int
) -> State:
    """Marks the events whose bound is gone, or leaves room for the next load."""
    in_force = {bound.key: bound for bound in bounds}
    changed: dict[str, Event] = {}
    auto_returns = dict(state.durable.auto_returns)
    for event in state.durable.events.values():
        bound = in_force.get(event.key)
        lifted = bound is None
        if bound is not None and event.dry:
            lifted = not bound.begins and found[event.circuit].last_w <= bound.hi_w * DRY_CLEAR_PU
        elif bound is not None and is_limit(event.key):
            lifted = _has_room(tree, state, found, image, event, bound)
        elif bound is not None and event.lifted:
            continue  # another event of the same rule binds now; this one's loads are on their way back
        if lifted is not event.lifted:
            changed[event.id] = replace(event, lifted=lifted)
            if lifted and event.circuit in tree.tanks:
                auto_returns[event.circuit] = (*auto_returns.get(event.circuit, ()), now_ns)[-AUTO_RETURNS_KEPT:]
    if not changed:
        return state
    events = {**state.durable.events, **changed}
    return replace(state, durable=replace(state.durable, events=events, auto_returns=auto_returns))


def _has_room(tree: Tree, state: State, found: Mapping[str, Net], image: Image, event: Event, bound: Bound) -> bool:
    """Whether a limit leaves room for one of the loads that it lowered; whether it is kept, when it lowered none."""
    net = found[event.circuit]
    if net.watts is None or any(event.circuit in sent.falls for sent in state.durable.cuts):
        return False
    watts = [
        tree.loads[load].steps[-1].watts - tree.loads[load].steps[0].watts
        for load, down in state.durable.lowered.items()
        if down.event == event.id
    ]
    steady = steady_w(state, net, event.circuit)
    ends_w = max(net.watts, steady if steady is not None else net.watts)
    return ends_w + climbing_w(tree, state.durable, image, event.circuit) + min(watts, default=0.0) <= bound.hi_w


def _ended(tree: Tree, state: State, image: Image, found: Mapping[str, Net], now_ns: int) -> tuple[State, list[Note]]:
    """Closes the lifted events whose loads are all back, but for those that have not answered for long."""
    lifted = [event for event in state.durable.events.values() if event.lifted]
    if not lifted:
        return state, []
    down = Counter(entry.event for entry in state.durable.lowered.values())
    up = Counter(entry.event for entry in state.durable.rising.values() if not entry.arrived)
    out = {sent.event for sent in state.durable.cuts}
    events = dict(state.durable.events)
    lowered = state.durable.lowered
    notes: list[Note] = []
    for event in lifted:
        if event.id in out or up[event.id]:
            continue
        behind: tuple[str, ...] = ()
        if down[event.id]:
            mine = [load for load, entry in lowered.items() if entry.event == event.id]
            behind = tuple(load for load in mine if _gone_quiet(tree, load, image, now_ns))
            if len(behind) < len(mine):
                continue
            lowered = {
                load: replace(entry, event="") if entry.event == event.id else entry for load, entry in lowered.items()
            }
        del events[event.id]
        notes.append(tell.ended(event, found[event.circuit], behind, now_ns))
    if not notes:
        return state, []
    circuits = {
        name: replace(memory, return_from_ns=None) if memory.return_from_ns is not None else memory
        for name, memory in state.circuits.items()
    }
    returns = {name: plan for name, plan in state.returns.items() if name in events}
    durable = replace(state.durable, events=events, lowered=lowered)
    return replace(state, durable=durable, circuits=circuits, returns=returns), notes


def _gone_quiet(tree: Tree, load: str, image: Image, now_ns: int) -> bool:
    seen = image.loads.get(load)
    if seen is None:
        return False
    quiet_ns = max(LEFT_BEHIND_NS, READ_POLLS_MAX * tree.loads[load].poll_ns)
    return seen.poll is not Outcome.OK and now_ns - seen.taken_ns > quiet_ns


def _moded(tree: Tree, state: State, found: Mapping[str, Net], armed: Armed, now_ns: int) -> tuple[State, list[Note]]:
    """Each circuit's mode after this beat."""
    out = {sent.circuit for sent in state.durable.cuts}
    open_on: dict[str, list[Event]] = {}
    for event in state.durable.events.values():
        if not event.dry:
            open_on.setdefault(event.circuit, []).append(event)
    changed: dict[str, CircuitMemory] = {}
    notes: list[Note] = []
    heard = _heard(tree, armed)
    for name in tree.leaves_first:
        memory = state.circuits.get(name)
        if memory is None:
            memory = changed[name] = CircuitMemory(since_ns=now_ns)
        mode = after(
            memory.mode,
            _cue(tree, name, memory, found[name], out, open_on.get(name, []), heard, state.durable.latched, now_ns),
        )
        if mode is memory.mode:
            continue
        changed[name] = replace(memory, mode=mode, since_ns=now_ns, return_from_ns=None)
        notes += tell.moded(name, memory.mode, mode, found[name], now_ns)
    if not changed:
        return state, notes
    return replace(state, circuits={**state.circuits, **changed}), notes


def _heard(tree: Tree, armed: Armed) -> dict[str, bool]:
    """Whether every load under each circuit was heard or given up on."""
    heard: dict[str, bool] = {}
    for name in tree.leaves_first:
        heard[name] = armed.heard.get(name, False) and all(heard[child] for child in tree.children[name])
    return heard


def _cue(
    tree: Tree,
    name: str,
    memory: CircuitMemory,
    net: Net,
    out: set[str],
    events: list[Event],
    heard: Mapping[str, bool],
    latched: Mapping[str, str],
    now_ns: int,
) -> Cue | None:
    if name in latched:
        return Cue.LATCH
    silent_ns = memory.silent_since_ns
    if silent_ns is not None and now_ns - silent_ns >= tree.circuits[name].blind_after_ns:
        # Only BOOT adopts, so it lasts until the loads are heard; the way down to the fallback waits for no mode.
        return Cue.LOST if memory.mode is not Mode.BOOT or heard[name] else None
    if memory.mode is Mode.BLIND:
        return Cue.FOUND if net.watts is not None else None
    if memory.mode is Mode.BOOT:
        return Cue.ALL_HEARD if heard[name] and net.watts is not None else None
    if name in out:
        return Cue.OVER
    if not events:
        return Cue.RESTORED
    return Cue.LIFTED if all(event.lifted for event in events) else Cue.BOUND
