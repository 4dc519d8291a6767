"""A feeder: the voltage that is left at the site's end, and what is lost on the way.

Per phase, a source of E volts feeds P watts and Q vars at V volts through R + jX. With the load's voltage as the
reference the current is (P - jQ) / V, so that

    E^2 = (V + (R P + X Q) / V)^2 + ((X P - R Q) / V)^2

which is a quadratic in V^2 with the upper root

    V^2 = b + sqrt(b^2 - (R^2 + X^2)(P^2 + Q^2)),      b = E^2 / 2 - (R P + X Q)

The load is one of constant power, as switched-mode power supplies are: the less volts, the more amperes. More than the
feeder can carry has no solution; there the voltage is that of the nose of its curve, sqrt(b), or nothing. Power that
flows out makes the voltage rise. The loss is R I^2.

Left out: what the line charges itself with, tap changers, imbalance between phases, motors that stall.
"""

import math

from msgspec import Struct

from hil.physics.parameters import pick


class Feeder(Struct, frozen=True):
    """Impedance per phase, and the power factor of what it feeds."""

    r_ohm: float
    x_ohm: float
    power_factor: float

    def arriving_v(self, source_v: float, watts: float) -> float:
        """Volts to neutral at the site's end of one phase that takes these watts; unknown stays unknown."""
        if math.isnan(source_v):
            return source_v
        at_vars = watts * math.tan(math.acos(self.power_factor))
        half = source_v * source_v / 2 - (self.r_ohm * watts + self.x_ohm * at_vars)
        burden = (self.r_ohm**2 + self.x_ohm**2) * (watts**2 + at_vars**2)
        return math.sqrt(max(0.0, half + math.sqrt(max(0.0, half * half - burden))))

    def lost_w(self, arriving_v: float, watts: float) -> float:
        """Watts that one phase of the feeder itself turns into heat."""
        amps = abs(watts) / self.power_factor / arriving_v if arriving_v > 1.0 else 0.0
        return self.r_ohm * amps * amps


def load_feeder(name: str) -> Feeder:
    """A feeder of feeder.toml."""
    return pick("feeder", Feeder, name)
