"""When a shot is repeated on a new connection, and when it must not be: the bounds on hedging.

A repeat helps where a packet was lost: a lost SYN costs 1.03 s, a lost request 0.2 s. It does harm where somebody is
slow, for it makes him slower. The two are told apart by the others: connections are answered about in the order they
were begun, so a connection is *late* when one begun after it has been answered, or when nobody has answered for 10 ms.
A fleet (or a machine) that answers in order but slowly is left alone.

What opens a session is only ever repeated before a byte of it was written, and its older connection is reset: that is
a lost SYN and no hedge.

Whatever the reason, at most a quarter of the volley is repeated in any 100 ms (never under 32). With 2 % loss each way
about 8 % of the shots need it, so this is not felt; it keeps 1,000 slow answers from becoming 4,000 connections.
"""

from collections import deque

from drivers.miners.exchange import Exchange, Limits

_STALL_NS = 10_000_000  # a fleet that works through a volley answers every few hundred microseconds
_REPEATS_MIN = 32
_REPEATS_NS = 100_000_000


class Repeats:
    """The exchanges that may have to be repeated, in the order they are due."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._due: deque[tuple[int, Exchange]] = deque()
        self._repeated: deque[int] = deque()  # when the latest repeats were begun
        self._answer_ns = 0  # when somebody last answered ...
        self._progress_ns = 0  # ... and when the newest connection that was answered had been begun

    @property
    def pending(self) -> bool:
        """Whether anything may yet be repeated."""
        return any(not exchange.over for _, exchange in self._due)

    @property
    def due_ns(self) -> int:
        """When the first is due, 0 when there is none."""
        while self._due and self._due[0][1].over:
            self._due.popleft()
        return self._due[0][0] if self._due else 0

    def begun(self, exchange: Exchange, now_ns: int) -> None:
        """A connection of it was begun."""
        if (exchange.shot.hedge or exchange.opening) and exchange.begun < self._limits.connections_max:
            self._due.append((now_ns + self._limits.hedge_ns, exchange))

    def answered(self, opened_ns: int, now_ns: int) -> None:
        """A connection that was begun at opened_ns has been answered."""
        self._answer_ns = now_ns
        self._progress_ns = max(self._progress_ns, opened_ns)

    def next(self, now_ns: int, fired: int) -> Exchange | None:
        """The one to repeat now, None when there is none or no more may be; `fired` is how many shots are out."""
        due, repeated = self._due, self._repeated
        while repeated and repeated[0] <= now_ns - _REPEATS_NS:
            repeated.popleft()
        if len(repeated) >= max(_REPEATS_MIN, fired // 4):
            return None
        while due and (due[0][1].over or due[0][1].answering or (due[0][1].opening and due[0][1].wrote)):
            due.popleft()
        if not due or due[0][0] > now_ns:
            return None
        stalled = now_ns - self._answer_ns >= _STALL_NS
        return due[0][1] if stalled or due[0][1].newest_ns < self._progress_ns else None

    def repeated(self, now_ns: int) -> None:
        """The one that next() gave was repeated."""
        self._due.popleft()
        self._repeated.append(now_ns)
