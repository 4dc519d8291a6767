"""What is sealed and not yet acknowledged by the broker: bounded in bytes, in memory.

urgent   events, acknowledgements, gaps: always next, in the order they were made
live     telemetry made while this connection stood: next
backlog  telemetry from before it: paced, beside the live data
taken    on its way to the broker

When it is full the oldest telemetry goes first, then the oldest event, then the oldest acknowledgement; what went is
remembered as ranges of numbers until a signed gap record has declared it. Gap records themselves never go: each stands
for at least one record that did. With a new connection everything that is not acknowledged becomes waiting again and is
sent byte for byte.
"""

from collections import Counter, deque
from collections.abc import Callable
from enum import IntEnum
from itertools import chain

from msgspec import Struct

OVERHEAD_BYTES = 400  # of one item in memory beside its envelope


class Rank(IntEnum):
    """What goes first when there is no room."""

    TELEMETRY = 0
    EVENT = 1
    ACK = 2
    GAP = 3


class Item(Struct, frozen=True):
    """One envelope to deliver."""

    number: int  # in the order they were made
    channel: str
    seq: int
    data: bytes
    rank: Rank
    low: int  # the lowest number of its channel it speaks for: its own, or the first that a gap declares
    done: Callable[[], None] | None = None  # told when the broker has it


class Loss(Struct, frozen=True):
    """Numbers first..last of one channel that nobody will get."""

    channel: str
    first: int
    last: int
    why: str


class Outbox:
    """The buffer between sealing and sending."""

    def __init__(self, bytes_max: int, counters: Counter[str]) -> None:
        self.bytes_max = bytes_max
        self.bytes = 0
        self._counters = counters
        self._next = 0
        self._urgent: deque[Item] = deque()
        self._live: deque[Item] = deque()
        self._backlog: deque[Item] = deque()
        self._taken: dict[int, Item] = {}
        self._losses: list[Loss] = []

    def __len__(self) -> int:
        return len(self._urgent) + len(self._live) + len(self._backlog) + len(self._taken)

    def put(
        self,
        channel: str,
        seq: int,
        data: bytes,
        rank: Rank,
        *,
        low: int | None = None,
        done: Callable[[], None] | None = None,
    ) -> None:
        """One more to deliver; older ones may have to go."""
        item = Item(self._next, channel, seq, data, rank, seq if low is None else low, done)
        self._next += 1
        self.bytes += len(data) + OVERHEAD_BYTES
        (self._live if rank is Rank.TELEMETRY else self._urgent).append(item)
        while self.bytes > self.bytes_max and self._drop_oldest():
            pass

    def begin_connection(self) -> None:
        """Everything not acknowledged waits again; telemetry that exists by now is backlog."""
        unfinished = sorted(
            chain(self._taken.values(), self._urgent, self._live, self._backlog), key=lambda item: item.number
        )
        self._taken.clear()
        self._live.clear()
        self._urgent = deque(item for item in unfinished if item.rank is not Rank.TELEMETRY)
        self._backlog = deque(item for item in unfinished if item.rank is Rank.TELEMETRY)

    def take(self) -> Item | None:
        """The next urgent or live one."""
        return self._take(self._urgent) or self._take(self._live)

    def take_backlog(self) -> Item | None:
        """The oldest of the backlog."""
        return self._take(self._backlog)

    def delivered(self, item: Item) -> None:
        """The broker has acknowledged it."""
        del self._taken[item.number]
        self.bytes -= len(item.data) + OVERHEAD_BYTES
        if item.done is not None:
            item.done()

    def lose(self, channel: str, seq: int, why: str) -> None:
        """A number that nobody will get."""
        self._counters["lost"] += 1
        if self._losses:
            newest = self._losses[-1]
            if (newest.channel, newest.last + 1, newest.why) == (channel, seq, why):
                self._losses[-1] = Loss(channel, newest.first, seq, why)
                return
        self._losses.append(Loss(channel, seq, seq, why))

    def take_losses(self) -> list[Loss]:
        """What has to be declared now."""
        losses, self._losses = self._losses, []
        return losses

    def undelivered_from(self, channel: str, next_seq: int) -> int:
        """The lowest number of a channel that may not have reached the broker; next_seq when all have."""
        items = chain(self._urgent, self._live, self._backlog, self._taken.values())
        lows = [item.low for item in items if item.channel == channel]
        lows += [loss.first for loss in self._losses if loss.channel == channel]
        return min(lows, default=next_seq)

    def _take(self, queue: deque[Item]) -> Item | None:
        if not queue:
            return None
        item = queue.popleft()
        self._taken[item.number] = item
        return item

    def _drop_oldest(self) -> bool:
        queue = self._backlog or self._live
        if queue:
            item = queue.popleft()
        else:
            found = min(
                (item for item in self._urgent if item.rank is not Rank.GAP),
                key=lambda item: (item.rank, item.number),
                default=None,
            )
            if found is None:
                return False
            item = found
            self._urgent.remove(item)
        self.bytes -= len(item.data) + OVERHEAD_BYTES
        self.lose(item.channel, item.seq, "spool_full")
        return True
