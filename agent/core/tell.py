"""Notes: what is told of each thing that happened, in one sentence with its numbers. All formatting is here, off the
path.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from agent.core.cut import cut
from agent.core.image import Image, Outcome
from agent.core.ladder import EMPTY, Armed
from agent.core.notes import EventNote, Note
from agent.core.power import Net
from agent.core.site import BoundClass
from agent.core.state import Cut, Event, Mode, State, Supply, Tie
from agent.core.tree import Tree
from agent.core.values import NS_PER_S
from agent.core.verify import Verdict

VALUE = BoundClass.VALUE
ALARM_AFTER_NS = 1 * NS_PER_S  # a lost poll or the first second of a start is no alarm


def kw(watts: float | None) -> str:
    """Watts as people read them."""
    return "unknown" if watts is None else f"{watts / 1000:.1f} kW"


def _event(event: Event, kind: str, why: str, net: Net, now_ns: int) -> EventNote:
    return EventNote(
        now_ns,
        event.id,
        kind,
        event.circuit,
        event.rule,
        event.cls.name.lower(),
        why,
        event.hi_w,
        net.meter,
        net.watts,
        now_ns - net.taken_ns if net.taken_ns else None,
    )


def begun(
    tree: Tree, before: State, state: State, found: Mapping[str, Net], armed: Armed, now_ns: int
) -> Iterable[Note]:
    """The events and cuts that are new since the last beat."""
    notes: list[Note] = []
    for event in state.durable.events.values():
        old = before.durable.events.get(event.id)
        net = found[event.circuit]
        if not event.begun:
            why = f"{event.rule} binds: at most {kw(event.hi_w)}, from {kw(event.base_w)}"
            notes.append(_event(event, "begin", why, net, now_ns))
            if event.dry:
                taken = cut(armed.urgent.get(event.circuit, EMPTY), net.last_w - event.hi_w)
                loads = tuple(zip(taken.loads, taken.steps, strict=True))
                why = f"observed only: {len(loads)} loads worth {kw(taken.watts)} would have been told"
                notes.append(replace(_event(event, "cut", why, net, now_ns), loads=loads))
        if event.unmet and (old is None or not old.unmet):
            why = f"unmet: the ladder has no more; {kw(net.watts)} stands against {kw(event.hi_w)}"
            notes.append(_event(event, "unmet", why, net, now_ns))
    known = {(sent.event, sent.told_ns) for sent in before.durable.cuts}
    for sent in state.durable.cuts:
        owner = state.durable.events.get(sent.event)
        if (sent.event, sent.told_ns) in known or owner is None:
            continue
        why = f"{len(sent.loads)} loads worth {kw(sent.watts)} told"
        note = _event(owner, "cut", why, found[sent.circuit], now_ns)
        notes.append(replace(note, loads=tuple(zip(sent.loads, sent.steps, strict=True))))
    return notes


def told(state: State, sent: Cut, image: Image, now_ns: int) -> EventNote:
    """What the loads of one cut answered, and when."""
    writes = [image.writes[load] for load in sent.loads if load in image.writes]
    mine = [write for write in writes if write.sent_ns >= sent.told_ns]
    ok = sum(write.outcome is Outcome.OK for write in mine)
    times: list[tuple[str, int]] = [("reading", 0)]
    if mine:
        times.append(("first", min(write.sent_ns for write in mine) - sent.reading_ns))
        times.append(("last", max(write.sent_ns for write in mine) - sent.reading_ns))
    answers = [write.answered_ns for write in mine if write.answered_ns is not None]
    if answers:
        times.append(("acked", max(answers) - sent.reading_ns))
    event = state.durable.events.get(sent.event)
    rule, cls = (event.rule, event.cls.name.lower()) if event is not None else ("", "")
    return EventNote(
        now_ns,
        sent.event,
        "told",
        sent.circuit,
        rule,
        cls,
        f"{ok} of {len(sent.loads)} loads acknowledged",
        loads=tuple(zip(sent.loads, sent.steps, strict=True)),
        answers=tuple(_answer(load, step, sent, image) for load, step in zip(sent.loads, sent.steps, strict=True)),
        times_ns=tuple(times),
    )


def _answer(load: str, step: str, sent: Cut, image: Image) -> tuple[int, int, int, str]:
    """Whether one setpoint was sent, acknowledged and read back, and what came of it."""
    write, seen = image.writes.get(load), image.loads.get(load)
    if write is None or write.sent_ns < sent.told_ns or write.step != step:
        return 0, 0, 0, "unsent"
    applied = seen is not None and seen.taken_ns > write.sent_ns and seen.step == step
    return 1, int(write.outcome is Outcome.OK), int(applied), str(write.outcome)


def judged(event: Event, verdict: Verdict, net: Net, now_ns: int) -> EventNote:
    """What the meter says of an event's cuts."""
    kind = "delivered" if verdict.delivered else "short"
    under = net.watts is not None and net.watts <= event.hi_w
    why = f"{kw(verdict.fell_w)} of {kw(verdict.wanted_w)} fell at {verdict.meter or 'the sum of the loads'}; "
    why += f"{kw(net.watts)} is {'under' if under else 'above'} {kw(event.hi_w)}"
    first_ns = min(sent.reading_ns for sent in verdict.cuts)
    return replace(_event(event, kind, why, net, now_ns), times_ns=(("delivered", now_ns - first_ns),))


def failures(state: State, failed: tuple[tuple[str, str], ...], now_ns: int) -> list[Note]:
    """Loads that did not do as told."""
    by_fault: dict[str, list[str]] = {}
    for load, fault in failed:
        by_fault.setdefault(fault, []).append(load)
    return [
        EventNote(
            now_ns,
            "",
            "alarm",
            "",
            "",
            "",
            f"{len(loads)} loads {'are contested: they left their step twice' if fault == 'contested' else fault}",
            loads=tuple((load, fault) for load in loads),
        )
        for fault, loads in by_fault.items()
    ]


def returns(tree: Tree, before: State, state: State, found: Mapping[str, Net], now_ns: int) -> list[Note]:
    """The events whose first load rises in this beat."""
    started = [up.event for load, up in state.durable.rising.items() if load not in before.durable.rising]
    already = {up.event for up in before.durable.rising.values()}
    notes: list[Note] = []
    for name in dict.fromkeys(started):
        event = state.durable.events.get(name) if name not in already else None
        plan = before.returns.get(name)
        if event is not None and (plan is None or not plan.risen):
            down = sum(entry.event == name for entry in before.durable.lowered.values())
            notes.append(_event(event, "return", f"{down} loads come back by ramp", found[event.circuit], now_ns))
    return notes


def ended(event: Event, net: Net, behind: tuple[str, ...], now_ns: int) -> EventNote:
    """An event that is over."""
    why = "observed only; it is over" if event.dry else "every load is back"
    if behind:
        why = f"every load that answers is back; {len(behind)} do not"
    return replace(_event(event, "end", why, net, now_ns), loads=tuple((load, "silent") for load in behind))


def moded(circuit: str, old: Mode, new: Mode, net: Net, now_ns: int) -> list[Note]:
    """The mode changes that are alarms."""
    if new is Mode.BLIND:
        kind, why = "alarm", f"power of {circuit} cannot be known; last {kw(net.last_w)}"
    elif old is Mode.BLIND:
        kind, why = "clear", f"power of {circuit} is known again: {kw(net.watts)}"
    else:
        return []
    return [EventNote(now_ns, "", kind, circuit, "blind", "protect", why, None, net.meter, net.watts)]


def tied(before: State, state: State, now_ns: int) -> list[Note]:
    """The site became an island, or is tied again, or nobody knows."""
    if state.tie is before.tie or (before.tie is None and state.tie is Tie.TIED):
        return []
    words = {Tie.TIED: "the site is tied to the grid again", Tie.ISLAND: "the site is an island"}
    why = words.get(state.tie or Tie.UNKNOWN, "whether the site is an island is not known: nothing rises")
    return [EventNote(now_ns, "", "clear" if state.tie is Tie.TIED else "alarm", "", "tie", "protect", why)]


def supplied(before: State, state: State, now_ns: int) -> list[Note]:
    """The voltage dips, the supply is gone, or it may be relied on again."""
    supply = state.supply.supply
    if supply is before.supply.supply:
        return []
    words = {
        Supply.ALIVE: "the supply is good",
        Supply.RIDE_THROUGH: "the voltage is low: ridden through, nothing rises",
        Supply.OUTAGE: "the supply is gone: nothing rises before it was good for its whole time",
    }
    kind = "clear" if supply is Supply.ALIVE else "alarm"
    return [EventNote(now_ns, "", kind, "", "supply", "protect", words[supply])]


def alarms(tree: Tree, state: State, now_ns: int) -> tuple[State, list[Note]]:
    """Rules that became unavailable, or available again, and what else they want known."""
    now = {
        name: memory.alarm
        for name, memory in state.rules.items()
        if memory.unavailable_ns is not None and now_ns - memory.unavailable_ns >= ALARM_AFTER_NS
    }
    now |= {
        name: trouble.why for name, trouble in state.troubles.items() if now_ns - trouble.since_ns >= ALARM_AFTER_NS
    }
    if now == state.alarms:
        return state, []
    notes: list[Note] = []
    for name in dict.fromkeys((*now, *state.alarms)):
        if now.get(name) != state.alarms.get(name):
            why = now.get(name) or "available again"
            kind = "alarm" if name in now else "clear"
            notes.append(EventNote(now_ns, "", kind, "", name, "grid", f"{name}: {why}"))
    return replace(state, alarms=now), notes
