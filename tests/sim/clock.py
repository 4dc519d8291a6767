"""The clock seam on virtual time: monotonic nanoseconds of this boot, and a wall clock that can be wrong in every
usual way.
"""

from uuid import UUID

from tests.sim.loop import VirtualLoop

READ_NS = 50  # reading a clock takes a little, so that no two readings are the same
WALL_MS = 1_799_000_000_000  # where the wall clock starts: early in 2027


class VirtualClock:
    """What agent/shell/clock.py's Clock promises; told to step, to be missing, to boot."""

    def __init__(self, loop: VirtualLoop, read_ns: int = 0) -> None:
        self._loop = loop
        self._read_ns = read_ns
        self._boots = 1
        self._booted_ns = 0  # the loop's time at which this boot's monotonic clock showed 0
        self.step_ms = 0  # how far the wall clock is off
        self.missing = False  # an edge controller without its clock battery

    def monotonic_ns(self) -> int:
        self._loop.now_ns += self._read_ns
        return self._loop.now_ns - self._booted_ns

    def wall_ms(self) -> int | None:
        return None if self.missing else self.true_wall_ms() + self.step_ms

    def machine_boot(self) -> str:
        return str(UUID(int=self._boots))

    def true_wall_ms(self) -> int:
        """What everyone else's clocks show."""
        return WALL_MS + self._loop.now_ns // 1_000_000

    def boot(self) -> None:
        """The machine restarts: monotonic time begins again, 12 s old by the time the agent runs."""
        self._boots += 1
        self._booted_ns = self._loop.now_ns - 12_000_000_000
