"""The physics behind the stand-ins: what the grid does and what the site draws, at any instant.

The site's net power is the sum of what its miners really draw (whatever they say), plus pumps, fans and controls that
nobody meters one by one (`unmetered_w`), plus their slow wander, plus a bias that a test sets. The wander is an
Ornstein-Uhlenbeck process with a time constant of 20 s: it comes back to its mean and never jumps. Everything
random comes from one seed.

The grid is constant, or played from a recording and then from a drawn line.
"""

import math
import random
from collections.abc import Callable, Sequence

from msgspec import Struct

from hil.recording import Sample, at

_WANDER_S = 20.0


class Electrical(Struct, frozen=True):
    """What a perfect instrument would see at the connection point."""

    watts: float
    hertz: float
    volts: tuple[float, float, float]


class Plant:
    """One site behind one connection. `draw` gives the miners' real watts at an instant."""

    def __init__(
        self,
        draw: Callable[[int], float],
        *,
        hertz: float,
        volts: float,
        unmetered_w: float = 0.0,
        wander_w: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.bias_w = 0.0
        self._draw = draw
        self._unmetered_w = unmetered_w
        self._wander_sigma_w = wander_w
        self._wander_w = 0.0
        self._wander_ns: int | None = None
        self._random = random.Random(f"plant:{seed}")
        self._samples: Sequence[Sample] = (Sample(0.0, hertz, (volts, volts, volts)),)
        self._start_ns = 0
        self._speed = 1.0

    def hold(self, hertz: float, volts: float) -> None:
        """The grid is this from now on."""
        self._samples = (Sample(0.0, hertz, (volts, volts, volts)),)

    def play(self, samples: Sequence[Sample], now_ns: int, speed: float = 1.0) -> None:
        """The grid follows these samples from now on, `speed` times as fast as they were taken."""
        self._samples = tuple(samples)
        self._start_ns = now_ns
        self._speed = speed

    def electrical(self, now_ns: int) -> Electrical:
        """The connection point at this instant; instants must not go back."""
        grid = at(self._samples, (now_ns - self._start_ns) / 1e9 * self._speed)
        watts = self._draw(now_ns) + self._unmetered_w + self._wander(now_ns) + self.bias_w
        return Electrical(watts, grid.hertz, grid.volts)

    def _wander(self, now_ns: int) -> float:
        if self._wander_sigma_w and self._wander_ns is not None:
            keep = math.exp(-(now_ns - self._wander_ns) / 1e9 / _WANDER_S)
            push = self._wander_sigma_w * math.sqrt(1.0 - keep * keep)
            self._wander_w = self._wander_w * keep + self._random.gauss(0.0, push)
        self._wander_ns = now_ns
        return self._wander_w
