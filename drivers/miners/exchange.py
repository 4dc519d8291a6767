"""The things an Exchanger works with: what is asked and answered, what is on its way, what is still to be begun.

Shot and Answer are its callers'; the rest is its own. Slots and plain classes, since a volley makes thousands of them
within the time that its miners wait.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct

from drivers.miners.dialect import Conversation, Framing, Session
from drivers.miners.framing import Splitter, splitter
from drivers.miners.splitter import ReplySplitter

_NUL = Framing.NUL


class Shot(Struct, frozen=True, gc=False):
    """One request to one miner."""

    key: str  # the load: newest wins within it
    host: str  # an address literal
    port: int
    request: bytes
    hedge: bool = True  # may be repeated; never for a raise or a verb that must be read once
    part: int = 0  # which of several requests to this key in one fire()
    talk: Conversation | None = None  # the request opens a session, and this goes on from there
    framing: Framing = Framing.NUL
    answer_ns: int = 0  # how long an answer may take; 0: Limits.answer_ns


class Answer(Struct, frozen=True, gc=False):
    """What came of one shot.

    ok           bytes arrived and ended (by NUL, by end of file, by a reset after them, or at the time limit with what
                 looks whole), whatever they say
    silent       the request was written, in part at least, and no whole answer came: its effect is unknown
    unreachable  not one byte of the request was written; or, of a conversation, not one byte of its verb
    preempted    of a poll alone: given up or never sent, because a shot was fired at that miner or this machine had no
                 room; it says nothing about the miner
    """

    key: str
    outcome: str  # ok | silent | unreachable | preempted
    reply: bytes  # what was read, even if it is not whole
    opened_ns: int  # when its first connection was begun
    sent_ns: int | None  # when the last byte of the request was first taken by the socket
    answered_ns: int | None  # when the answer was whole
    part: int = 0
    detail: str = ""  # why, when not ok


class Limits(Struct, frozen=True):
    """Time and size limits. Sources: design.md section 5 (hedge), the reference's section 13 (the rest)."""

    hedge_ns: int = 30_000_000
    connections_max: int = 4
    answer_ns: int = 1_500_000_000  # after the newest connection of the shot was begun
    connect_ns: int = 400_000_000  # of a poll; then once more
    reply_bytes_max: int = 1 << 20
    open_max: int = 1 << 20  # connections at once; what is over waits


class Exchange:
    """One shot on its way, on one connection or several; of a conversation one of its requests."""

    __slots__ = (
        "answering",
        "begun",
        "detail",
        "future",
        "handles",
        "newest_ns",
        "opened_ns",
        "over",
        "request",
        "sent_ns",
        "session",
        "shot",
        "tries",
        "volley",
        "welcome",
        "wrote",
    )

    def __init__(self, shot: Shot, volley: "Waiting | None", future: "asyncio.Future[Answer] | None") -> None:
        self.shot = shot
        self.request = shot.request  # of a conversation: what is said now
        self.session: Session | None = None  # that is open, and what opened it
        self.welcome = b""
        self.tries = 0  # how often its conversation was begun before
        self.volley = volley
        self.future = future
        self.handles: list[int] = []
        self.begun = 0  # connections ever
        self.opened_ns = 0
        self.newest_ns = 0
        self.sent_ns: int | None = None
        self.wrote = False
        self.answering = False
        self.over = False
        self.detail = ""

    @property
    def opening(self) -> bool:
        """Whether it only opens a session: never repeated once written, since a second one would be turned away."""
        return self.session is None and self.shot.talk is not None

    def answer(self, outcome: str, reply: bytes, detail: str, answered_ns: int | None) -> Answer:
        """What came of it."""
        shot = self.shot
        return Answer(shot.key, outcome, reply, self.opened_ns, self.sent_ns, answered_ns, shot.part, detail)


class Connection:
    """One connection of one exchange."""

    __slots__ = ("exchange", "opened_ns", "reply", "taken")

    def __init__(self, exchange: Exchange, opened_ns: int, reply_bytes_max: int) -> None:
        self.exchange = exchange
        self.opened_ns = opened_ns
        self.taken = 0  # bytes of the request that the socket took
        framing = exchange.shot.framing  # a thousand at once are of the first kind
        self.reply: Splitter = ReplySplitter(reply_bytes_max) if framing is _NUL else splitter(framing, reply_bytes_max)


class Waiting:
    """The shots of one fire() that are still to be begun."""

    __slots__ = ("at", "done", "number", "shots")

    def __init__(self, shots: Sequence[Shot], done: Callable[[Answer], None], number: int) -> None:
        self.shots = shots
        self.done = done
        self.number = number
        self.at = 0


class Due:
    """Exchanges by when they are due. Every wait in one of these is equally long, so first in is first out."""

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: deque[tuple[int, Exchange]] = deque()

    def add(self, due_ns: int, exchange: Exchange) -> None:
        """To be taken at due_ns unless it is over by then."""
        self._queue.append((due_ns, exchange))

    @property
    def due_ns(self) -> int:
        """When the first is due, 0 when there is none."""
        while self._queue and self._queue[0][1].over:
            self._queue.popleft()
        return self._queue[0][0] if self._queue else 0

    def take(self, now_ns: int) -> Exchange | None:
        """The next that is due by now."""
        return self._queue.popleft()[1] if 0 < self.due_ns <= now_ns else None
