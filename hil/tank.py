"""A two-phase immersion tank's PLC; the tank itself is hil/physics/two_phase.py.

The program shows the values, gives its permit while flow, pressure and level are good and nobody took it away, and sets
its alarms. It has nothing that it could cut the heat with, on purpose: that is the agent's part that is shown here. The
tank boils on when its program has stopped.
"""

import time
from collections.abc import Callable

from msgspec import Struct

from hil.clock import Clock
from hil.physics.two_phase import TwoPhase, load_tank
from hil.plc import Plc, load_plc_layout

_MAKE = load_tank()


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

    def __init__(self, config: TankConfig, heat: Callable[[int], float], clock: Clock = time.monotonic_ns) -> None:
        self.config = config
        self.withheld = False  # the PLC's permit, by its own reasons
        self.alarms: set[str] = set()  # forced: leak, estop, pump_1_fault, ...
        self.remote = True
        self._heat = heat
        self._now_ns: int | None = None
        self._boiling = TwoPhase(_MAKE, config.rated_w, config.nominal_flow_lpm)
        super().__init__(load_plc_layout("two-phase-tank"), clock)

    @property
    def flow_set_lpm(self) -> float:
        """What the pump is at, after its time."""
        return self._boiling.flow_set_lpm

    @flow_set_lpm.setter
    def flow_set_lpm(self, lpm: float) -> None:
        self._boiling.flow_set_lpm = lpm

    @property
    def pressure_kpa(self) -> float:
        """In its head space, over the atmosphere's."""
        return self._boiling.pressure_kpa

    @property
    def flow_lpm(self) -> float:
        """Through its condenser."""
        return self._boiling.flow_lpm

    @property
    def level_pct(self) -> float:
        """Of its fluid."""
        return self._boiling.level_pct

    def water(self, supply_c: float | None) -> None:
        """The cooling water comes at this from now on; None: as usual."""
        self._boiling.water_c = _MAKE.water_c if supply_c is None else supply_c

    def once(self, now_ns: int) -> None:
        """The tank's own physics until now, then one round of its program, unless that has stopped."""
        self.advance(now_ns)
        super().once(now_ns)

    def advance(self, now_ns: int) -> None:
        """Physics from the last instant to this one; the first begins at rest."""
        heat_w = self._heat(now_ns)
        if self._now_ns is None:
            self._boiling = TwoPhase(_MAKE, self.config.rated_w, self.config.nominal_flow_lpm, heat_w)
        else:
            self._boiling.advance(heat_w, (now_ns - self._now_ns) / 1e9)
        self._now_ns = now_ns

    def round(self, now_ns: int) -> None:
        """What the program makes of it."""
        tank = self._boiling
        nominal = tank.flow_lpm / self.config.nominal_flow_lpm
        alarms = {
            "flow_low": nominal < 0.5,
            "level_low": tank.level_pct < 72.0,
            "level_low_low": tank.level_pct < 65.0,
            "pressure_high": tank.pressure_kpa > 8.0,
            "temperature_high": tank.vapour_c > 55.0,
        } | dict.fromkeys(self.alarms, True)
        permit = not self.withheld and not any(alarms.values())
        values = {
            "vapor_pressure_kpa_g": tank.pressure_kpa,
            "condenser_flow_lpm": tank.flow_lpm,
            "coolant_level_pct": tank.level_pct,
            "coolant_c": tank.liquid_c,
            "vapor_c": tank.vapour_c,
            "condenser_supply_c": tank.water_c,
            "condenser_return_c": tank.returned_c,
            "ambient_c": _MAKE.ambient_c,
            "power_permit_pct": 100.0 if permit else 0.0,
            "pump_speed_pct": 80.0 * nominal,
            "pump_speed_set_pct": 80.0,
            "fan_speed_pct": 60.0,
            "fan_speed_set_pct": 60.0,
            "filter_before_pressure_kpa": 150.0 + 30.0 * nominal**2,
            "filter_after_pressure_kpa": 150.0,
        }
        running = {"pump_1_run": tank.flow_set_lpm > 0.0, "fans_run": True, "permit": permit, "remote": self.remote}
        self.show(now_ns, values, {**running, **alarms})
