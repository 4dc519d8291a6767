"""What other rules would have done with the same readings, beside what was done. Pure.

The plant does not answer to the new decisions: readings, read-backs and answers stay those that were recorded. So the
first row that differs is exact; what follows it is what would have been told, not what would have come of it. A load
that only the new rules lower never confirms it, and the meter never falls.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from agent.core.state import Durable
from agent.flight.entries import Attended, Entry
from agent.flight.replay import Decided, Decider
from agent.flight.scene import Scene


class Shed(Struct, frozen=True):
    """Loads told to go lower at one instant, for one rule on one circuit."""

    now_ns: int
    wall_ms: int | None
    rule: str
    circuit: str
    loads: int
    watts: float | None  # None: observed only, nothing was told


class Row(Struct, frozen=True):
    """One instant: what did happen, and what would have."""

    now_ns: int
    wall_ms: int | None
    rule: str
    circuit: str
    did: Shed | None
    would: Shed | None


def compare(entries: Iterable[Entry], was: Scene, other: Scene) -> list[Row]:
    """Every shed of either, in order of time."""
    decider = Decider(other, instead_of=was)
    rows: dict[tuple[int, str, str], Row] = {}
    for decided in decider.feed(entries):
        for shed in _sheds(decided, decided.durable, decided.entry):
            _row(rows, shed, did=shed)
        for shed in _sheds(decided, decided.state.durable, decided.made):
            _row(rows, shed, would=shed)
    return [rows[key] for key in sorted(rows)]


def _sheds(decided: Decided, durable: Durable, entry: object) -> Iterator[Shed]:
    now_ns, wall_ms = decided.entry.now_ns, decided.wall_ms
    if isinstance(entry, Attended):
        for told in entry.notes:
            note = told.event
            event = durable.events.get(note.event) if note is not None else None
            if note is not None and note.kind == "cut" and event is not None and event.dry:
                yield Shed(now_ns, wall_ms, note.rule, note.circuit, len(note.loads), None)
        return
    for cut in durable.cuts:
        if cut.told_ns == now_ns:
            event = durable.events.get(cut.event)
            yield Shed(now_ns, wall_ms, event.rule if event is not None else "", cut.circuit, len(cut.loads), cut.watts)


def _row(
    rows: dict[tuple[int, str, str], Row], shed: Shed, *, did: Shed | None = None, would: Shed | None = None
) -> None:
    key = (shed.now_ns, shed.rule, shed.circuit)
    known = rows.get(key)
    if known is not None:
        did, would = did or known.did, would or known.would
    rows[key] = Row(shed.now_ns, shed.wall_ms, shed.rule, shed.circuit, did, would)
