"""The image: the newest reading of every point of the site, frozen; what a decision is made from.

points    "METER.POINT" -> Reading, for every point of every meter ("main.power_w")
pulses    meter -> how often and when any of its fast registers changed: a meter that repeats itself is not alive
loads     load -> what its own read-back says (LoadSeen)
writes    load -> the newest setpoint put on its wire and what came of it (Write)
leases    the limits that signed commands ask for now, durable before they get here

Only agent/shell/board.py builds one. Every mapping is never changed after the image was made.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from agent.core.values import Reading


class Outcome(StrEnum):
    """What became of one request to one load."""

    PENDING = "pending"  # on its way; no answer yet
    OK = "ok"  # acknowledged
    REFUSED = "refused"  # the device said no
    SILENT = "silent"  # written, no answer: unknown until read
    UNREACHABLE = "unreachable"  # never connected: certainly not read
    GARBLED = "garbled"  # an answer that cannot be understood: unknown until read


class Pulse(Struct, frozen=True, gc=False):
    """A meter's refreshes: distinct contents of its fast block."""

    refreshes: int
    changed_ns: int


class LoadSeen(Struct, frozen=True, gc=False):
    """What one load's own read-back says."""

    step: str | None  # the step it says it is in; None when its answer does not tell
    watts: float | None  # what it says it draws; None when it does not tell
    measured: bool  # watts come from a power sensor, not from a model
    taken_ns: int  # when this was answered
    agreed: int = 1  # reads in a row that gave this step
    poll: Outcome = Outcome.OK  # what the newest poll came to; step and watts are of the newest that was OK
    lapsed: bool = False  # a lease that we did not renew in time took it down


class Write(Struct, frozen=True, gc=False):
    """The newest setpoint put on a load's wire."""

    step: str
    sent_ns: int
    outcome: Outcome = Outcome.PENDING
    answered_ns: int | None = None


class Lease(Struct, frozen=True):
    """A limit on one circuit asked for by a signed command, until it lapses (until_ns) or is released."""

    id: str  # the command's id
    issuer: str
    circuit: str
    limit_w: float
    from_ns: int  # when it was accepted
    until_ns: int | None  # monotonic; None: until released
    after: str = "release"  # release | hold
    verify_ns: int | None = None  # verify within this of acceptance, None: 10 s
    tolerance_w: float = 0.0
    why: str = ""


class Image(Struct, frozen=True):
    """Everything a decision may look at."""

    points: Mapping[str, Reading] = {}
    pulses: Mapping[str, Pulse] = {}
    loads: Mapping[str, LoadSeen] = {}
    writes: Mapping[str, Write] = {}
    leases: tuple[Lease, ...] = ()
    news: frozenset[str] = frozenset()  # loads whose LoadSeen or Write changed since the last beat
    held: frozenset[str] = frozenset()  # loads and contactors under a tag, LOCAL or what feeds them: no raise
    local: frozenset[str] = frozenset()  # of these, those that nothing may be written to
    away_ns: int | None = None  # since when there has been no broker; None: there is one, or none is meant to be
    local_time: tuple[int, int, int] | None = (
        None  # month, weekday (0: Monday), minute of the site's day, while trusted
    )
    wall_ms: int | None = None  # Unix ms when the clock is trusted at all; names events, drives nothing
