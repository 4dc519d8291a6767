"""A virtual two-phase tank and its PLC, laid out as drivers/profiles/two-phase-tank.toml publishes it; written for
virtual time and apart from hil's.

What it cools boils fluid off: 100 kJ a kilogram, and 0.6 kg of vapour that nobody condenses raise the head space of a
tank of 100 kW by 10 kPa. The condenser takes up to 1.25 times the rated heat at its full flow, in proportion to the
flow, and the less the lower the pressure is below 2 kPa. A relief valve opens at 10 kPa. A pump that stops runs down
within a second, with a time constant of 0.5 s.

The PLC gives its permit while flow, pressure and level are good and nobody withholds it. It has nothing that could cut
the heat: that is the agent's part, and a judge's to see.
"""

import math
from collections.abc import Callable

from drivers.errors import Refused
from tests.sim.loop import NS_PER_S
from tests.sim.plc import ILLEGAL_ADDRESS, VirtualPlc
from tests.sim.wire import Network

FLOW_LPM = 120.0
LATENT_J_PER_KG = 100_000.0
KPA_PER_KG_AT_100_KW = 10 / 0.6
CONDENSES_PU = 1.25
ALL_OF_IT_KPA = 2.0
RELIEF_KPA = 10.0
RUN_DOWN_S, START_S = 0.5, 1.0
STEP_NS = 20_000_000
BAD = 0x8000
PERMIT_BIT, REMOTE_BIT, FLOW_LOW_BIT, PRESSURE_HIGH_BIT, COMM_LOST_BIT = 3, 4, 3, 5, 11
HEARTBEAT_AT = 17
POINTS = ("vapor_pressure_kpa_g", "condenser_flow_lpm", "coolant_level_pct", "coolant_c")


class VirtualTank(VirtualPlc):
    """`heat` gives the watts of what it cools at an instant."""

    def __init__(self, name: str, network: Network, rated_w: float, heat: Callable[[int], float]) -> None:
        self.flow_set_lpm = FLOW_LPM  # what the pump is told
        self.withheld = False  # the PLC's permit, by its own reasons
        self.failed: set[str] = set()  # sensors that tell nothing
        self.rated_w = rated_w
        self.flow_lpm = FLOW_LPM
        self.pressure_kpa = min(1.0, heat(network.loop.now_ns) / (CONDENSES_PU * rated_w)) * ALL_OF_IT_KPA
        self.pressure_kpa_max = self.pressure_kpa
        self._heat = heat
        self._then_ns = network.loop.now_ns
        super().__init__(name, network, HEARTBEAT_AT)

    def read(self, unit: int, table: str, at: int, count: int) -> tuple[tuple[int, ...], dict[str, float]]:
        if table != "holding" or at + count > HEARTBEAT_AT + 4:
            raise Refused(self.name, ILLEGAL_ADDRESS, "illegal data address")
        at_ns = self.look()
        self._advance(at_ns)
        bad = {
            "flow_low": self.flow_lpm < FLOW_LPM / 2,
            "pressure_high": self.pressure_kpa > 8.0,
        }
        permit = not self.withheld and not any(bad.values())
        boils_c = 49.0 + 0.3 * self.pressure_kpa
        values = dict(zip(POINTS, (self.pressure_kpa, self.flow_lpm, 90.0, boils_c - 0.5), strict=True))
        counts = [round(self.pressure_kpa * 100), *(round(value * 10) for value in (self.flow_lpm, 90.0, boils_c))]
        counts += [round(10 * value) for value in (boils_c, 32.0, 38.0, 24.0, 100.0 * permit, 80.0, 80.0)]
        counts += [600, 600, 1800, 1500]
        for number, name in enumerate(POINTS):
            if name in self.failed:
                counts[number] = BAD
                values[name] = math.nan
        status = 0b111 | permit << PERMIT_BIT | self.remote << REMOTE_BIT
        alarms = bad["flow_low"] << FLOW_LOW_BIT | bad["pressure_high"] << PRESSURE_HIGH_BIT
        words = (*counts, status, alarms | self.comm_lost << COMM_LOST_BIT, *self.signs(at_ns))
        # What a reader can know: the value in whole counts.
        values["vapor_pressure_kpa_g"] = round(values["vapor_pressure_kpa_g"], 2)
        values["condenser_flow_lpm"] = round(values["condenser_flow_lpm"], 1)
        values |= {"permit": float(permit), "remote": float(self.remote), "round": float(at_ns)}
        return words[at : at + count], values

    def _advance(self, now_ns: int) -> None:
        """The tank's own course until now."""
        while self._then_ns < now_ns:
            step_ns = min(STEP_NS, now_ns - self._then_ns)
            self._then_ns += step_ns
            self._step(self._heat(self._then_ns), step_ns / NS_PER_S)

    def _step(self, heat_w: float, step_s: float) -> None:
        lag_s = START_S if self.flow_set_lpm > self.flow_lpm else RUN_DOWN_S
        self.flow_lpm += (self.flow_set_lpm - self.flow_lpm) * (1 - math.exp(-step_s / lag_s))
        reach = min(1.0, self.pressure_kpa / ALL_OF_IT_KPA)
        condenses_w = CONDENSES_PU * self.rated_w * self.flow_lpm / FLOW_LPM * reach
        kpa_per_kg = KPA_PER_KG_AT_100_KW * 100_000.0 / self.rated_w
        self.pressure_kpa += (heat_w - condenses_w) * step_s / LATENT_J_PER_KG * kpa_per_kg
        self.pressure_kpa = min(RELIEF_KPA, max(0.0, self.pressure_kpa))
        self.pressure_kpa_max = max(self.pressure_kpa_max, self.pressure_kpa)
