"""A tank's physics and what its PLC shows, driven instant by instant."""

import pytest

from hil.clock import VirtualClock
from hil.tank import Tank, TankConfig

_S = 1_000_000_000


class Stand:
    """One tank with a heater, and its clock."""

    def __init__(self, heat_w: float = 100_000.0) -> None:
        self.heat_w = heat_w
        self.clock = VirtualClock()
        self.tank = Tank(TankConfig(), lambda _: self.heat_w, self.clock)
        self.tank.once(self.clock())

    def run(self, seconds: float) -> None:
        """Rounds of 20 ms."""
        for _ in range(round(seconds * 50)):
            self.clock.move(0.02)
            self.tank.once(self.clock())

    def until(self, point: str, passed_above: float) -> float:
        """Seconds until a point that is shown is above this; after 30 s it never is."""
        begin_ns = self.clock()
        while self.shown(point) <= passed_above:
            assert self.clock() - begin_ns < 30 * _S, f"{point} stayed at {self.shown(point)}"
            self.run(0.02)
        return (self.clock() - begin_ns) / _S

    def shown(self, point: str) -> float:
        at, unit = self.tank.layout.value[point]
        count = self.tank.read_registers("holding", at, 1)[0]
        return (count - 0x1_0000 if count >= 0x8000 else count) * unit

    def bit(self, name: str) -> bool:
        at, bit = self.tank.layout.bit[name]
        return bool(self.tank.read_registers("holding", at, 1)[0] >> bit & 1)


@pytest.mark.parametrize(("heat_w", "pressure_kpa"), [(0.0, 0.0), (30_000.0, 0.47), (100_000.0, 1.58)])
def test_a_tank_at_rest_stays_near_the_atmosphere_and_gives_its_permit(heat_w: float, pressure_kpa: float) -> None:
    stand = Stand(heat_w)

    stand.run(5)

    assert stand.shown("vapor_pressure_kpa_g") == pytest.approx(pressure_kpa, abs=0.02)
    assert stand.shown("condenser_flow_lpm") == 120.0
    assert stand.shown("coolant_level_pct") == 90.0
    assert stand.bit("permit")


def test_without_flow_the_flow_is_low_before_the_pressure_is_high_and_both_within_two_seconds() -> None:
    stand = Stand()

    stand.tank.flow_set_lpm = 0.0
    low_s = 0.0
    while stand.shown("condenser_flow_lpm") >= 60.0:
        stand.run(0.02)
        low_s += 0.02
    high_s = low_s + stand.until("vapor_pressure_kpa_g", 6.0)

    assert 0.3 < low_s < 0.5
    assert low_s < high_s < 2.0
    assert stand.bit("flow_low")
    assert not stand.bit("permit")


def test_a_tank_whose_heat_goes_with_its_flow_keeps_its_fluid_and_one_whose_heat_stays_vents_it() -> None:
    shed, left = Stand(), Stand()

    for stand in (shed, left):
        stand.tank.flow_set_lpm = 0.0
        stand.run(0.6)
    shed.heat_w = 0.0
    for stand in (shed, left):
        stand.run(60)

    assert shed.tank.level_pct > 88.0
    assert left.tank.level_pct < 65.0
    assert left.bit("level_low_low")
    assert left.bit("pressure_high")


def test_with_its_flow_back_and_little_heat_it_is_well_again() -> None:
    stand = Stand()
    stand.tank.flow_set_lpm = 0.0
    stand.run(0.6)
    stand.heat_w = 2_000.0
    stand.run(3)

    stand.tank.flow_set_lpm = 120.0
    stand.run(8)

    assert stand.shown("vapor_pressure_kpa_g") < 1.0
    assert stand.shown("condenser_flow_lpm") > 119.0
    assert stand.bit("permit")


def test_the_condensers_water_warms_by_the_heat_that_is_taken() -> None:
    stand = Stand(83_600.0)

    stand.run(5)

    assert stand.shown("condenser_return_c") - stand.shown("condenser_supply_c") == pytest.approx(10.0, abs=0.2)


def test_warm_water_takes_less_and_the_pressure_says_so() -> None:
    cool, warm = Stand(90_000.0), Stand(90_000.0)

    warm.tank.water(38.0)
    for stand in (cool, warm):
        stand.run(5)

    assert warm.shown("condenser_supply_c") == 38.0
    assert warm.shown("vapor_pressure_kpa_g") > 2 * cool.shown("vapor_pressure_kpa_g")
    assert warm.shown("coolant_level_pct") < cool.shown("coolant_level_pct") + 0.1


def test_a_tank_boils_on_when_its_program_has_stopped_and_shows_what_was() -> None:
    stand = Stand()
    stand.run(1)

    stand.tank.stopped = True
    stand.tank.flow_set_lpm = 0.0
    stand.run(3)

    assert stand.shown("vapor_pressure_kpa_g") == pytest.approx(1.58, abs=0.02)
    assert stand.tank.pressure_kpa == pytest.approx(10.0, abs=0.1)


def test_a_failed_sensor_shows_8000h_and_a_lying_one_its_lie() -> None:
    stand = Stand()
    stand.tank.sensors["coolant_level_pct"] = None
    stand.tank.sensors["condenser_flow_lpm"] = 13.0

    stand.run(0.02)

    at, _ = stand.tank.layout.value["coolant_level_pct"]
    assert stand.tank.read_registers("holding", at, 1)[0] == 0x8000
    assert stand.shown("condenser_flow_lpm") == 13.0


def test_its_permit_is_its_own() -> None:
    stand = Stand()

    stand.tank.withheld = True
    stand.run(0.02)

    assert not stand.bit("permit")
    assert stand.shown("power_permit_pct") == 0.0


def test_every_round_that_shows_something_new_is_stamped_and_stamped_again_when_it_is_served() -> None:
    stand = Stand()
    stand.run(0.2)
    stand.tank.rounds.clear()

    stand.tank.sensors["ambient_c"] = 30.0
    stand.run(0.1)
    (new,) = stand.tank.rounds
    assert (new.served_ns, new.values["ambient_c"]) == (None, 30.0)

    stand.shown("ambient_c")
    assert new.served_ns is not None
