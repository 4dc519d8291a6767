"""A two-phase immersion tank and its PLC: heat boils fluid off, a condenser makes it liquid again.

Theory, for one tank with a rated heat of Q:
    boiling     what it cools makes heat / 100 kJ/kg of vapour; 100 kW make 1 kg a second (latent heats: 50-160 kJ/kg)
    pressure    vapour that is not condensed raises the pressure of the head space: 10 kPa for 0.6 kg in 0.5 m3, which
                is what a tank of 100 kW is taken to have; smaller and larger ones in proportion to Q
    condenser   condenses at most 1.25 Q at nominal flow, in proportion to the flow. Air and vapour share it: the higher
                the pressure, the more of it the vapour reaches; all of it at 2 kPa. So a tank at Q rests at 1.6 kPa
    relief      opens at 10 kPa: what leaves is gone, and the level falls
    water       Q[kW] = 4.18 flow[kg/s] dT[K]
Without any flow the pressure of a tank at Q passes 6 kPa within half a second: time for nobody but an interlock. What
is lost first is the flow, and a pump that stops runs down over a second: there the agent has its chance.

Latent heat and boiling point: of fluids like HFE-7100 (61 C, 112 kJ/kg) and of others (34-61 C, 50-160 kJ/kg); the time
constants are derived from them and not measured. The rest, condenser, relief and run-down, is chosen here and no
maker's.

The program shows the values, gives its permit while flow, pressure and level are good and nobody took it away, and sets
its alarms. It has nothing that it could cut the heat with, on purpose: that is the agent's part that is shown here.
"""

import math
from collections.abc import Callable

from msgspec import Struct

from hil.plc import Plc, load_plc_layout

_LATENT_KJ_PER_KG = 100.0
_KPA_PER_KG = 10.0 / 0.6  # of a head space of 0.5 m3
_HEAD_SPACE_W = 100_000.0  # the rated heat of a tank with such a head space
_CONDENSER_PU = 1.25
_REACHED_ALL_KPA = 2.0
_RELIEF_KPA = 10.0
_FLUID_KG_PER_KW = 2.0
_RUN_DOWN_S = 0.5  # time constant of a pump that stops
_START_S = 1.0
_BOILS_C = 49.0
_C_PER_KPA = 0.3  # Clausius-Clapeyron near the atmosphere
_WATER_C, _AMBIENT_C = 32.0, 24.0
_STEP_S = 0.01


class TankConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One tank and its PLC, on an endpoint of its own, on another device's, or on a serial line."""

    id: str = "tank-a"
    unit_id: int = 3
    host: str = "127.0.0.1"
    port: int = 0
    on: str = ""  # the device whose endpoint it shares
    serial: bool = False
    miners: tuple[str, ...] = ()  # addresses it cools
    gpus: bool = False  # it cools the GPUs too
    rated_w: float = 100_000.0
    nominal_flow_lpm: float = 120.0


class Tank(Plc):
    """The tank, its condenser and its PLC. `heat` gives the watts of what it cools."""

    def __init__(self, config: TankConfig, heat: Callable[[int], float]) -> None:
        self.config = config
        self.flow_set_lpm = config.nominal_flow_lpm  # what the pump is at, after its time
        self.withheld = False  # the PLC's permit, by its own reasons
        self.alarms: set[str] = set()  # forced: leak, estop, pump_1_fault, ...
        self.remote = True
        self.pressure_kpa = 0.0
        self.flow_lpm = config.nominal_flow_lpm
        self.level_pct = 90.0
        self._heat = heat
        self._now_ns: int | None = None
        super().__init__(load_plc_layout("two-phase-tank"))

    def round(self, now_ns: int) -> None:
        """The tank's own physics until now, and what the program makes of it."""
        heat_w = self.advance(now_ns)
        kg_per_s = self.flow_lpm / 60
        warmed_c = min(self._condensed_w(heat_w) / 1000 / 4.18 / kg_per_s, 17.0) if kg_per_s > 0.05 else 0.0
        nominal = self.flow_lpm / self.config.nominal_flow_lpm
        vapour_c = _BOILS_C + _C_PER_KPA * self.pressure_kpa
        alarms = {
            "flow_low": nominal < 0.5,
            "level_low": self.level_pct < 72.0,
            "level_low_low": self.level_pct < 65.0,
            "pressure_high": self.pressure_kpa > 8.0,
            "temperature_high": vapour_c > 55.0,
        } | dict.fromkeys(self.alarms, True)
        permit = not self.withheld and not any(alarms.values())
        values = {
            "vapor_pressure_kpa_g": self.pressure_kpa,
            "condenser_flow_lpm": self.flow_lpm,
            "coolant_level_pct": self.level_pct,
            "coolant_c": vapour_c - 0.5,
            "vapor_c": vapour_c,
            "condenser_supply_c": _WATER_C,
            "condenser_return_c": _WATER_C + warmed_c,
            "ambient_c": _AMBIENT_C,
            "power_permit_pct": 100.0 if permit else 0.0,
            "pump_speed_pct": 80.0 * nominal,
            "pump_speed_set_pct": 80.0,
            "fan_speed_pct": 60.0,
            "fan_speed_set_pct": 60.0,
            "filter_before_pressure_kpa": 150.0 + 30.0 * nominal**2,
            "filter_after_pressure_kpa": 150.0,
        }
        running = {"pump_1_run": self.flow_set_lpm > 0.0, "fans_run": True, "permit": permit, "remote": self.remote}
        self.show(now_ns, values, {**running, **alarms})

    def advance(self, now_ns: int) -> float:
        """Physics from the last instant to this one, in steps well below its time constants; the heat in W."""
        heat_w = self._heat(now_ns)
        begin_ns, self._now_ns = self._now_ns, now_ns
        if begin_ns is None:
            self.pressure_kpa = heat_w / (_CONDENSER_PU * self.config.rated_w) * _REACHED_ALL_KPA
            return heat_w
        remaining_s = min(1.0, (now_ns - begin_ns) / 1e9)
        while remaining_s > 0:
            step_s = min(_STEP_S, remaining_s)
            self._step(heat_w, step_s)
            remaining_s -= step_s
        return heat_w

    def _step(self, heat_w: float, step_s: float) -> None:
        lag_s = _START_S if self.flow_set_lpm > self.flow_lpm else _RUN_DOWN_S
        self.flow_lpm += (self.flow_set_lpm - self.flow_lpm) * (1.0 - math.exp(-step_s / lag_s))
        stays_kg = (heat_w - self._condensed_w(heat_w)) / 1000 / _LATENT_KJ_PER_KG * step_s
        self.pressure_kpa += stays_kg * _KPA_PER_KG * _HEAD_SPACE_W / self.config.rated_w
        self.pressure_kpa = max(0.0, self.pressure_kpa)
        if self.pressure_kpa > _RELIEF_KPA:
            lost_kg = (self.pressure_kpa - _RELIEF_KPA) / _KPA_PER_KG * self.config.rated_w / _HEAD_SPACE_W
            self.level_pct = max(
                0.0, self.level_pct - 100.0 * lost_kg / (_FLUID_KG_PER_KW * self.config.rated_w / 1000)
            )
            self.pressure_kpa = _RELIEF_KPA

    def _condensed_w(self, heat_w: float) -> float:
        """What the condenser takes now; at no pressure as much as comes, so that it stays there."""
        flow_pu = self.flow_lpm / self.config.nominal_flow_lpm
        reached_pu = min(1.0, self.pressure_kpa / _REACHED_ALL_KPA)
        taken_w = _CONDENSER_PU * self.config.rated_w * flow_pu * reached_pu
        return taken_w if self.pressure_kpa > 0.0 else min(heat_w, taken_w)
