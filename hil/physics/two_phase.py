"""A two-phase immersion tank: heat boils fluid off, a condenser makes it liquid again.

Theory, for a tank with a rated heat of Q:
    pool        heat warms the liquid to its boiling point, then boils heat / latent heat of it off: 100 kW at
                100 kJ/kg are 1 kg of vapour a second. Without heat it cools towards the room
    pressure    vapour that is not condensed raises the pressure of the head space: 10 kPa for 0.6 kg in 0.5 m3, which
                is what a tank of 100 kW is taken to have; others in proportion to Q
    condenser   cooling water with flow m and supply T_in against vapour at T_v: m c (1 - exp(-UA / m c)) (T_v - T_in);
                1.25 Q at nominal flow. Air and vapour share it: the higher the pressure, the more of it the vapour
                reaches; all of it at 2 kPa. So a tank at Q rests at 1.6 kPa
                The nominal flow is always what the rating needs; a sensor that shows another figure for it stands in
                one of several branches
    relief      opens at 10 kPa: what leaves is gone, and the level falls
    fluid       liquid + vapour + lost is what was filled in

Without any flow the pressure of a tank at Q passes 6 kPa within half a second: time for nobody but an interlock. What
is lost first is the flow, and a pump that stops runs down over a second: there an agent has its chance.

Left out, to the safe side: a rising pressure raises the boiling point, and a pool that is well mixed would take up ten
times what the vapour space does before it boils on. Left out besides: bellows, pressure under the atmosphere's,
moisture, filters, and the heat of the tank itself.
"""

import math

from msgspec import Struct

from hil.physics.parameters import pick

_STEP_S = 0.01
_SETTLES_S = 2.0  # many times the time constant of its vapour
_WATER_KJ_PER_KG_K = 4.18


class Make(Struct, frozen=True):
    """A kind of tank and its fluid."""

    latent_kj_per_kg: float
    heat_kj_per_kg_k: float
    boils_c: float
    c_per_kpa: float
    fluid_kg_per_kw: float
    filled_pct: float
    vapour_kpa_per_kg_kw: float
    relief_kpa: float
    flow_lpm_per_kw: float
    condenser_w_per_k_kw: float
    reached_all_kpa: float
    water_c: float
    ambient_c: float
    lost_w_per_k_kw: float
    run_down_s: float
    run_up_s: float


class TwoPhase:
    """One tank. The pump goes to `flow_set_lpm`, the water comes at `water_c`."""

    def __init__(self, make: Make, rated_w: float, nominal_flow_lpm: float, heat_w: float = 0.0) -> None:
        """Begins warm and at rest with this heat, if its condenser can take it."""
        self.make = make
        self.rated_kw = rated_w / 1000
        self._nominal_flow_lpm = nominal_flow_lpm
        self.flow_set_lpm = nominal_flow_lpm
        self.flow_lpm = nominal_flow_lpm
        self.water_c = make.water_c
        self.liquid_c = make.boils_c
        self.vapour_kg = 0.0
        self.lost_kg = 0.0
        self.condensed_w = 0.0
        self._full_kg = make.fluid_kg_per_kw * self.rated_kw
        self.liquid_kg = self._full_kg * make.filled_pct / 100
        self.advance(heat_w, _SETTLES_S)
        self.liquid_c = make.boils_c

    @property
    def pressure_kpa(self) -> float:
        """Over the atmosphere's, in the head space."""
        return self.vapour_kg * self._kpa_per_kg

    @property
    def vapour_c(self) -> float:
        """Of the vapour; of the pool when there is none."""
        return self.make.boils_c + self.make.c_per_kpa * self.pressure_kpa if self.vapour_kg > 0.0 else self.liquid_c

    @property
    def level_pct(self) -> float:
        """Of the pool."""
        return 100.0 * self.liquid_kg / self._full_kg

    @property
    def returned_c(self) -> float:
        """Of the water that leaves the condenser; as it came when hardly any flows."""
        carried = self._carried_kw_per_k
        return self.water_c + (self.condensed_w / 1000 / carried if carried > 0.002 * self.rated_kw else 0.0)

    def advance(self, heat_w: float, seconds: float) -> None:
        """So much later, with this heat all the while; in steps well below its time constants."""
        remaining_s = seconds
        while remaining_s > 1e-9:
            step_s = min(_STEP_S, remaining_s)
            self._step(heat_w, step_s)
            remaining_s -= step_s

    def _step(self, heat_w: float, step_s: float) -> None:
        make = self.make
        lag_s = make.run_up_s if self.flow_set_lpm > self.flow_lpm else make.run_down_s
        self.flow_lpm += (self.flow_set_lpm - self.flow_lpm) * (1.0 - math.exp(-step_s / lag_s))
        joules_per_kg = make.latent_kj_per_kg * 1000
        condensed_kg = min(self._condenser_w(self.pressure_kpa) * step_s / joules_per_kg, self.vapour_kg)
        self._evaporate(self._boiled_kg(heat_w, step_s) - condensed_kg)
        self.condensed_w = condensed_kg * joules_per_kg / step_s
        relieved_kg = max(0.0, self.vapour_kg - make.relief_kpa / self._kpa_per_kg)
        self.vapour_kg -= relieved_kg
        self.lost_kg += relieved_kg

    def _boiled_kg(self, heat_w: float, step_s: float) -> float:
        """What boils off in a step; the pool is warmed first, and cools while nothing heats it."""
        make = self.make
        net_kj = (heat_w - make.lost_w_per_k_kw * self.rated_kw * (self.liquid_c - make.ambient_c)) / 1000 * step_s
        pool_kj_per_k = max(1e-6, self.liquid_kg * make.heat_kj_per_kg_k)
        warmed_c = self.liquid_c + net_kj / pool_kj_per_k
        self.liquid_c = min(make.boils_c, warmed_c)
        return min(self.liquid_kg, (warmed_c - self.liquid_c) * pool_kj_per_k / make.latent_kj_per_kg)

    def _condenser_w(self, pressure_kpa: float) -> float:
        """What the condenser can take at this pressure."""
        make, carried = self.make, self._carried_kw_per_k
        if carried <= 0.0:
            return 0.0
        effective = 1.0 - math.exp(-make.condenser_w_per_k_kw * self.rated_kw / 1000 / carried)
        over_c = max(0.0, make.boils_c + make.c_per_kpa * pressure_kpa - self.water_c)
        return carried * effective * over_c * 1000 * min(1.0, pressure_kpa / make.reached_all_kpa)

    def _evaporate(self, kg: float) -> None:
        self.liquid_kg -= kg
        self.vapour_kg += kg

    @property
    def _carried_kw_per_k(self) -> float:
        nominal_kg_per_s = self.make.flow_lpm_per_kw * self.rated_kw / 60
        return self.flow_lpm / self._nominal_flow_lpm * nominal_kg_per_s * _WATER_KJ_PER_KG_K

    @property
    def _kpa_per_kg(self) -> float:
        return self.make.vapour_kpa_per_kg_kw / self.rated_kw


def load_tank(name: str = "standard") -> Make:
    """A kind of two_phase.toml."""
    return pick("two_phase", Make, name)
