"""What the core remembers between decisions. Everything here is frozen, and survives JSON.

durable   what must survive a crash: open events, what we lowered, what we are raising. The shell writes it to the
journal
          whenever it is another object than before.
the rest  short memories (the last refreshes of a meter, timers) that a restart may lose: they start again in full.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from agent.core.site import BoundClass


class Mode(StrEnum):
    """Where one circuit stands; agent/core/modes.py has the prose and the table."""

    BOOT = "BOOT"
    NORMAL = "NORMAL"
    SHEDDING = "SHEDDING"
    HOLDING = "HOLDING"
    RETURNING = "RETURNING"
    BLIND = "BLIND"
    LATCHED = "LATCHED"


class Tie(StrEnum):
    """What the site hangs on."""

    TIED = "tied"
    ISLAND = "island"
    UNKNOWN = "unknown"


class Supply(StrEnum):
    """What stands at the grid connection; agent/core/supply.py says what each means."""

    ALIVE = "alive"
    RIDE_THROUGH = "ride_through"
    OUTAGE = "outage"


class SupplyMemory(Struct, frozen=True):
    """The supply, since when its voltage is low, and since when it has been within the enter-service window."""

    supply: Supply = Supply.ALIVE
    since_ns: int | None = None
    good_ns: int | None = None


class Event(Struct, frozen=True):
    """One curtailment of one rule or command on one circuit, from binding to last return."""

    id: str  # ULID
    key: str  # what bound it: a rule's id, "limit@CIRCUIT", "blind@CIRCUIT" or a command's id
    rule: str
    cls: BoundClass
    circuit: str
    hi_w: float
    base_w: float | None  # the circuit's net power before it, fixed for the event
    began_ns: int
    told_w: float = 0.0  # what its cuts were worth when they were sent
    lifted: bool = False  # the bound is gone or leaves room: loads may return
    dry: bool = False  # observed only: nothing was told
    begun: bool = False  # its begin is told; a restart before that tells it
    delivered: bool = False
    short_w: float = 0.0  # what the meter says did not fall of its last cuts
    unmet: bool = False


class Cut(Struct, frozen=True):
    """Setpoints sent together that lower one circuit, until the meter has judged them."""

    event: str
    circuit: str
    loads: tuple[str, ...]
    steps: tuple[str, ...]  # the step each was told, in the same order
    watts: float
    falls: Mapping[str, float]  # node -> what it will have fallen there
    told_ns: int
    due_ns: int
    reading_ns: int = 0  # when the reading that called for it was taken
    noise_w: float = 0.0  # three sigma of the refreshes before it, where it is judged
    base_w: float | None = None  # the net power there before the first of the cuts that are judged together
    judged_at: str = ""  # the node whose meter judges it; chosen while the refreshes before it are still kept
    landed_w: float = 0.0  # of its watts, those that the loads' own sensors show as gone
    settled: bool = False  # its loads are in `lowered`
    answered: bool = False  # what its loads answered was told


class Lowered(Struct, frozen=True, gc=False):
    """A load that we lowered and that nobody has raised since."""

    event: str
    step: str
    told_ns: int
    watts: float  # what it gave up
    confirmed: bool = False  # its read-back agreed at least once
    moved_ns: int | None = None  # when it last left the step by itself
    not_before_ns: int = 0  # no raise before this: the last one was refused or never came


class Rising(Struct, frozen=True, gc=False):
    """A load that was told to rise and is not there yet."""

    event: str
    step: str
    told_ns: int
    due_ns: int
    watts: float
    was: Lowered
    from_w: float = 0.0  # what it drew before
    arrived: bool = False  # it is there; kept only until its minimum on time is over


class Durable(Struct, frozen=True):
    """What must survive a crash."""

    events: Mapping[str, Event] = {}  # by event id
    cuts: tuple[Cut, ...] = ()
    lowered: Mapping[str, Lowered] = {}
    rising: Mapping[str, Rising] = {}
    counter: int = 0  # events begun; makes their ids
    latched: Mapping[str, str] = {}  # node or contactor -> why it stays off until somebody on site acknowledges
    auto_returns: Mapping[str, tuple[int, ...]] = {}  # tank's node -> when it returned by itself, in the last day
    begun: Mapping[str, tuple[int, ...]] = {}  # rule with event limits -> when its events began, in the last day
    operations: Mapping[str, tuple[int, ...]] = {}  # contactor -> when it was told to move, in the last day


class Refresh(Struct, frozen=True, gc=False):
    """One distinct content of a meter's fast block, at the time it was first seen."""

    number: int
    taken_ns: int
    power_w: float | None
    frequency_hz: float | None
    sagging: bool = False  # taken while the voltage was low: watts that fell say nothing


class CircuitMemory(Struct, frozen=True):
    """One circuit's short memory."""

    mode: Mode = Mode.BOOT
    since_ns: int = 0
    why: str = ""
    base_w: float | None = None  # net power when the first of the outstanding cuts was sent
    judged_ns: int = 0  # when the meter last judged a cut here; what it showed before says nothing of now
    silent_since_ns: int | None = None
    blind_from_w: float | None = None  # where the way down to the fallback began
    return_from_ns: int | None = None
    return_from_w: float = 0.0
    tokens_w: float = 0.0  # what the ramp has earned and no load has taken yet
    tokens_ns: int = 0


class RuleMemory(Struct, frozen=True):
    """One rule's short memory."""

    seen_above: bool = False
    below_refreshes: int = 0
    counted_refresh: int = -1
    above_since_ns: int | None = None
    available: bool = False
    alarm: str = ""  # why it is not available
    unavailable_ns: int | None = None  # since when


class CoolingMemory(Struct, frozen=True):
    """One cooling rule's short memory."""

    over_ns: int | None = None  # since when a shed value has been passed
    warn_ns: int | None = None
    permit_ns: int | None = None  # since when every permit value and the PLC's own permit have held
    warned: bool = False
    why: str = ""  # which value
    heard_ns: int | None = None  # when every value that sheds was last a number


class Trouble(Struct, frozen=True):
    """What a rule says that people must know, and since when it does."""

    why: str
    since_ns: int


class CommandMemory(Struct, frozen=True):
    """How far one command's limit has come."""

    from_ns: int
    issuer: str
    circuit: str
    limit_w: float
    before_w: float | None
    state: str = "accepted"
    applied_ns: int | None = None


class ReturnPlan(Struct, frozen=True):
    """The order in which one event's loads come back, drawn once from the seed; `position` is who is next."""

    queue: tuple[str, ...]
    position: int
    made_ns: int
    risen: bool = False  # one of its loads was raised: the return is told


class State(Struct, frozen=True):
    """All of it."""

    durable: Durable = Durable()
    circuits: Mapping[str, CircuitMemory] = {}
    refreshes: Mapping[str, tuple[Refresh, ...]] = {}  # meter -> its newest distinct refreshes, oldest first
    rules: Mapping[str, RuleMemory] = {}
    cooling: Mapping[str, CoolingMemory] = {}
    memories: Mapping[str, Struct] = {}  # rule -> what it remembers, of the kinds that agent/core/rules/asked.py asks
    troubles: Mapping[str, Trouble] = {}  # rule -> its alarm
    commands: Mapping[str, CommandMemory] = {}
    alarms: Mapping[str, str] = {}
    cut_ns: int = -1  # when the newest cut was sent
    returns: Mapping[str, ReturnPlan] = {}
    tie: Tie | None = None  # None: not looked at yet
    supply: SupplyMemory = SupplyMemory()
    mistrusted: Mapping[str, int] = {}  # load -> until when it counts for nothing in the ladder
    contested: Mapping[str, int] = {}  # load -> until when it is told nothing but for protection
