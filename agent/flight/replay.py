"""Deciding again from a flight: the same inputs through the same pure functions. Pure.

A Decider takes entries in their order and gives each decision that it could make again, beside the one recorded. What
react() and attend() are given is rebuilt from the entries exactly as the board built it; the ladder is armed anew where
it was. It begins at the first Stand; after entries were lost, at the next.

Faithful: every Stand and Begin must show what replay has come to by itself, and replay goes on from what is recorded,
so that one difference does not make a hundred. Free (other rules): state and image go on from what was decided here.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

from agent.core.attend import attend
from agent.core.image import Image, Lease, LoadSeen, Pulse, Write
from agent.core.ladder import Armed, arm, lowering_setpoints
from agent.core.react import Reaction, react
from agent.core.state import Durable, State
from agent.core.values import Quality, Reading
from agent.flight import entries
from agent.flight.entries import Attended, Begin, Changed, Entry, Reacted, Stand, applied, encode, keep, kept, told
from agent.flight.scene import Scene

SHOWN_MAX: Final = 200  # characters of a value in a difference

_S = TypeVar("_S", bound=Struct)


class Difference(Struct, frozen=True):
    """Where replay and recording part."""

    now_ns: int
    wall_ms: int | None
    what: str
    recorded: str
    replayed: str


class Decided(Struct, frozen=True):
    """One decision made again, and the one that was recorded."""

    entry: Reacted | Attended
    made: Reacted | Attended  # its delta is not filled in; `state` has it
    state: State
    durable: Durable  # as recorded
    wall_ms: int | None


class Decider:
    """Feeds entries to the core."""

    def __init__(self, scene: Scene, *, instead_of: Scene | None = None) -> None:
        """`instead_of`: the scene it was recorded with, where `scene` is another one."""
        self._tree, self._rules = scene.tree, scene.rules
        self._free = instead_of is not None
        was = {rule.id: type(rule) for rule in instead_of.written} if instead_of is not None else {}
        self._same = {rule.id for rule in scene.written if was.get(rule.id) is type(rule)}
        self._spares = lowering_setpoints(scene.tree)
        self._points: dict[str, Reading] = {}
        self._pulses: Mapping[str, Pulse] = {}
        self._loads: dict[str, LoadSeen] = {}
        self._writes: dict[str, Write] = {}
        self._leases: tuple[Lease, ...] = ()
        self._held: frozenset[str] = frozenset()
        self._local: frozenset[str] = frozenset()
        self._news: set[str] = set()
        self._image = Image()  # the newest that was made; its mappings are not changed any more
        self._reacted_to = self._image
        self._reaction: Reaction | None = None
        self._state = self._before = State()
        self._recorded = Durable()
        self._armed_before: Mapping[str, str] = {}
        self._armed, self._building = Armed(), Armed()
        self._begun = False  # there is an image
        self._live = False  # there is a state
        self._wall_ms: int | None = None
        self.decisions = 0
        self.stands = 0
        self.skipped = 0  # decisions before the first Stand, or after a loss
        self.lost = 0
        self.differences: list[Difference] = []

    def feed(self, these: Iterable[Entry]) -> Iterator[Decided]:
        """Decides again; what differs is put into `differences`."""
        for entry in these:
            if isinstance(entry, Reacted):
                yield from self._react(entry)
            elif isinstance(entry, Attended):
                yield from self._attend(entry)
            else:
                self._take(entry)

    # --- inputs -------------------------------------------------------------------------------------------------------

    def _take(self, entry: Entry) -> None:
        match entry:
            case entries.Points(device, taken_ns, values, pulse):
                self._points = dict(self._points)
                for point, value in values.items():
                    quality = Quality.GOOD if value is not None else Quality.BAD
                    self._points[f"{device}.{point}"] = Reading(value, taken_ns, quality)
                if pulse is not None:
                    self._pulses = {**self._pulses, device: pulse}
            case entries.Load(load, seen):
                if self._loads is self._image.loads:
                    self._loads = dict(self._loads)
                self._loads[load] = seen
                self._news.add(load)
            case entries.Wrote(load, write):
                if self._writes is self._image.writes:
                    self._writes = dict(self._writes)
                self._writes[load] = write
                self._news.add(load)
            case entries.Leases(leases):
                self._leases = leases
            case entries.Holds(held, local):
                self._held, self._local = held, local
            case entries.Arming(now_ns):
                self._arm(now_ns, self._state.durable, frozenset(self._state.mistrusted))
            case entries.Armed():
                self._armed = self._building
            case entries.Lost(count):
                self.lost += count
                self._begun = self._live = False
            case Changed(of):
                self._change(kept(of))
            case Begin():
                self._begin(entry)
            case Stand():
                self._stand(entry)

    def _begin(self, entry: Begin) -> None:
        if self._begun and not self._free:
            self._compare_image(entry)
        if not (self._begun and self._free):
            self._image = image = entry.image
            self._points, self._pulses = dict(image.points), image.pulses
            self._loads, self._writes = dict(image.loads), dict(image.writes)
            self._leases, self._held, self._local = image.leases, image.held, image.local
            self._news = set(image.news)
            self._wall_ms = image.wall_ms
            self._begun = True
        if self._free and self._live:
            self._arm(entry.now_ns, self._state.durable, frozenset(self._state.mistrusted))
        else:
            self._arm(entry.now_ns, entry.durable, frozenset(entry.mistrusted))

    def _stand(self, entry: Stand) -> None:
        if not self._begun or (self._live and self._free):
            return
        state = kept(entry.kept)
        if self._live:
            self._compare_state(entry.now_ns, state)
        self._armed_before = entry.armed_before
        self._state = self._before = self._adapted(state) if self._free else state
        self._recorded = state.durable
        self._live = True
        self.stands += 1

    def _adapted(self, state: State) -> State:
        """For other rules: without the memories of those that are gone or of another kind now."""
        return replace(
            state,
            rules={name: memory for name, memory in state.rules.items() if name in self._same},
            memories={name: memory for name, memory in state.memories.items() if name in self._same},
            cooling={name: memory for name, memory in state.cooling.items() if name in self._same},
        )

    def _change(self, state: State) -> None:
        """What a person changed. With other rules the state is another one, so what they did to it is left out."""
        self._recorded = state.durable
        if not self._free:
            self._state = state

    def _arm(self, now_ns: int, durable: Durable, mistrusted: frozenset[str]) -> None:
        if not self._begun:
            return
        image = self._made_image(Image())
        for armed in arm(self._tree, durable, image, now_ns, self._spares, mistrusted):
            if armed is not None:
                self._building = armed

    def _made_image(self, rest: Image) -> Image:
        self._image = replace(
            rest,
            points=self._points,
            pulses=self._pulses,
            loads=self._loads,
            writes=self._writes,
            leases=self._leases,
            held=self._held,
            local=self._local,
        )
        return self._image

    # --- decisions ----------------------------------------------------------------------------------------------------

    def _react(self, entry: Reacted) -> Iterator[Decided]:
        if entry.image.wall_ms is not None:
            self._wall_ms = entry.image.wall_ms
        if not self._live:
            self.skipped += 1
            return
        self._reacted_to = image = self._made_image(entry.image)
        self._reaction = reaction = react(self._tree, self._rules, self._state, image, self._armed, entry.now_ns)
        self._state = reaction.state
        made = Reacted(entry.now_ns, entry.image, reaction.setpoints, None)
        yield self._decided(entry, made)

    def _attend(self, entry: Attended) -> Iterator[Decided]:
        news, self._news = frozenset(self._news), set()
        if not self._live or self._reaction is None:
            self.skipped += 1
            return
        image = replace(self._reacted_to, news=news)
        armed_before = self._armed_before if entry.adopts else {}
        attended = attend(self._tree, self._before, self._reaction, image, self._armed, armed_before, entry.now_ns)
        self._state = self._before = attended.state
        made = Attended(entry.now_ns, entry.adopts, attended.setpoints, told(attended.notes), None)
        yield self._decided(entry, made)

    def _decided(self, entry: Reacted | Attended, made: Reacted | Attended) -> Decided:
        self.decisions += 1
        self._recorded = applied(self._recorded, entry.delta)
        if not self._free:
            made = _settled(made)
            self._compare("setpoints", entry.now_ns, entry.setpoints, made.setpoints)
            if isinstance(entry, Attended) and isinstance(made, Attended):
                self._compare("notes", entry.now_ns, entry.notes, made.notes)
            self._compare_durable(entry.now_ns)
        return Decided(entry, made, self._state, self._recorded, self._wall_ms)

    # --- comparing ----------------------------------------------------------------------------------------------------

    def _compare(self, what: str, now_ns: int, recorded: Any, replayed: Any) -> None:
        if encode(recorded) != encode(replayed):
            self.differences.append(Difference(now_ns, self._wall_ms, what, _shown(recorded), _shown(replayed)))

    def _compare_durable(self, now_ns: int) -> None:
        for field in fields(Durable):
            theirs, mine = getattr(self._recorded, field.name), getattr(self._state.durable, field.name)
            if mine is theirs or mine == theirs:
                continue
            what = f"durable state, {field.name}"
            if isinstance(mine, Mapping):
                keys = [key for key in {**theirs, **mine} if theirs.get(key) != mine.get(key)]
                what += f" ({len(keys)} of them, the first {keys[0]})"
                theirs, mine = theirs.get(keys[0]), mine.get(keys[0])
            self.differences.append(Difference(now_ns, self._wall_ms, what, _shown(theirs), _shown(mine)))
            return

    def _compare_state(self, now_ns: int, recorded: State) -> None:
        mine = kept(_settled(keep(self._state)))
        for field in fields(State):
            theirs = getattr(recorded, field.name)
            self._compare(f"state, {field.name}", now_ns, theirs, getattr(mine, field.name))

    def _compare_image(self, entry: Begin) -> None:
        for name in entries.CARRIED:
            recorded, mine = getattr(entry.image, name), getattr(self, f"_{name}")
            if isinstance(recorded, frozenset):
                recorded, mine = sorted(recorded), sorted(mine)
            self._compare(f"what was known, {name}", entry.now_ns, recorded, mine)


def _settled(value: _S) -> _S:
    """A value as it is once it was written and read: a whole number in a field of floats is then one of these."""
    return msgspec.msgpack.decode(encode(value), type=type(value))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
