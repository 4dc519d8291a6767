"""Readings: one value of one point, how good it is, and when it was taken.

Time is monotonic nanoseconds and always an argument. A missing value is None, never 0: silence makes us more careful.
"""

from enum import IntEnum

from msgspec import Struct

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
DAY_NS = 86_400 * NS_PER_S


class Quality(IntEnum):
    """How far a value can be trusted."""

    GOOD = 0  # measured and plausible
    ESTIMATED = 1  # worked out from rated or learned figures, not measured
    BAD = 2  # nonsense (NaN, infinite, a sentinel, outside its plausible range); the value is None


class Reading(Struct, frozen=True, gc=False):
    """The newest value of one point, and when it was taken."""

    value: float | None
    taken_ns: int
    quality: Quality = Quality.GOOD


def age_s(reading: Reading, now_ns: int) -> float:
    """Seconds since the reading was taken; never negative."""
    return max(0, now_ns - reading.taken_ns) / NS_PER_S


def fresh_value(reading: Reading | None, now_ns: int, age_ns_max: int) -> float | None:
    """The value, unless it is missing, bad or older than age_ns_max."""
    if reading is None or reading.quality is Quality.BAD or now_ns - reading.taken_ns > age_ns_max:
        return None
    return reading.value
