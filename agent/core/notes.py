"""Notes: what the core wants told to the outside. The shell turns each into a signed record (uplink/records.py).

A note never changes what is done; it is made after the setpoints and may be late. Kinds are wire.md's event names:
begin cut told delivered short unmet return end alarm clear, and for commands applied verified unverified ended.
"""

from msgspec import Struct


class EventNote(Struct, frozen=True):
    """One thing that happened in one event (wire.md section 5, `evt`)."""

    at_ns: int
    event: str  # ULID; "" for alarms that belong to no event
    kind: str  # begin cut told delivered short unmet return end alarm clear
    circuit: str
    rule: str
    cls: str  # protect grid contract command value
    why: str  # one sentence with the numbers
    hi_w: float | None = None  # what is wanted
    meter: str | None = None
    net_w: float | None = None  # what is measured
    age_ns: int | None = None
    loads: tuple[tuple[str, str], ...] = ()  # (load, step) it speaks of
    answers: tuple[tuple[int, int, int, str], ...] = ()  # beside loads: sent, acknowledged, applied, outcome
    times_ns: tuple[tuple[str, int], ...] = ()  # ("reading", ns), ("first", ns), ... relative to the reading


class CommandNote(Struct, frozen=True):
    """A change in the life of one command (wire.md section 6.1); the uplink numbers and signs it."""

    at_ns: int
    command: str  # its id
    state: str  # applied verified unverified failed ended
    code: str = ""  # for ended: lease released superseded; for unverified: why
    before_w: float | None = None
    after_w: float | None = None
    meter: str | None = None
    net_w: float | None = None
    age_ns: int | None = None
    ok: int = 0  # loads read back at their setpoint
    fail: int = 0


Note = EventNote | CommandNote
