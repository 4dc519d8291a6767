"""Following each load that we moved: what its own read-back says of the setpoint it was told.

A lowered load
    agrees                  confirmed; it is counted, and may be raised later
    never got there         it did not follow: it is no longer counted as lowered, and is mistrusted for ten minutes
    was there and left      it moved by itself: told again once; the second time within ten minutes it is contested,
                            not fought, and not counted; while it may return anyway it is simply not ours any more
A rising load
    agrees and is due       arrived
    does not, when due      back among the lowered, tried again after a while

In BOOT a load that was down and is found on was moved behind our back: it is not ours any more. One that was told just
before the crash has its time like any other. A load found on the step that the journal had armed for it counts as
lowered by us (the volley went out, the crash came before the note).
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from agent.core.image import Image, LoadSeen, Outcome
from agent.core.power import climbing_left_w
from agent.core.setpoint import Setpoint
from agent.core.site import Contactor
from agent.core.state import Cut, Lowered, Mode, Rising, State
from agent.core.tree import Tree
from agent.core.values import NS_PER_S

CONTEST_NS = 600 * NS_PER_S  # design.md section 4, invariant 8
MISTRUST_NS = 600 * NS_PER_S
RAISE_AGAIN_NS = 30 * NS_PER_S
ARRIVED_PU = 0.9
OPERATIONS_KEPT = 100
NO_CONTACTORS: Mapping[str, Contactor] = {}


class Followed(Struct, frozen=True):
    """What following found."""

    state: State
    again: tuple[Setpoint, ...]  # told once more
    failed: tuple[tuple[str, str], ...]  # load, what is wrong with it


def settle(state: State, contactors: Mapping[str, Contactor] = NO_CONTACTORS) -> State:
    """Puts the loads of fresh cuts among the lowered, now that their bytes are out; counts contactors' operations."""
    fresh = [cut for cut in state.durable.cuts if not cut.settled]
    if not fresh:
        return state
    lowered = dict(state.durable.lowered)
    for cut in fresh:
        share_w = cut.watts / len(cut.loads)
        for load, step in zip(cut.loads, cut.steps, strict=True):
            lowered[load] = Lowered(cut.event, step, cut.told_ns, share_w)
    cuts = tuple(cut if cut.settled else replace(cut, settled=True) for cut in state.durable.cuts)
    operations = state.durable.operations
    for cut in fresh if contactors else ():
        for load in cut.loads:
            if load in contactors:
                operations = {**operations, load: (*operations.get(load, ()), cut.told_ns)[-OPERATIONS_KEPT:]}
    return replace(state, durable=replace(state.durable, cuts=cuts, lowered=lowered, operations=operations))


def adopt(tree: Tree, state: State, image: Image, armed_before: Mapping[str, str]) -> State:
    """After a crash: loads found on the step that was armed for them, and not known as lowered, were lowered by us.

    Told in the last instant they may still be on their way there when BOOT is over, so `armed_before` is given for a
    while longer (agent/shell/board.py).
    """
    events = [event for event in state.durable.events.values() if not event.dry]
    found: dict[str, Lowered] = {}
    for load in sorted(image.news):
        step = armed_before.get(load)
        seen = image.loads.get(load)
        if step is None or seen is None or seen.step != step or load in state.durable.lowered:
            continue
        if load in state.durable.rising:
            continue
        paths = tree.nodes_of[load]
        owner = next((event.id for event in events if event.circuit in paths), "")
        site_load = tree.loads[load]
        watts = site_load.steps[-1].watts - tree.step_watts(load, step)
        found[load] = Lowered(owner, step, seen.taken_ns, watts, True)
    if not found:
        return state
    return replace(state, durable=replace(state.durable, lowered={**state.durable.lowered, **found}))


def follow(tree: Tree, state: State, image: Image, now_ns: int) -> Followed:
    """What the read-backs since the last beat say of the loads that we moved."""
    durable = state.durable
    lowered: dict[str, Lowered] | None = None
    landed: dict[tuple[str, int], float] = {}
    rising: dict[str, Rising] | None = None
    again: list[Setpoint] = []
    failed: list[tuple[str, str]] = []
    for load in sorted(image.news):
        down = durable.lowered.get(load)
        seen = image.loads.get(load)
        if down is None or seen is None or seen.step is None or seen.taken_ns <= down.told_ns:
            continue
        verdict = _look(tree, state, load, down, seen)
        if verdict is down:
            continue
        lowered = dict(durable.lowered) if lowered is None else lowered
        if verdict is None:
            del lowered[load]
            if (
                tree.fed_by.get(load, "") not in durable.rising
                and not _may_return(state, down)
                and not booting(tree, state, load)
            ):
                failed.append((load, "contested" if down.confirmed else "did not follow"))
        else:
            lowered[load] = verdict
            if verdict.confirmed and seen.measured:
                cut_sent = (down.event, down.told_ns)
                landed[cut_sent] = landed.get(cut_sent, 0.0) + down.watts
            if verdict.moved_ns is not None and verdict.moved_ns == seen.taken_ns:
                if load in image.local:
                    del lowered[load]  # whoever has it in LOCAL moved it: it is theirs
                    continue
                again.append(Setpoint(load, down.step, tree.step_watts(load, down.step), down.event))
    for load, up in durable.rising.items():
        step = _rise(tree, load, up, image, now_ns)
        if step is up:
            continue
        rising = dict(durable.rising) if rising is None else rising
        del rising[load]
        if isinstance(step, Rising):
            rising[load] = step
        elif step is not None:
            lowered = dict(durable.lowered) if lowered is None else lowered
            lowered[load] = step
    if lowered is None and rising is None:
        return Followed(state, (), ())
    cuts = durable.cuts
    if landed and cuts:
        cuts = tuple(replace(cut, landed_w=cut.landed_w + landed.get((cut.event, cut.told_ns), 0.0)) for cut in cuts)
    after = replace(
        durable,
        cuts=cuts,
        lowered=durable.lowered if lowered is None else lowered,
        rising=durable.rising if rising is None else rising,
    )
    mistrusted = state.mistrusted
    if failed:
        mistrusted = {**mistrusted, **{load: now_ns + MISTRUST_NS for load, _ in failed}}
    return Followed(replace(state, durable=after, mistrusted=mistrusted), tuple(again), tuple(failed))


def _may_return(state: State, down: Lowered) -> bool:
    """Whether what this load was lowered for is over: found up, it came back sooner, or we raised it and died."""
    event = state.durable.events.get(down.event)
    return event is None or event.lifted


def _mode(state: State, circuit: str) -> Mode:
    memory = state.circuits.get(circuit)
    return Mode.BOOT if memory is None else memory.mode


def booting(tree: Tree, state: State, load: str) -> bool:
    """Whether a load was found as it is, rather than seen to move."""
    return any(_mode(state, circuit) is Mode.BOOT for circuit in tree.nodes_of[load])


def _look(tree: Tree, state: State, load: str, down: Lowered, seen: LoadSeen) -> Lowered | None:
    """One lowered load after a read-back; None: not lowered by us any more."""
    if seen.step is not None and tree.at_or_below(load, seen.step, down.step):
        return down if down.confirmed else replace(down, confirmed=True)
    switched = state.durable.rising.get(tree.fed_by.get(load, ""))
    if switched is not None and seen.taken_ns > switched.told_ns:
        return None  # its supply came back, and it with it
    reach_ns = tree.loads[load].steps[0].reach_ns
    if not down.confirmed:
        return down if seen.taken_ns < down.told_ns + reach_ns else None
    if booting(tree, state, load) or _may_return(state, down):
        return None
    if down.moved_ns is not None and seen.taken_ns - down.moved_ns < CONTEST_NS:
        return None
    return replace(down, moved_ns=seen.taken_ns, told_ns=seen.taken_ns, confirmed=False)


def _rise(tree: Tree, load: str, up: Rising, image: Image, now_ns: int) -> Rising | Lowered | None:
    """One rising load now; None: it is up and its minimum on time is over."""
    if up.arrived:
        return None if now_ns - up.told_ns >= tree.loads[load].on_ns_min else up
    seen = image.loads.get(load)
    answered = seen is not None and seen.taken_ns > up.told_ns
    if seen is not None and answered and seen.step == up.step:
        if load in tree.contactors:
            there = climbing_left_w(tree, image, load, up) <= (1.0 - ARRIVED_PU) * up.watts
        else:
            full_w = tree.loads[load].steps[-1].watts
            there = seen.measured and seen.watts is not None and seen.watts >= ARRIVED_PU * full_w
        if there or now_ns >= up.due_ns:
            return replace(up, arrived=True)
        return up
    write = image.writes.get(load)
    refused = write is not None and write.sent_ns >= up.told_ns and write.outcome is Outcome.REFUSED
    if refused or (now_ns >= up.due_ns and answered):
        return replace(up.was, not_before_ns=now_ns + RAISE_AGAIN_NS)
    return up


def answered(cut: Cut, image: Image) -> bool:
    """Whether every load of a cut has answered its write or been given up on."""
    for load in cut.loads:
        write = image.writes.get(load)
        if write is None or write.sent_ns < cut.told_ns or write.outcome is Outcome.PENDING:
            return False
    return True
