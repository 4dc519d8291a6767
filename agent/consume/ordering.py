"""One agent's records in order, each once, and what is missing.

After an outage an agent sends what is new first and what waited beside it, so records arrive out of order. Two ways to
take them:

    for record in stream.take(record):    in each channel's own order; a record waits for the ones before it
    ledger.note(record)                   as they come; False for one that was there before

Either way `missing()` names the numbers that are owed. A number stops being owed when its record comes or when a gap
record declares it lost: `to: null` declares everything that is still missing of an earlier start. What is owed and
never declared is an alarm: the agent promises that this does not happen (design.md 4.10).

States (`conn`, `schema`, `ctl`) are different: each one replaces those before it, so nothing is owed and an older one
is dropped. Their numbers have holes (a will takes one, whether or not it is ever published).

The chain (`prev` of telemetry and gaps) is checked wherever both ends are here: a record whose predecessor is another
one than its `prev` says raises Broken.
"""

from collections import deque
from collections.abc import Iterator

from agent.consume.verifying import Record

HELD_MAX = 1000  # records that wait for an earlier one; beyond that the wait is given up
DIGESTS_MAX = 10_000
STATES = ("conn", "schema", "ctl")


class Broken(Exception):
    """The chain does not hold: somebody with the agent's key made two different pasts."""


class Ledger:
    """Which numbers of one channel in one boot are here."""

    def __init__(self) -> None:
        self._next = 0  # all below it are here or declared lost
        self._above: set[int] = set()  # here or declared, at or above _next
        self._digests: dict[int, str] = {}
        self._oldest: deque[int] = deque()

    def note(self, record: Record) -> bool:
        """Takes a record in; False when it was there before. Raises Broken."""
        if self.has(record.seq):
            return False
        self._check_chain(record)
        self._digests[record.seq] = record.digest
        self._oldest.append(record.seq)
        if len(self._oldest) > DIGESTS_MAX:
            del self._digests[self._oldest.popleft()]
        self._settle(record.seq)
        return True

    def has(self, seq: int) -> bool:
        return seq < self._next or seq in self._above

    def lost(self, first: int, last: int) -> None:
        """Numbers that a gap declared."""
        for seq in range(max(first, self._next), last + 1):
            self._settle(seq)

    def lost_from(self, first: int) -> None:
        """A gap without an end: whatever is missing from there on."""
        self.lost(first, max(self._above, default=first - 1))

    def missing(self) -> list[tuple[int, int]]:
        """Ranges of numbers that are owed: below the highest one seen, and neither here nor declared."""
        ranges: list[tuple[int, int]] = []
        at = self._next
        for seq in sorted(self._above):
            if seq > at:
                ranges.append((at, seq - 1))
            at = seq + 1
        return ranges

    @property
    def next(self) -> int:
        """The lowest number that is neither here nor declared."""
        return self._next

    def _settle(self, seq: int) -> None:
        self._above.add(seq)
        while self._next in self._above:
            self._above.discard(self._next)
            self._next += 1

    def _check_chain(self, record: Record) -> None:
        prev = record.body.get("prev")
        before = self._digests.get(record.seq - 1)
        if record.kind in ("tele", "gap") and before is not None and prev != before[:32]:
            raise Broken(f"{record.channel} {record.boot} {record.seq}: prev is not the record before it")


class Stream:
    """All channels of one agent, in order and without doubles."""

    def __init__(self) -> None:
        self._ledgers: dict[tuple[str, str], Ledger] = {}
        self._held: dict[tuple[str, str], dict[int, Record]] = {}
        self._given: dict[tuple[str, str], int] = {}  # channel -> the first number not given on yet

    def take(self, record: Record) -> list[Record]:
        """What can be given on now, in order; nothing for a double. Raises Broken."""
        place = (record.boot, record.channel)
        if record.channel.partition("/")[0] in STATES:
            if record.seq < self._given.get(place, 0):
                return []
            self._given[place] = record.seq + 1
            return [record]
        if place not in self._ledgers:
            # A reader that joins late owes itself nothing from before: the first number it sees is where it starts.
            self._begin(place, record.seq if record.channel not in self._channels() else 0)
        if not self._ledgers[place].note(record):
            return []
        self._held[place][record.seq] = record
        ready = list(self._ready(place))
        if record.kind == "gap":
            ready += self._declare(record)
        if len(self._held[place]) > HELD_MAX:
            ready += self._give_up(place)
        return ready

    def missing(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """(boot, channel) -> ranges that are owed."""
        owed = {place: ledger.missing() for place, ledger in self._ledgers.items()}
        return {place: ranges for place, ranges in owed.items() if ranges}

    def _channels(self) -> set[str]:
        return {channel for _, channel in self._ledgers}

    def _begin(self, place: tuple[str, str], seq: int) -> None:
        self._ledgers[place] = Ledger()
        self._ledgers[place].lost(0, seq - 1)
        self._held[place] = {}
        self._given[place] = seq

    def _declare(self, gap: Record) -> list[Record]:
        place = (str(gap.body.get("of")), gap.channel)
        first, last = gap.body.get("from"), gap.body.get("to")
        ledger = self._ledgers.get(place)
        if ledger is None or not isinstance(first, int):
            return []
        if isinstance(last, int):
            ledger.lost(first, min(last, first + 10_000_000))
        else:
            ledger.lost_from(first)
        return list(self._ready(place))

    def _ready(self, place: tuple[str, str]) -> Iterator[Record]:
        held, ledger = self._held[place], self._ledgers[place]
        for seq in range(self._given[place], ledger.next):
            if seq in held:
                yield held.pop(seq)
        self._given[place] = ledger.next

    def _give_up(self, place: tuple[str, str]) -> list[Record]:
        """What is missing is not waited for any longer; it stays owed only by its gap."""
        ledger = self._ledgers[place]
        for first, last in ledger.missing():
            ledger.lost(first, last)
        return list(self._ready(place))
