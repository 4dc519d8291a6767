"""What time it is for a stand-in: the machine's monotonic clock, or one that a test moves.

Every stand-in that reads time takes a clock, and the physics none at all: they are told the instant. With devices or
an agent on the wire the clock is CLOCK_MONOTONIC, whose stamps every process of the machine can compare. Without them
a rig is as fast as whoever moves its virtual clock.
"""

from collections.abc import Callable

Clock = Callable[[], int]  # ns


class VirtualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ns: int = 1_000_000_000) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def move(self, seconds: float) -> None:
        """So much later."""
        self.now_ns += round(seconds * 1e9)
