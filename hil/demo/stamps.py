"""Stamps and how they are read: all CLOCK_MONOTONIC ns, taken where the bytes were.

A register's change is stamped at the meter stand-in, a verb at the miner stand-in when its last byte was read, a record
at the demo's own MQTT client. Times are differences of such stamps; nothing asks the agent how fast it was.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from hil.evidence import Evidence, Record

S = 1_000_000_000
MS = 1_000_000
Verbs = Mapping[str, Sequence[tuple[int, str]]]  # miner -> when it was told what


class Refresh(Struct, frozen=True):
    """One renewal of the meter's registers."""

    changed_ns: int
    served_ns: int | None
    watts: float
    hertz: float
    volts: float


class Measured(Struct, frozen=True):
    """One measured time; None: it never came."""

    what: str
    ns: int | None
    since: str


class Verdict(Struct, frozen=True):
    """One step: whether it was as it must be, and the numbers."""

    step: str
    ok: bool
    detail: str
    simulated: bool = False


def told(verbs: Verbs, step: str, from_ns: int, to_ns: int) -> dict[str, int]:
    """Miner -> when it was first told this between two instants."""
    found = {}
    for miner, heard in verbs.items():
        inside = [ns for ns, verb in heard if verb == step and from_ns <= ns < to_ns]
        if inside:
            found[miner] = min(inside)
    return found


def first(refreshes: Sequence[Refresh], after_ns: int, holds: Callable[[Refresh], bool]) -> Refresh | None:
    """The first refresh after an instant of which something holds."""
    return next((refresh for refresh in refreshes if refresh.changed_ns > after_ns and holds(refresh)), None)


def event_record(evidence: Evidence, kind: str, rule: str, after_ns: int) -> Record | None:
    """The first record of this kind and rule that came after an instant."""
    records = evidence.of("evt", k=kind, rule=rule)
    return next((record for record in records if record.received_ns >= after_ns), None)


def since(at_ns: int | None, from_ns: int | None) -> int | None:
    """The difference, if both are known."""
    return None if at_ns is None or from_ns is None else at_ns - from_ns


def written(ns: int | None) -> str:
    """A time for people: milliseconds below a second, seconds above."""
    if ns is None:
        return "never"
    return f"{ns / MS:.1f} ms" if abs(ns) < S else f"{ns / S:.2f} s"
