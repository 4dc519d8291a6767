"""What is remembered of each command: one story a command, one journal key (`command/ID`) a story.

A story holds everything that makes a command stick: its bytes' digest, its issuer and sequence number, its status and,
while it lasts, its limit. So one durable write accepts a command: after it a crash finds all, before it nothing.

The newest 256 of every issuer are kept; none goes while its limit is in force. An issuer's highest sequence number is
also under `seq/ISSUER`, for when the story that carried it has gone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from agent.core.image import Lease
from agent.uplink.needs import Keeper

STORIES_MAX = 256
NS_PER_MS = 1_000_000

# How far a command has come; a status with a rank that is not higher is not news. Section 6.1.
RANK = {
    "accepted": 0,
    "applied": 1,
    "verified": 2,
    "unverified": 2,
    "rejected": 3,
    "expired": 3,
    "superseded": 3,
    "failed": 3,
    "ended": 3,
}


class Limit(Struct, frozen=True):
    """What a limit.set asked for, while it lasts."""

    circuit: str
    watts: float
    from_ns: int
    until_ns: int
    lease_ms: int | None  # as asked; None: until released
    lasts_ms: int  # from acceptance to its end at the latest
    after: str
    verify_ms: int | None = None
    tolerance_w: float = 0.0
    why: str = ""


class Story(Struct, frozen=True):
    """One command's."""

    id: str
    issuer: str
    seq: int
    digest: str  # of the whole envelope
    op: str
    state: str
    rx_ns: int
    machine_boot: str  # in which rx_ns and the limit's times count
    n: int = 0
    code: str | None = None
    t_ms: Mapping[str, int] = {}
    before_kw: float | None = None
    after_kw: float | None = None
    meas: Mapping[str, Any] | None = None
    dev: Mapping[str, int] | None = None
    dry: bool = False
    observe: bool = False
    limit: Limit | None = None  # while it is in force
    releases: str | None = None  # the command that a limit.release ended
    told_n: int = -1  # the newest status that the broker has

    def status(self) -> dict[str, Any]:
        """The body of its newest `ack`."""
        body: dict[str, Any] = {
            "id": self.id,
            "cmd": self.digest,
            "st": self.state,
            "n": self.n,
            "code": self.code,
            "t_ms": self.t_ms,
            "limit": {"before": self.before_kw, "after": self.after_kw},
            "meas": self.meas,
            "dev": self.dev,
        }
        if self.dry:
            body["dry"] = True
        if self.observe:
            body["observe"] = True
        return body

    def lease(self) -> Lease:
        """Its limit as the core knows it."""
        limit = self.limit
        assert limit is not None
        return Lease(
            self.id,
            self.issuer,
            limit.circuit,
            limit.watts,
            limit.from_ns,
            limit.until_ns,
            # Never hold: a held limit is one that lasts longer, and until_ns says how long.
            "release",
            None if limit.verify_ms is None else limit.verify_ms * NS_PER_MS,
            limit.tolerance_w,
            limit.why,
        )


class Stories:
    """All of them, in memory as in the journal."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._stories: dict[str, Story] = {}
        self._last_seq: dict[str, int] = {}

    def load(self) -> None:
        """What the journal kept."""
        kept = self._keeper.kept_under("command/").values()
        stories = sorted((msgspec.convert(value, Story) for value in kept), key=lambda story: story.seq)
        self._stories = {story.id: story for story in stories}
        for key, seq in self._keeper.kept_under("seq/").items():
            self._last_seq[key.removeprefix("seq/")] = seq
        for story in stories:
            self._raise_seq(story)

    def __iter__(self) -> Iterator[Story]:
        return iter(list(self._stories.values()))

    def get(self, command: str) -> Story | None:
        return self._stories.get(command)

    def last_seq(self, issuer: str) -> int:
        """The highest sequence number this issuer has spent; -1 before the first."""
        return self._last_seq.get(issuer, -1)

    async def keep(self, story: Story) -> None:
        """Durable when it returns; raises OSError when the disk does not take it, and then it is forgotten."""
        try:
            await self._keeper.keep(f"command/{story.id}", msgspec.to_builtins(story))
        except OSError:
            self._keeper.post(f"command/{story.id}", None)
            raise
        self._stories[story.id] = story
        if self._raise_seq(story):
            self._keeper.post(f"seq/{story.issuer}", story.seq)
        self._forget_oldest(story.issuer)

    def post(self, story: Story) -> None:
        """Durable soon."""
        self._stories[story.id] = story
        self._keeper.post(f"command/{story.id}", msgspec.to_builtins(story))

    def _raise_seq(self, story: Story) -> bool:
        if story.seq <= self.last_seq(story.issuer):
            return False
        self._last_seq[story.issuer] = story.seq
        return True

    def _forget_oldest(self, issuer: str) -> None:
        own = [story for story in self._stories.values() if story.issuer == issuer]
        surplus = len(own) - STORIES_MAX
        ended = sorted((story for story in own if story.limit is None), key=lambda story: story.seq)
        for story in ended[: max(0, surplus)]:
            if story.seq < self.last_seq(issuer):
                del self._stories[story.id]
                self._keeper.post(f"command/{story.id}", None)
