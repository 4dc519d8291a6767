"""What was seen of one scenario, from outside the agent: all that its expectations are judged by.

Times are seconds since the timeline's start ("start", a moment like those that its entries name; "end" is when it was
over). Loads are called by their addresses here; a scenario's names for them are in `loads`.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

LADDER = "ladder"  # by this name: the miners in the agent's shedding order at the start


class Refresh(Struct, frozen=True):
    """One renewal of the main meter's registers; of a real meter, one reading of ours."""

    at_s: float
    served_s: float | None  # when a reader first got these values; None also where that can't be seen
    watts: float | None
    hertz: float | None


class Sample(Struct, frozen=True, kw_only=True):
    """What was so, and what the agent said of itself, at one instant."""

    at_s: float
    watts: float
    hertz: float | None
    on: tuple[str, ...] = ()
    mode: str | None = None
    hi_kw: float | None = None
    response_kw: float | None = None
    contactors: dict[str, bool] = {}
    limits_w: tuple[float, ...] = ()
    tanks: dict[str, dict[str, float]] = {}


class SeenRecord(Struct, frozen=True):
    """A record that counts as evidence."""

    at_s: float
    channel: str
    body: dict[str, Any]


class Sent(Struct, frozen=True):
    """A command that was sent: what the agent calls it, read or not."""

    id: str
    digest: str


class Seen(Struct, frozen=True, kw_only=True):
    """Everything."""

    end_s: float
    moments: dict[str, float] = {}
    loads: dict[str, tuple[str, ...]] = {}  # "all", groups, parts -> addresses
    refreshes: tuple[Refresh, ...] = ()
    samples: tuple[Sample, ...] = ()
    told: dict[str, tuple[tuple[float, str], ...]] = {}  # load -> when it read a verb, and which step that told
    records: tuple[SeenRecord, ...] = ()
    refused: tuple[str, ...] = ()  # messages that prove nothing
    missing: tuple[str, ...] = ()  # numbers of streams that neither came nor were declared lost
    uplink: bool = True
    commands: dict[str, Sent] = {}
    writes: dict[str, int] = {}  # device -> requests that could have changed it
    functions: dict[str, tuple[str, ...]] = {}  # Modbus device -> functions asked for
    coils: dict[str, tuple[tuple[float, bool], ...]] = {}  # contactor -> what was written to its coil
    moves: dict[str, tuple[tuple[float, bool], ...]] = {}  # contactor -> when its poles were where
    status: dict[str, Any] = {}  # the newest
    words: str = ""  # what the agent logged
    exits: tuple[int, ...] = ()  # exit codes of agents that were told to stop
    load_kw: float = 0.0  # what one load gives

    def moment(self, name: str) -> float:
        """When it was; KeyError for one that never came."""
        return {"start": 0.0, "end": self.end_s, **self.moments}[name]

    def verbs(self, step: str, begin_s: float, end_s: float) -> Iterator[tuple[float, str]]:
        """When which load read a verb of this step."""
        for load, verbs in self.told.items():
            for at_s, verb in verbs:
                if verb == step and begin_s <= at_s <= end_s:
                    yield at_s, load

    def first_told(self, step: str, begin_s: float, end_s: float) -> dict[str, float]:
        """Load -> when it first was told this."""
        found: dict[str, float] = {}
        for at_s, load in sorted(self.verbs(step, begin_s, end_s)):
            found.setdefault(load, at_s)
        return found

    def events(self, rule: str | None = None, kind: str | None = None) -> list[SeenRecord]:
        """Event records in the order in which they were made, boot after boot."""
        boots = list(dict.fromkeys(record.body["boot"] for record in self.records))
        found = [
            record
            for record in self.records
            if record.channel == "evt"
            and record.body.get("t") == "evt"
            and rule in (None, record.body.get("rule"))
            and kind in (None, record.body.get("k"))
        ]
        return sorted(found, key=lambda record: (boots.index(record.body["boot"]), record.body["seq"]))


def expand(name: str, loads: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The addresses that a name stands for: "all", a group, a part, "a:3" its third, "a:3-5". ValueError: none."""
    group, _, numbers = name.partition(":")
    if group not in loads:
        raise ValueError(f"no loads are called {group!r}; there are: {', '.join(loads)}")
    if not numbers:
        return loads[group]
    first, _, last = numbers.partition("-")
    if not first.isdigit() or not (last or first).isdigit():
        raise ValueError(f"{name!r}: write {group}:3 or {group}:3-5")
    begin, end = int(first), int(last or first)
    if not 1 <= begin <= end <= len(loads[group]):
        raise ValueError(f"{name!r}: {group} has 1 to {len(loads[group])}")
    return loads[group][begin - 1 : end]
