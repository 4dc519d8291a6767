"""What is sealed and not yet acknowledged by the broker: bounded in bytes, in memory.

urgent   events, acknowledgements, gaps: always next, in the order they were made
live     telemetry made while this connection stood: next
backlog  telemetry from before it: paced, beside the live data
taken    on its way to the broker

What has waited for 5 s goes to the disk (`due`, `stored`; agent/uplink/storing.py) and leaves the memory; so with a
healthy broker nothing is written, and a power cut loses at most those seconds, and what was on its way to a broker
that had stopped to answer and was not known to be gone yet (16 records at most, wire.WINDOW).

Should the memory be full nevertheless, because the disk is, the oldest telemetry goes first, then the oldest event,
then the oldest acknowledgement; what went is remembered as ranges of numbers until a signed gap record has declared it.
Gap records themselves never go: each stands for at least one record that did. When a connection ends or begins,
everything that is not acknowledged waits again, and is sent byte for byte.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection
from enum import IntEnum
from itertools import chain
from typing import Final

from msgspec import Struct

OVERHEAD_BYTES: Final = 400  # of one item in memory beside its envelope
WAIT_NS: Final = 5_000_000_000  # what the reference (uplink-and-packaging.md 4.3) recommends


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
    made_ns: int
    low: int  # the lowest number of its channel it speaks for: its own, or the first that a gap declares
    done: Callable[[], None] | None = None  # told when the broker has it


class Loss(Struct, frozen=True):
    """Numbers first..last of one channel that nobody will get."""

    channel: str
    first: int
    last: int
    why: str
    of: str | None = None  # the start of the agent that numbered them; None: this one


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
        self._on_disk: dict[str, int] = {}  # channel -> the lowest number of this start that is there
        self._told_of: dict[
            tuple[str, int], Callable[[], None]
        ] = {}  # whom to tell when one from the disk is delivered

    def __len__(self) -> int:
        return len(self._urgent) + len(self._live) + len(self._backlog) + len(self._taken)

    def put(
        self,
        channel: str,
        seq: int,
        data: bytes,
        rank: Rank,
        now_ns: int,
        *,
        low: int | None = None,
        done: Callable[[], None] | None = None,
    ) -> None:
        """One more to deliver; older ones may have to go."""
        item = Item(self._next, channel, seq, data, rank, now_ns, seq if low is None else low, done)
        self._next += 1
        self.bytes += len(data) + OVERHEAD_BYTES
        (self._live if rank is Rank.TELEMETRY else self._urgent).append(item)
        while self.bytes > self.bytes_max and self._drop_oldest():
            pass

    def requeue(self) -> None:
        """A connection begins or has ended: all not acknowledged waits again; what telemetry there is, is backlog."""
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
        self._forget(item)
        if item.done is not None:
            item.done()

    def due(self, now_ns: int, *, everything: bool = False) -> list[Item]:
        """What has to go to the disk now, in order: all that waits, once the oldest has waited for 5 s or when the
        memory is half full."""
        queues = (self._urgent, self._live, self._backlog)
        late = any(queue and now_ns - queue[0].made_ns >= WAIT_NS for queue in queues)
        if not (late or everything or self.bytes > self.bytes_max // 2):
            return []
        return sorted(chain(*queues), key=lambda item: item.number)

    def stored(self, items: Collection[Item]) -> None:
        """These are on the disk now; what was sent from memory meanwhile is sent twice."""
        stored = {item.number for item in items}
        for queue in (self._urgent, self._live, self._backlog):
            kept = []
            for item in queue:
                if item.number not in stored:
                    kept.append(item)
                    continue
                self._forget(item)
                self._on_disk.setdefault(item.channel, item.low)
                if item.done is not None:
                    self._told_of[item.channel, item.seq] = item.done
            queue.clear()
            queue.extend(kept)

    def delivered_from_disk(self, channel: str, seq: int) -> None:
        """The broker has acknowledged one that was sent from there."""
        done = self._told_of.pop((channel, seq), None)
        if done is not None:
            done()

    def disk_is_empty(self) -> None:
        """All that was put there is delivered or declared."""
        self._on_disk.clear()
        self._told_of.clear()

    def lose(self, channel: str, first: int, last: int, why: str, of: str | None = None) -> None:
        """Numbers that nobody will get."""
        self._counters["lost"] += last - first + 1
        if self._losses:
            newest = self._losses[-1]
            if (newest.channel, newest.last + 1, newest.why, newest.of) == (channel, first, why, of):
                self._losses[-1] = Loss(channel, newest.first, last, why, of)
                return
        self._losses.append(Loss(channel, first, last, why, of))

    def take_losses(self) -> list[Loss]:
        """What has to be declared now."""
        losses, self._losses = self._losses, []
        return losses

    def undelivered_from(self, channel: str, next_seq: int) -> int:
        """The lowest number of a channel that may not have reached the broker; next_seq when all have."""
        items = chain(self._urgent, self._live, self._backlog, self._taken.values())
        lows = [item.low for item in items if item.channel == channel]
        lows += [loss.first for loss in self._losses if loss.channel == channel and loss.of is None]
        lows += [low for name, low in self._on_disk.items() if name == channel]
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
        self._forget(item)
        self.lose(item.channel, item.seq, item.seq, "spool_full")
        return True

    def _forget(self, item: Item) -> None:
        self.bytes -= len(item.data) + OVERHEAD_BYTES
