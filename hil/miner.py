"""One stand-in miner without its socket: what it draws, what it says it draws, and how it gets from one to the other.

Watts move by a *ramp*: nothing for a delay, then a straight line. Delays and ramps are the family's (families.toml) and
are drawn for each transition from the miner's own random numbers, so that a run with the same seed repeats itself.
Between off and full a family may have *percent* steps: of the rated watts, any down to a least one or only some, each
missed by a little. One that was set stays when the unit sleeps and wakes.

Lies: an honest read-back tells what the unit does; a dishonest one what it was told.

    none    it does as it is told and says so
    deaf    it acknowledges, does nothing, and says that it is still on
    liar    it acknowledges, does nothing, and says that it is off

A *session* is LuxOS's: who has logged on, and until when (see luxos_replies.py).
"""

import math
import random
import tomllib
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

_FAMILIES = Path(__file__).with_name("families.toml")
_RATE_LAG_S = 5.0  # `MHS 5s` is a decaying mean


class Lie(StrEnum):
    """Whether the unit does what it acknowledges, and whether it says so."""

    NONE = "none"
    DEAF = "deaf"
    LIAR = "liar"


class Percent(Struct, frozen=True):
    """Steps of a family between off and full, in percent of the rated watts."""

    delay_s: tuple[float, float]
    ramp_s: tuple[float, float]
    misses_pct: float
    at: tuple[float, ...] = ()  # only these; none: all from from_pct to 100
    from_pct: float = 0.0

    def nearest(self, percent: float) -> float:
        """What it takes for this."""
        if self.at:
            return min(self.at, key=lambda one: abs(one - percent))
        return min(100.0, max(self.from_pct, percent))


class Family(Struct, frozen=True):
    """How a family moves."""

    source: str
    idle_w: float
    down_delay_s: tuple[float, float]
    down_ramp_s: tuple[float, float]
    up_delay_s: tuple[float, float]
    up_ramp_s: tuple[float, float]
    stuck: float
    terahash_per_kw: float
    percent: Percent | None = None


def load_families() -> dict[str, Family]:
    """families.toml."""
    return msgspec.convert(tomllib.loads(_FAMILIES.read_text(encoding="utf-8")), dict[str, Family])


class Ramp(Struct, frozen=True):
    """From some watts to others in a straight line between two instants."""

    from_w: float
    to_w: float
    start_ns: int
    end_ns: int

    def watts(self, now_ns: int) -> float:
        """The watts at an instant."""
        if now_ns >= self.end_ns:
            return self.to_w
        if now_ns <= self.start_ns:
            return self.from_w
        return self.from_w + (self.to_w - self.from_w) * (now_ns - self.start_ns) / (self.end_ns - self.start_ns)


class Session:
    """LuxOS's one session: nobody's, ours or somebody else's."""

    LASTS_NS = 60_000_000_000  # after its last use (vendor)

    def __init__(self) -> None:
        self.name = ""
        self._until_ns = 0
        self._opened = 0
        self.locked = False  # somebody else has it and keeps it
        self.forgets = False  # what was opened is gone at its first use
        self.refuses = False  # verbs are refused, for a reason that has nothing to do with sessions

    def active(self, now_ns: int) -> bool:
        """Whether anybody has it."""
        return self.locked or bool(self.name and now_ns < self._until_ns)

    def open(self, now_ns: int) -> str:
        """Give it to who asks; the caller has seen that nobody has it."""
        self._opened += 1
        self.name = f"s{self._opened:07d}"
        self._until_ns = now_ns + self.LASTS_NS
        return self.name

    def use(self, name: str, now_ns: int) -> bool:
        """Whether this is its name; then it lasts anew."""
        if self.locked or not self.active(now_ns) or name != self.name:
            return False
        self._until_ns = now_ns + self.LASTS_NS
        return True

    def end(self) -> None:
        """It is nobody's."""
        self.name = ""


class Miner:
    """One unit. `told_on` is the newest command, `hashing` what it really does."""

    def __init__(self, address: str, family: Family, rated_w: float, seed: str) -> None:
        self.address = address
        self.family = family
        self.rated_w = rated_w
        self.lie = Lie.NONE
        self.dark = False  # its supply is gone
        self.told_on = True
        self.hashing = True
        self.on_w = rated_w  # what it draws when it is on
        self.due: tuple[int, bool] | None = None  # told to change at this instant
        self.session = Session()
        self._random = random.Random(seed)
        self._ramp = Ramp(rated_w, rated_w, 0, 0)
        self._rate_ths = rated_w / 1000 * family.terahash_per_kw
        self._rate_ns = 0

    def watts(self, now_ns: int) -> float:
        """What it really draws."""
        return 0.0 if self.dark else self._ramp.watts(now_ns)

    def moving(self, now_ns: int) -> bool:
        """Whether its watts are not constant."""
        return now_ns < self._ramp.end_ns

    def says_on(self) -> bool:
        """What its read-back claims."""
        return self.told_on if self.lie is Lie.LIAR else self.hashing

    def says_watts(self, now_ns: int) -> float:
        """What its own power reading claims: the truth, unless it lies."""
        if self.lie is Lie.LIAR and not self.told_on:
            return self.family.idle_w
        return self.watts(now_ns)

    def says_rate_ths(self, now_ns: int, *, lagging: bool) -> float:
        """Its hash rate by its own account; lagging: as a decaying mean over seconds."""
        above_w = max(0.0, self.says_watts(now_ns) - self.family.idle_w)
        rate_ths = above_w / max(1.0, self.rated_w - self.family.idle_w) * self.rated_w / 1000
        rate_ths *= self.family.terahash_per_kw
        keep = math.exp(-(now_ns - self._rate_ns) / 1e9 / _RATE_LAG_S)
        self._rate_ths = rate_ths + (self._rate_ths - rate_ths) * keep
        self._rate_ns = now_ns
        return self._rate_ths if lagging else rate_ths

    def told(self, on: bool, now_ns: int) -> None:
        """It was commanded: acknowledged in any case, done unless it lies or this stop is one of the stuck ones."""
        self.told_on = on
        stuck = not on and self._random.random() < self.family.stuck
        if self.lie is Lie.NONE and not stuck:
            self.move(on, now_ns)

    def told_percent(self, percent: float, now_ns: int) -> None:
        """It was told to draw so much of its rated watts while it is on, or as near as its family can."""
        steps = self.family.percent
        if steps is None:
            raise ValueError(f"{self.address}: this family has no percent steps")
        if self.lie is not Lie.NONE:
            return
        at_pct = steps.nearest(percent)
        missed_pct = self._random.uniform(-steps.misses_pct, steps.misses_pct) if at_pct < 100.0 else 0.0
        self.on_w = self.rated_w * min(100.0, at_pct + missed_pct) / 100
        if self.hashing:
            self._go(self.on_w, now_ns, steps.delay_s, steps.ramp_s)

    def lose_supply(self) -> None:
        """Dark at once; who was logged on is forgotten."""
        self.dark = True
        self.session.end()

    def regain_supply(self, now_ns: int) -> None:
        """Its supply is back: it starts by itself, whatever it was told before, as these units do."""
        self.dark = False
        self.told_on, self.hashing, self.due = True, False, None
        self._ramp = Ramp(self.family.idle_w, self.family.idle_w, now_ns, now_ns)
        self.move(True, now_ns)

    def move(self, on: bool, now_ns: int) -> None:
        """It really goes on or off, from wherever its watts are."""
        if on == self.hashing:
            return
        self.hashing = on
        family = self.family
        if on:
            self._go(self.on_w, now_ns, family.up_delay_s, family.up_ramp_s)
        else:
            self._go(family.idle_w, now_ns, family.down_delay_s, family.down_ramp_s)

    def _go(self, to_w: float, now_ns: int, delay_s: tuple[float, float], ramp_s: tuple[float, float]) -> None:
        start_ns = now_ns + round(self._random.uniform(*delay_s) * 1e9)
        end_ns = start_ns + round(self._random.uniform(*ramp_s) * 1e9)
        self._ramp = Ramp(self._ramp.watts(now_ns), to_w, start_ns, end_ns)
