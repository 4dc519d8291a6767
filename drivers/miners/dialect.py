"""What a miner family is, as pure functions over bytes: how it is read, how it is told, what its answers mean.

A *dialect* never sees a socket, a clock or `async`. The caller sends the requests, each on a connection of its own, and
hands the replies back. A *request* says to which of the miner's ports it goes, how a reply to it ends (framing.py), how
long one may take, and whether it may be repeated.

A *poll* is a generator: it yields a request, is sent what was heard, yields the next, and returns the state. So the
next request may depend on the answers before (a logon, a token, a challenge). Where no answer came a DeviceError is
thrown into it: reads that may fail are caught there, all others end the poll.

Steps are intents that a family's verbs can ask for, lowest first; a family with one step alone is read and never told.
What the last poll learned and the verbs need (which devices there are, the miner's own clock, a token, a nonce) is a
`Seen`; it travels from one poll to the next and to set_requests() through the caller and is opaque to it. A family that
needs more than `Seen` has makes a structure of its own from it. Everything that can be had before is had by the poll,
so that a step costs one round trip. Without a poll some families cannot be told anything: set_requests() is then empty,
and the load is not armed. In observe (`account.writes` false) a poll opens nothing that only verbs need.

An acknowledgement is not an effect: `ok` means that the miner took the verb, or is already in that state. A refusal
that `passes` (a token that died) has the load polled at once, from nothing seen, and the verb repeated as soon as that
poll brought news.

Some families take a verb only within a *session* that has to be opened first: then set_requests() gives the request
that opens it, and conversation() what is said from there on. Every request still has a connection of its own.

A family is added so: its codec in a file of its own here, what is odd beside it in FAMILY_QUIRKS.md, its row in
families.py, its sign in identify.py, its captures (licences that allow it) in tests/captures/miners and the table in
tests/drivers/miners/test_decoded.py that says what each of them shows, its stand-in in hil/dialects/ with a row in
hil/dialects/__init__.py, its physics in hil/families.toml, and its line in docs/miners.md.
"""

from collections.abc import Callable, Generator, Sequence
from enum import Enum
from typing import Protocol, TypeAlias

from msgspec import Struct

from drivers.errors import DeviceError


class Framing(Enum):
    """How a reply ends."""

    NUL = "nul"  # with a NUL or with the connection: the cgminer API
    HTTP = "http"
    LENGTH = "length"  # 4 bytes of length, little end first, before it: Whatsminer's port 4433


class Request(Struct, frozen=True, gc=False):
    """What is written on one connection, and how it is answered."""

    raw: bytes
    port: int = 0  # 0: the port that site.toml gives, or the dialect's
    framing: Framing = Framing.NUL
    answer_ns: int = 0  # how long its answer may take; 0: as long as all others'
    hedge: bool = True  # a lowering one may be repeated on a second connection while it is not answered


class Heard(Struct, frozen=True, gc=False):
    """One whole reply, and when it was whole on our monotonic clock."""

    raw: bytes
    at_ns: int


class Secret(str):
    """A password: shows in no text that is made of the structures it is in."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'" if self else "''"


class Account(Struct, frozen=True):
    """With what the operator lets us in, and what for."""

    user: str = ""  # empty: the family's own
    password: Secret | None = None  # None: none was given; an empty one is one
    writes: bool = True  # False while observing
    unverified: bool = False  # the operator allows control that no device has proven


NOBODY = Account()


class DialectStep(Struct, frozen=True):
    """One power state that the family's verbs can ask for."""

    name: str  # "off", "on"
    share: float | None  # of the load's rated_w; None: its sleep_w
    reach_ms: int  # from the verb to these watts, at the latest that is known


READ_ONLY = (DialectStep("on", 1.0, 0),)


class Guarded(Struct, frozen=True, kw_only=True):
    """What a dialect knows of one table of miners: a family's is one of these where it has a password or two ports."""

    account: Account = NOBODY
    control_port: int = 0
    logs_on_to_read: bool = False  # its state cannot be read without a password: it logs on while observing, too


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


Poll: TypeAlias = Generator[Request, Heard, State]


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

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        """The reads of one poll; returns the state, raises Garbled or Refused when they don't tell one."""
        ...

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        """The verbs that ask for a step, one Shot each with its `part`; empty while it cannot be told."""
        ...

    def conversation(self, step: str) -> Conversation | None:
        """What follows the answer to set_requests() where that only opens a session; None: nothing does."""
        ...

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        """What the last answer to what set_requests() or conversation() sent says; `seen`: what it was made of."""
        ...


def read_all(requests: Sequence[bytes], decode: Callable[[Sequence[bytes], int], State]) -> Poll:
    """A poll of reads that don't depend on each other, the answers to which decode(replies, now_ns) understands."""
    replies: list[bytes] = []
    at_ns = 0
    for raw in requests:
        heard = yield Request(raw)
        replies.append(heard.raw)
        at_ns = heard.at_ns
    return decode(replies, at_ns)


def maybe_read(request: Request) -> Generator[Request, Heard, Heard | None]:
    """One read of a poll that may remain without an answer; None when it does."""
    try:
        return (yield request)
    except DeviceError:
        return None
