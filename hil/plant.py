"""The physics behind the stand-ins: what the grid does and what the site draws, at any instant.

The site's load is the sum of what its miners and GPUs really draw (whatever they say), plus pumps, fans and controls
that nobody meters one by one (`unmetered_w`), plus their slow wander, plus a bias that a test sets. The wander is an
Ornstein-Uhlenbeck process with a time constant of 20 s: it comes back to its mean and never jumps. Everything
random comes from one seed.

The grid is constant, or played from a recording and then from a drawn line. A feeder (hil/physics/feeder.py) lies
between it and the site where there is one. A generating set (hil/physics/genset.py) stands on the site's own bus; with
the tie open it is alone with the load, and its frequency is the site's. A bus that has neither is *dead*: nothing is
drawn there, and whoever owns the loads has to take their supply away (`live`).

    grid --- feeder --- TIE --- tie switch --- SITE (loads, GENSET)

Three places can be metered. `site`: what all loads draw, at the bus. `tie`: what the site takes from the grid, at the
site's end of the feeder, on the grid's side of the switch. `genset`: what the set gives.

With a set the equations are stepped every 10 ms of the plant's time, in the instants between two that were asked for.
"""

import math
import random
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from hil.physics.feeder import Feeder
from hil.physics.genset import Genset
from hil.recording import Sample, at

PLACES = ("site", "tie", "genset")
_WANDER_S = 20.0
_STEP_NS = 10_000_000


class Electrical(Struct, frozen=True):
    """What a perfect instrument would see at one place."""

    watts: float
    hertz: float
    volts: tuple[float, float, float]


_DEAD = (0.0, 0.0, 0.0)


class Plant:
    """One site behind one connection. `draw` gives the loads' real watts at an instant."""

    def __init__(
        self,
        draw: Callable[[int], float],
        *,
        hertz: float,
        volts: float,
        unmetered_w: float = 0.0,
        wander_w: float = 0.0,
        seed: int = 0,
        feeder: Feeder | None = None,
        genset: Genset | None = None,
    ) -> None:
        self.bias_w = 0.0
        self.tied = True
        self.genset = genset
        self._draw = draw
        self._feeder = feeder
        self._nominal_v = volts
        self._unmetered_w = unmetered_w
        self._wander_sigma_w = wander_w
        self._wander_w = 0.0
        self._wander_ns: int | None = None
        self._random = random.Random(f"plant:{seed}")
        self._samples: Sequence[Sample] = (Sample(0.0, hertz, (volts, volts, volts)),)
        self._start_ns = 0
        self._speed = 1.0
        self._stepped_ns: int | None = None
        self._sampling: list[Callable[[int], None]] = []

    @property
    def live(self) -> bool:
        """Whether anything feeds the site's bus."""
        return self.tied or (self.genset is not None and self.genset.running)

    def hold(self, hertz: float, volts: float) -> None:
        """The grid is this from now on."""
        self._samples = (Sample(0.0, hertz, (volts, volts, volts)),)

    def play(self, samples: Sequence[Sample], now_ns: int, speed: float = 1.0) -> None:
        """The grid follows these samples from now on, `speed` times as fast as they were taken."""
        self._samples = tuple(samples)
        self._start_ns = now_ns
        self._speed = speed

    def electrical(self, now_ns: int) -> Electrical:
        """The site's bus at this instant; instants must not go back."""
        return self.at("site", now_ns)

    def at(self, place: str, now_ns: int) -> Electrical:
        """One of PLACES at this instant; instants must not go back."""
        self.advance(now_ns)
        return self._at(place, now_ns)

    def sample(self, place: str, taken: Callable[[Electrical], None]) -> None:
        """Have `taken` called with a place every 10 ms of the plant's time, as an instrument's own sampling."""
        self._sampling.append(lambda now_ns: taken(self._at(place, now_ns)))

    def advance(self, now_ns: int) -> None:
        """Everything that has a past of its own, until now."""
        if self.genset is None and not self._sampling:
            return
        if self._stepped_ns is None:
            self._stepped_ns = now_ns
        while self._stepped_ns + _STEP_NS <= now_ns:
            self._stepped_ns += _STEP_NS
            self._step(self._stepped_ns)

    def _step(self, now_ns: int) -> None:
        if self.genset is not None:
            hertz = self._grid(now_ns).hertz
            if self.tied and not math.isnan(hertz):
                self.genset.follow(hertz, _STEP_NS / 1e9)
            elif not self.tied:
                self.genset.carry(self._load_w(now_ns), _STEP_NS / 1e9)
        for sampled in self._sampling:
            sampled(now_ns)

    def _at(self, place: str, now_ns: int) -> Electrical:
        made_w = self.genset.watts if self.genset is not None else 0.0
        if place == "tie":
            return self._tie(self._load_w(now_ns) - made_w if self.tied else 0.0, now_ns)
        watts = made_w if place == "genset" else self._load_w(now_ns)
        if self.tied:
            tie = self._tie(self._load_w(now_ns) - made_w, now_ns)
            return Electrical(watts, tie.hertz, tie.volts)
        if self.genset is not None and self.genset.running:
            return Electrical(watts, self.genset.hertz, (self._nominal_v,) * 3)
        return Electrical(0.0, 0.0, _DEAD)

    def _tie(self, watts: float, now_ns: int) -> Electrical:
        grid = self._grid(now_ns)
        if self._feeder is None:
            return Electrical(watts, grid.hertz, grid.volts)
        one, two, three = map(partial(self._feeder.arriving_v, watts=watts / 3), grid.volts)
        return Electrical(watts, grid.hertz, (one, two, three))

    def _grid(self, now_ns: int) -> Sample:
        return at(self._samples, (now_ns - self._start_ns) / 1e9 * self._speed)

    def _load_w(self, now_ns: int) -> float:
        """All loads at this instant; none on a dead bus."""
        watts = self._draw(now_ns) + self._unmetered_w + self._wander(now_ns) + self.bias_w
        return watts if self.live else 0.0

    def _wander(self, now_ns: int) -> float:
        if self._wander_sigma_w and self._wander_ns is not None and now_ns > self._wander_ns:
            keep = math.exp(-(now_ns - self._wander_ns) / 1e9 / _WANDER_S)
            push = self._wander_sigma_w * math.sqrt(1.0 - keep * keep)
            self._wander_w = self._wander_w * keep + self._random.gauss(0.0, push)
        self._wander_ns = now_ns if self._wander_ns is None else max(now_ns, self._wander_ns)
        return self._wander_w
