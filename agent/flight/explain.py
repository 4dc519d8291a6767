"""One event in plain sentences, each with the instant and the entry that it came from. Pure.

Nothing is worked out anew: every figure is one that was recorded, of an input or of a decision. What was never recorded
(a flight that the disk has no more) is not told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from agent.core.image import Lease, Outcome
from agent.core.notes import EventNote
from agent.core.rules.cooling import Cooling
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.state import Durable, Event
from agent.core.tell import kw
from agent.flight import entries
from agent.flight.entries import Attended, Reacted, applied
from agent.flight.reading import Placed
from agent.flight.scene import Scene

NAMED_MAX = 6  # loads that are named one by one


class Sentence(Struct, frozen=True):
    """One thing that happened."""

    now_ns: int
    wall_ms: int | None
    says: str
    file: str  # where it is recorded: which flight,
    offset: int  # the block that begins at this byte,
    number: int  # which of its entries, from 0
    kind: str  # and of what kind that is


class Known(Struct, frozen=True):
    """An event that flights speak of."""

    id: str
    rule: str
    circuit: str
    at_ns: int
    wall_ms: int | None


class Teller:
    """Goes through flights, the oldest first, and tells one event."""

    def __init__(self, event: str) -> None:
        self._id = event
        self._event: Event | None = None
        self._scene: Scene | None = None
        self._points: dict[str, float | None] = {}  # what was read last
        self._before: dict[str, float | None] = {}  # what was read before that
        self._leases: dict[str, Lease] = {}
        self._durable = Durable()
        self._heard = (-1, False)  # the newest decision of this boot
        self._boot = ""
        self._clock: tuple[int, int] | None = None  # monotonic ns and Unix ms of one instant
        self._asked: set[str] = set()
        self._agreed: set[str] = set()
        self._rose: set[str] = set()
        self._untold: list[str] = []  # that agreed, and were not named yet: of many, every tenth part is told
        self._unrisen: list[str] = []

    def begin(self, boot: str, scene: Scene | None) -> None:
        """Another flight: its boot, and what it was decided with where this version can read that."""
        if boot != self._boot:
            self._boot, self._heard, self._clock = boot, (-1, False), None
        self._scene = scene

    def feed(self, placed: Placed) -> Iterator[Sentence]:
        """What this entry says of the event."""
        entry = placed.entry
        match entry:
            case entries.Begin():
                self._leases = {lease.id: lease for lease in entry.image.leases}
                self._points = {name: reading.value for name, reading in entry.image.points.items()}
                self._before = {}
            case entries.Stand():
                self._durable = entry.kept.state.durable
                self._event = self._durable.events.get(self._id, self._event)
                self._asked |= {load for load, down in self._durable.lowered.items() if down.event == self._id}
            case entries.Points(device, _, values, _):
                for point, value in values.items():
                    name = f"{device}.{point}"
                    self._before[name] = self._points.get(name)
                    self._points[name] = value
            case entries.Leases(leases):
                self._leases |= {lease.id: lease for lease in leases}
            case Reacted() | Attended():
                yield from self._decision(placed, entry)

    # --- decisions ----------------------------------------------------------------------------------------------------

    def _decision(self, placed: Placed, entry: Reacted | Attended) -> Iterator[Sentence]:
        before = self._durable
        self._durable = applied(before, entry.delta)
        if isinstance(entry, Reacted) and entry.image.wall_ms is not None:
            self._clock = entry.now_ns, entry.image.wall_ms
        instant = (entry.now_ns, isinstance(entry, Attended))
        if instant <= self._heard:
            return  # two flights overlap
        self._heard = instant
        now = self._durable.events.get(self._id)
        says: list[str] = []
        if now is not None and self._id not in before.events and self._event is None:
            says += self._began(now)
        self._event = now or self._event
        if self._event is None:
            return
        if entry.delta is not None:
            says += self._changed(before.events.get(self._id), now, entry)
        if isinstance(entry, Attended):
            says += self._attended(entry)
        for text in says:
            yield self._sentence(placed, entry.now_ns, text)

    def _began(self, event: Event) -> Iterator[str]:
        yield from self._called_for(event)
        words = f"{self._rule(event)} binds {_node(event.circuit)}: at most {kw(event.hi_w)}"
        if event.base_w is not None:
            words += f", from {kw(event.base_w)}"
        yield words + (". It is observed only: nothing is told." if event.dry else ".")
        lease = self._leases.get(event.key)
        if lease is not None:
            yield (
                f"That is command {lease.id} of {lease.issuer}, for at most {kw(lease.limit_w)}; its lease "
                + ("has no end." if lease.until_ns is None else f"ends {_after(lease.from_ns, lease.until_ns)} later.")
            )
        others = [other for other in self._durable.events.values() if other.id != event.id and not other.lifted]
        for other in others:
            yield f"Event {other.id} of {other.rule} on {_node(other.circuit)} is open meanwhile."

    def _called_for(self, event: Event) -> Iterator[str]:
        """The readings that it came from."""
        for device, points in self._looked_at(event).items():
            said = [self._reading(f"{device}.{point}", point) for point in points]
            known = [text for text in said if text]
            if known:
                yield f"{device} reads {', '.join(known)}."

    def _looked_at(self, event: Event) -> Mapping[str, Sequence[str]]:
        if self._scene is None:
            return {}
        rule = next((rule for rule in self._scene.written if rule.id == event.rule), None)
        if isinstance(rule, UnderFrequency):
            return {rule.meter: ("frequency_hz", "power_w", "voltage_l1_v")}
        if isinstance(rule, Cooling):
            return {rule.plc: tuple(edge.point for edge in rule.shed)}
        circuit = self._scene.tree.circuits.get(event.circuit)
        return {} if circuit is None or circuit.meter is None else {circuit.meter: ("power_w",)}

    def _reading(self, name: str, point: str) -> str:
        if name not in self._points:
            return ""
        value = self._points[name]
        before = self._before.get(name)
        was = f" (before: {_value(point, before)})" if before is not None and before != value else ""
        return _value(point, value) + was

    def _rule(self, event: Event) -> str:
        rule = None if self._scene is None else next((r for r in self._scene.written if r.id == event.rule), None)
        words = f"Rule {event.rule}" if rule is not None else event.rule or "A limit"
        if isinstance(rule, UnderFrequency):
            words += f" (below {rule.shed_below_hz:g} Hz)"
        return f"{words}, class {event.cls.name.lower()},"

    def _changed(self, before: Event | None, now: Event | None, entry: Reacted | Attended) -> Iterator[str]:
        """What a decision changed of the event and its loads."""
        delta = entry.delta
        assert delta is not None
        if "cuts" in delta.fields:
            for cut in delta.part.cuts:
                if cut.event == self._id and cut.told_ns == entry.now_ns:
                    self._asked |= set(cut.loads)
                    steps, age = ", ".join(sorted(set(cut.steps))), _after(cut.reading_ns, cut.told_ns)
                    yield (
                        f"{_count(cut.loads)}, worth {kw(cut.watts)}, told to be {steps} "
                        f"{age} after the reading was taken: {_names(cut.loads)}."
                    )
        again = [point.load for point in entry.setpoints if point.lowers and point.event == self._id]
        if again:
            yield f"{_names(again)} had left its step by itself and is told again."
        fresh = [
            load
            for load, down in delta.part.lowered.items()
            if down.event == self._id and down.confirmed and load not in self._agreed
        ]
        if fresh:
            tenths = len(self._agreed) * 10 // max(1, len(self._asked))
            self._agreed |= set(fresh)
            self._untold += fresh
            if len(self._agreed) * 10 // max(1, len(self._asked)) > tenths:
                untold, self._untold = self._untold, []
                yield f"{_names(untold)} read back as told; {len(self._agreed)} of {len(self._asked)} by now."
        if before is not None and now is not None and now.lifted and not before.lifted:
            yield "The bound is gone, or leaves room: its loads may return."
        if before is not None and now is not None and before.lifted and not now.lifted:
            yield "It binds again before its loads are back: the same event goes on."
        raised = [point.load for point in entry.setpoints if not point.lowers and point.event == self._id]
        if raised:
            tenths = len(self._rose) * 10 // max(1, len(self._asked))
            self._rose |= set(raised)
            self._unrisen += raised
            if len(self._rose) * 10 // max(1, len(self._asked)) > tenths:
                unrisen, self._unrisen = self._unrisen, []
                yield f"{_names(unrisen)} told to rise; {len(self._rose)} of {len(self._asked)} by now."

    def _attended(self, entry: Attended) -> Iterator[str]:
        for told in entry.notes:
            note = told.event
            if note is not None and note.event == self._id:
                yield from self._note(note)
            elif note is not None and not note.event and note.kind == "alarm":
                mine = [load for load, _ in note.loads if load in self._asked]
                if mine:
                    yield f"Alarm: {note.why}: {_names(mine)}."
            command = told.command
            if command is not None and self._event is not None and command.command == self._event.key:
                words = f"Command {command.command} is {command.state}"
                words += f" ({command.code})" if command.code else ""
                yield words + (f": the meter shows {kw(command.net_w)}." if command.net_w is not None else ".")

    def _note(self, note: EventNote) -> Iterator[str]:
        if note.kind == "told":
            yield f"{note.why[0].upper()}{note.why[1:]}{_times(note)}."
            silent = [
                (load, outcome)
                for (load, _), (_, acknowledged, _, outcome) in zip(note.loads, note.answers, strict=False)
                if not acknowledged
            ]
            by_outcome: dict[str, list[str]] = {}
            for load, outcome in silent:
                by_outcome.setdefault(outcome, []).append(load)
            for outcome, loads in by_outcome.items():
                yield f"Not acknowledged ({_OUTCOMES.get(outcome, outcome)}): {_names(loads)}."
        elif note.kind == "cut" and self._event is not None and self._event.dry:
            yield f"{note.why[0].upper()}{note.why[1:]}."
        elif note.kind in ("delivered", "short"):
            word = "Delivered" if note.kind == "delivered" else "SHORT"
            yield f"{word}, as {note.meter or 'the sum of the loads'} shows: {note.why}{_times(note)}."
        elif note.kind == "unmet":
            yield f"Unmet: {note.why.removeprefix('unmet: ')}."
        elif note.kind == "return":
            yield f"The return begins: {note.why}."
        elif note.kind == "end":
            began = self._event.began_ns if self._event is not None else note.at_ns
            yield f"The event is over, {_after(began, note.at_ns)} after it began: {note.why}."

    def _sentence(self, placed: Placed, now_ns: int, says: str) -> Sentence:
        kind = "react" if isinstance(placed.entry, Reacted) else "attend"
        return Sentence(now_ns, self._wall_ms(now_ns), says, placed.file, placed.offset, placed.number, kind)

    def _wall_ms(self, now_ns: int) -> int | None:
        return None if self._clock is None else self._clock[1] + (now_ns - self._clock[0]) // 1_000_000


def events_of(these: Iterable[Placed]) -> Iterator[Known]:
    """The events that began in, or were open at, these entries."""
    wall_ms: int | None = None
    for placed in these:
        entry = placed.entry
        if isinstance(entry, Reacted):
            wall_ms = entry.image.wall_ms
        if isinstance(entry, entries.Stand):
            for event in entry.kept.state.durable.events.values():
                yield Known(event.id, event.rule, event.circuit, entry.now_ns, wall_ms)
        if isinstance(entry, Attended):
            for told in entry.notes:
                note = told.event
                if note is not None and note.event:
                    yield Known(note.event, note.rule, note.circuit, entry.now_ns, wall_ms)


_OUTCOMES = {
    str(Outcome.SILENT): "written, no answer",
    str(Outcome.UNREACHABLE): "not reached",
    str(Outcome.REFUSED): "refused",
    str(Outcome.GARBLED): "an answer that makes no sense",
    str(Outcome.PENDING): "no answer yet",
}
_TIMES = {
    "first": "first byte out",
    "last": "last byte out",
    "acked": "last answer",
    "delivered": "delivered",
}


def _times(note: EventNote) -> str:
    said = [f"{_TIMES[name]} {_after(0, at_ns)}" for name, at_ns in note.times_ns if name in _TIMES]
    return f" ({', '.join(said)} after the reading)" if said else ""


def _node(name: str) -> str:
    return f"tank {name.removeprefix('tank:')}" if name.startswith("tank:") else f"circuit {name}"


def _count(loads: Sequence[str]) -> str:
    return "1 load" if len(loads) == 1 else f"{len(loads)} loads"


def _names(loads: Sequence[str]) -> str:
    shown = ", ".join(loads[:NAMED_MAX])
    return shown if len(loads) <= NAMED_MAX else f"{shown} and {len(loads) - NAMED_MAX} more"


def _after(from_ns: int, to_ns: int) -> str:
    ms = (to_ns - from_ns) / 1e6
    return f"{ms:.1f} ms" if ms < 1_000 else f"{ms / 1_000:.1f} s" if ms < 600_000 else f"{ms / 60_000:.0f} min"


def _value(point: str, value: float | None) -> str:
    quantity, _, unit = point.rpartition("_")
    if value is None:
        return f"no {quantity}"
    if unit == "w":
        return kw(value)
    return f"{value:.3f} Hz" if unit == "hz" else f"{quantity.replace('_', ' ')} {value:g} {unit.upper()}"
