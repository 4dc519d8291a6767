"""How late things come: the newest few hundred delays, and what share of them was how long. Pure.

A percentile is worked out when somebody asks (status, telemetry), by sorting the few; taking one costs an append.
"""

from collections import deque
from math import ceil

_KEPT = 1_000


class Lateness:
    """The newest delays of one thing that has a schedule."""

    def __init__(self, kept_max: int = _KEPT) -> None:
        self._late_ns: deque[int] = deque(maxlen=kept_max)
        self.worst_ns = 0  # since the start

    def add(self, late_ns: int) -> None:
        """One more; early counts as on time."""
        late_ns = max(0, late_ns)
        self._late_ns.append(late_ns)
        self.worst_ns = max(self.worst_ns, late_ns)

    def percentile_ns(self, percent: float) -> int:
        """The delay that this share of the newest did not exceed; 0 before the first."""
        if not self._late_ns:
            return 0
        ordered = sorted(self._late_ns)
        return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]
