"""Units behind one link that do not answer, so that the others get their turns.

A unit whose request came to nothing, or of which its gateway says that it is dead (codes 10 and 11), is left alone for
a while, longer each time, and its requests fail at once meanwhile. So of two requests that wait in vain for a dead
unit there are always others' between. An answer, even a refusal, sets it back. A unit that has its link to itself is
paced by the link alone.
"""

from collections.abc import Callable

from msgspec import Struct

BACK_OFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)  # by the failures in a row before it
_NS_PER_S = 1_000_000_000


class _Unit(Struct, gc=False):
    failures: int = 0
    retry_ns: int = 0
    cause: str = ""


class Units:
    """What is known of each unit that was ever asked."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._units: dict[int, _Unit] = {}

    def left_alone(self, unit: int) -> str | None:
        """Why this unit is not asked now; None when it is."""
        known = self._units.setdefault(unit, _Unit())
        wait_s = (known.retry_ns - self._clock_ns()) / _NS_PER_S
        if len(self._units) == 1 or wait_s <= 0:
            return None
        return f"unit {unit} is left alone for {wait_s:.1f} s more: {known.cause}"

    def answered(self, unit: int) -> None:
        """It lives."""
        known = self._units[unit]
        known.failures = known.retry_ns = 0

    def failed(self, unit: int, cause: str) -> None:
        """It did not answer."""
        known = self._units[unit]
        known.retry_ns = self._clock_ns() + int(BACK_OFF_S[min(known.failures, len(BACK_OFF_S) - 1)] * _NS_PER_S)
        known.failures += 1
        known.cause = cause

    @property
    def silent(self) -> tuple[int, ...]:
        """Those that are left alone now."""
        now_ns = self._clock_ns()
        return tuple(unit for unit, known in self._units.items() if known.retry_ns > now_ns and len(self._units) > 1)
