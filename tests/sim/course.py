"""The watts of one thing over time: straight ramps one after the other, so that those of any past instant can be asked
(meters and judges do).
"""

from bisect import bisect_right
from typing import Protocol

from tests.sim.loop import NS_PER_S


class Draws(Protocol):
    """Something that draws watts."""

    rated_w: float

    def watts(self, at_ns: int) -> float:
        """The true watts at any instant up to now."""
        ...

    def settles_w(self) -> float:
        """Where they are going."""
        ...

    def settled_w(self, at_ns: int) -> float:
        """Where they were going at that instant."""
        ...


class Ramp:
    """From some watts to others along a straight line."""

    def __init__(self, from_ns: int, from_w: float, to_w: float, for_ns: int) -> None:
        self.from_ns, self.from_w, self.to_w, self.for_ns = from_ns, from_w, to_w, for_ns

    def watts(self, at_ns: int) -> float:
        if self.for_ns <= 0 or at_ns >= self.from_ns + self.for_ns:
            return self.to_w
        return self.from_w + (self.to_w - self.from_w) * (at_ns - self.from_ns) / self.for_ns


class Course:
    """All of them."""

    def __init__(self, watts: float) -> None:
        self._ramps = [Ramp(0, watts, watts, 0)]

    def watts(self, at_ns: int) -> float:
        return self._at(at_ns).watts(at_ns)

    def settles_w(self) -> float:
        return self._ramps[-1].to_w

    def settled_w(self, at_ns: int) -> float:
        return self._at(at_ns).to_w

    def go(self, now_ns: int, to_w: float, for_s: float) -> None:
        """From now on towards these watts."""
        self._ramps.append(Ramp(now_ns, self.watts(now_ns), to_w, round(for_s * NS_PER_S)))

    def _at(self, at_ns: int) -> Ramp:
        return self._ramps[bisect_right(self._ramps, at_ns, key=lambda ramp: ramp.from_ns) - 1]
