"""How much telemetry a long outage is worth: every round for an hour, then one in 10 s, and after a day one in 60 s.

Rounds left out are never sealed: no number is missing and no flash is worn. Events are always recorded.
At 1,000 miners and a round a second, 72 hours come to about 15,000 rounds instead of 260,000.
"""

from typing import Final

NS_PER_S: Final = 1_000_000_000
TIERS: Final = ((24 * 3600, 60), (3600, 10))  # away for so many seconds: rounds at least so many seconds apart


class Thinning:
    """Remembers the newest round kept of each stream."""

    def __init__(self) -> None:
        self._kept: dict[str, int] = {}

    def keeps(self, stream: str, at_ns: int, away_ns: int) -> bool:
        """Whether a round of this time is recorded, with the broker away for so long."""
        apart_s = next((apart_s for since_s, apart_s in TIERS if away_ns >= since_s * NS_PER_S), 0)
        if stream in self._kept and at_ns - self._kept[stream] < apart_s * NS_PER_S:
            return False
        self._kept[stream] = at_ns
        return True
