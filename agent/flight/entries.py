"""Entries: what a flight is made of, in the order in which it happened.

Inputs stand where the board took them in, decisions where they were made, so that an image is never recorded: it is
what the inputs before a decision add up to. react() and attend() are pure, so with the state at one instant and the
inputs from there every later decision comes out again (agent/flight/replay.py).

Two inputs of a decision are not read from devices. The armed ladder is large; what it was built from is here already,
so Arming says when its building began and Armed when it took the last one's place. The state is recorded whole about
every five seconds, in two entries:

    Begin    at the beginning of an arming: the whole image, and what else that arming is built from
    Stand    after the first beat on the ladder that came of it: the whole state; from here on it can be replayed

Between two Stands a decision carries only what it changed of the durable state (Delta).

Entries are tagged arrays in MessagePack. Structs of the core inside them are maps by field name, so that a version
that has one more can still read the others' flights.
"""

import importlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import fields, replace

from agent.core.image import Image, Lease, LoadSeen, Pulse, Write
from agent.core.notes import CommandNote, EventNote, Note
from agent.core.setpoint import Setpoint
from agent.core.state import Durable, State
from agent.translate import GpuSteps

VERSION = 1

# What entries of their own tell of the image; all the rest of it stands in every Reacted.
CARRIED = ("points", "pulses", "loads", "writes", "leases", "news", "held", "local")
REST = tuple(field.name for field in fields(Image) if field.name not in CARRIED)


class Head(Struct, frozen=True):
    """The first block: who recorded this, and the configuration it was decided with."""

    version: int
    agent_version: str
    site: str
    agent: str
    boot: str
    made_ns: int  # when this file was begun
    made_ms: int | None
    path: str  # where site.toml was
    text: str  # all of it, as read
    sha256: str  # of that text in UTF-8
    named: dict[str, str]  # inventories and profiles of the site's own, by the name that site.toml gives them
    gpus: dict[str, tuple[GpuSteps, ...]]  # what each [[gpus]] table's gpud had listed


class KeptState(Struct, frozen=True, array_like=True):
    """A State, with its rules' memories by the name of their kind."""

    state: State
    memories: dict[str, tuple[str, Raw]]


class Delta(Struct, frozen=True, array_like=True):
    """What one decision changed of the durable state."""

    fields: tuple[str, ...]  # that are not as before
    part: Durable  # these alone; of mappings only what is new or another
    gone: dict[str, tuple[str, ...]]  # keys that mappings have no more


class Told(Struct, frozen=True, array_like=True):
    """One note: of an event or of a command."""

    event: EventNote | None = None
    command: CommandNote | None = None

    @property
    def note(self) -> Note:
        note = self.event or self.command
        assert note is not None
        return note


class Begin(Struct, frozen=True, array_like=True, tag="begin"):
    """An arming began; the image then, and what else it was built from."""

    now_ns: int
    image: Image  # whole; with the loads heard of since the last beat
    durable: Durable
    mistrusted: tuple[str, ...]


class Stand(Struct, frozen=True, array_like=True, tag="stand"):
    """The whole state after a beat."""

    now_ns: int
    kept: KeptState
    armed_before: dict[str, str]  # what a beat may still adopt after a crash


class Points(Struct, frozen=True, array_like=True, tag="points"):
    """A meter or PLC was read."""

    device: str
    taken_ns: int
    values: dict[str, float | None]
    pulse: Pulse | None  # when its fast registers changed


class Load(Struct, frozen=True, array_like=True, tag="load"):
    """A load's read-back, or that there was none."""

    load: str
    seen: LoadSeen


class Wrote(Struct, frozen=True, array_like=True, tag="wrote"):
    """A setpoint on a load's wire, or what came of it."""

    load: str
    write: Write


class Leases(Struct, frozen=True, array_like=True, tag="leases"):
    """The limits that commands ask for are these now."""

    leases: tuple[Lease, ...]


class Holds(Struct, frozen=True, array_like=True, tag="holds"):
    """What people hold is this now."""

    held: frozenset[str]
    local: frozenset[str]


class Changed(Struct, frozen=True, array_like=True, tag="changed"):
    """A person on site changed the state: acknowledged a latch, released loads."""

    kept: KeptState


class Reacted(Struct, frozen=True, array_like=True, tag="react"):
    """react() on everything above."""

    now_ns: int
    image: Image  # but for CARRIED
    setpoints: tuple[Setpoint, ...]
    delta: Delta | None


class Attended(Struct, frozen=True, array_like=True, tag="attend"):
    """attend() on the image of the react before it, and the loads heard of since the last beat."""

    now_ns: int
    adopts: bool
    setpoints: tuple[Setpoint, ...]
    notes: tuple[Told, ...]
    delta: Delta | None


class Arming(Struct, frozen=True, array_like=True, tag="arming"):
    """The ladder is built anew from what is known now."""

    now_ns: int


class Armed(Struct, frozen=True, array_like=True, tag="armed"):
    """The ladder built last is the one that is cut."""


class Lost(Struct, frozen=True, array_like=True, tag="lost"):
    """So many entries had no room in memory; nothing can be decided again until the next Stand."""

    count: int


Entry: TypeAlias = (
    Begin | Stand | Points | Load | Wrote | Leases | Holds | Changed | Reacted | Attended | Arming | Armed | Lost
)

encode = msgspec.msgpack.encode
decode_entries = msgspec.msgpack.Decoder(list[Entry]).decode
decode_head = msgspec.msgpack.Decoder(Head).decode


def joined(entries: list[bytes]) -> bytes:
    """Encoded entries as one array of them."""
    return b"\xdd" + len(entries).to_bytes(4, "big") + b"".join(entries)


def told(notes: tuple[Note, ...]) -> tuple[Told, ...]:
    """Notes as they are recorded."""
    return tuple(Told(event=note) if isinstance(note, EventNote) else Told(command=note) for note in notes)


def keep(state: State) -> KeptState:
    """A state as it is recorded."""
    memories = {
        rule: (f"{type(memory).__module__}.{type(memory).__qualname__}", Raw(encode(memory)))
        for rule, memory in state.memories.items()
    }
    return KeptState(replace(state, memories={}), memories)


def kept(of: KeptState) -> State:
    """The state that was recorded; ValidationError when a rule's memory is of no kind that this version knows."""
    memories = {rule: msgspec.msgpack.decode(raw, type=_memory(name)) for rule, (name, raw) in of.memories.items()}
    return replace(of.state, memories=memories)


def _memory(name: str) -> type[Struct]:
    module, _, kind = name.rpartition(".")
    found: Any = None
    if module.startswith("agent.core."):
        try:
            found = getattr(importlib.import_module(module), kind, None)
        except ImportError:
            found = None
    if not (isinstance(found, type) and issubclass(found, Struct)):
        raise msgspec.ValidationError(f"this version knows no memory of a rule called {name}")
    return found


def delta(before: Durable, after: Durable) -> Delta | None:
    """What differs, found by identity: what is the same object was not changed."""
    if before is after:
        return None
    names: list[str] = []
    part: dict[str, Any] = {}
    gone: dict[str, tuple[str, ...]] = {}
    for field in fields(Durable):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old is new:
            continue
        names.append(field.name)
        if isinstance(new, Mapping):
            part[field.name] = {key: value for key, value in new.items() if old.get(key) is not value}
            gone[field.name] = tuple(key for key in old if key not in new)
        else:
            part[field.name] = new
    return Delta(tuple(names), Durable(**part), gone)


def applied(before: Durable, change: Delta | None) -> Durable:
    """The durable state after a change."""
    if change is None:
        return before
    after: dict[str, Any] = {}
    for name in change.fields:
        new = getattr(change.part, name)
        if isinstance(new, Mapping):
            gone = set(change.gone.get(name, ()))
            new = {key: value for key, value in {**getattr(before, name), **new}.items() if key not in gone}
        after[name] = new
    return replace(before, **after)
