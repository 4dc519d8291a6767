"""What a miner family is, as pure functions over bytes: how it is read, how it is told, what its answers mean.

A *dialect* never sees a socket, a clock or `async`. The caller sends the requests, each on a connection of its own (the
servers close after every reply), and hands the replies back.

Steps are intents that a family's verbs can ask for, lowest first. What the last poll learned and the verbs need (which
devices there are, the miner's own clock) is a `Seen`; it travels from decode_state() to set_requests() through the
caller and is opaque to it. Without a poll some families cannot be told anything: set_requests() is then empty, and the
load is not armed.

An acknowledgement is not an effect: `ok` means that the miner took the verb, or is already in that state.

Some families take a verb only within a *session* that has to be opened first: then set_requests() gives the request
that opens it, and conversation() what is said from there on. Every request still has a connection of its own.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class DialectStep(Struct, frozen=True):
    """One power state that the family's verbs can ask for."""

    name: str  # "off", "on"
    share: float | None  # of the load's rated_w; None: its sleep_w
    reach_ms: int  # from the verb to these watts, at the latest that is known


class Seen(Struct, frozen=True):
    """What a poll learned that the verbs need."""

    devices: tuple[str, ...] = ()  # "asc0", "pga1": what an enable or disable must be sent for
    verbs: str = ""  # which verbs this firmware knows; "" when that is not known
    report: str = ""  # which report it answers
    clock_s: int | None = None  # the miner's own clock ...
    heard_ns: int = 0  # ... when it said so, on our monotonic clock


class State(Struct, frozen=True):
    """What a miner says of itself. None is "it does not say", never a zero."""

    step: str | None
    watts: float | None
    measured: bool  # watts come from a sensor at the power supply's input, not from a model or its output
    hash_rate_ths: float | None
    temperature_c: float | None  # the hottest it tells
    detail: str = ""
    seen: Seen = Seen()
    repairs: int = 0  # how many faults in its replies had to be mended to read them
    lapsed: bool = False  # of a GPU: a lease that nobody renewed in time took it down


class Verdict(Struct, frozen=True):
    """What an answer to a verb says: "ok", "refused" or "garbled", and in which words."""

    outcome: str
    detail: str
    passes: bool = False  # a refusal that ends by itself: asking later is worth it


class Session(Struct, frozen=True, gc=False):
    """What a miner let us open: what is to be said in it, and what ends it."""

    verb: bytes
    close: bytes


class Conversation(Protocol):
    """How one step is told where the verb needs a session; pure, and the same for every miner of the family."""

    def opened(self, reply: bytes) -> Session | None:
        """The session that the answer to the opening gives; None: none, and that answer is all there is."""
        ...

    def again(self, reply: bytes) -> bool:
        """Whether this answer, to the opening or to the verb, says that opening once more is worth it."""
        ...


class Dialect(Protocol):
    """One family."""

    @property
    def name(self) -> str:
        """What site.toml calls it."""
        ...

    @property
    def port(self) -> int:
        """Where it listens unless site.toml says otherwise."""
        ...

    @property
    def steps(self) -> tuple[DialectStep, ...]:
        """Its power states, lowest first."""
        ...

    @property
    def verb_good_ns(self) -> int | None:
        """How long after `now_ns` prepared verbs may still be sent; None: for as long as `seen` is the newest."""
        ...

    def poll_requests(self, seen: Seen | None) -> tuple[bytes, ...]:
        """The reads of one poll, to be sent one after the other, each after the answer before."""
        ...

    def decode_state(self, replies: Sequence[bytes], now_ns: int) -> State:
        """What the replies to poll_requests() say; Garbled or Refused when they don't tell a state at all."""
        ...

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[bytes, ...]:
        """The verbs that ask for a step, one Shot each with its `part`; empty while it cannot be told."""
        ...

    def conversation(self, step: str) -> Conversation | None:
        """What follows the answer to set_requests() where that only opens a session; None: nothing does."""
        ...

    def decode_answer(self, step: str, reply: bytes) -> Verdict:
        """What the last answer to what set_requests() or conversation() sent says."""
        ...
