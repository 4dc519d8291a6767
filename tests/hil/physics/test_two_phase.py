"""Vapour, pressure, level and condenser of a tank: balances of heat and mass, rests and time constants."""

import math

import pytest

from hil.physics.two_phase import TwoPhase, load_tank

_MAKE = load_tank()


def _tank(heat_w: float = 0.0) -> TwoPhase:
    return TwoPhase(_MAKE, 100_000.0, 120.0, heat_w)


def test_a_hundred_kilowatts_make_a_kilogram_of_vapour_a_second() -> None:
    tank = _tank()
    tank.flow_lpm = tank.flow_set_lpm = 0.0

    tank.advance(101_250.0, 0.2)  # and 1.25 kW for the walls

    assert tank.vapour_kg == pytest.approx(0.2, rel=0.01)
    assert tank.pressure_kpa == pytest.approx(0.2 * 10 / 0.6, rel=0.01)


def test_without_flow_ten_kilopascals_take_well_under_a_second() -> None:
    tank = _tank(100_000.0)
    tank.flow_lpm = tank.flow_set_lpm = 0.0
    seconds = 0.0
    while tank.pressure_kpa < 6.0:
        tank.advance(100_000.0, 0.01)
        seconds += 0.01

    assert seconds == pytest.approx((6.0 - 1.58) / 16.667 / 0.9875, abs=0.02)


def test_liquid_vapour_and_what_was_lost_are_what_was_filled_in() -> None:
    tank = _tank(100_000.0)
    for heat_w, flow_lpm in [(100_000.0, 0.0), (150_000.0, 40.0), (20_000.0, 120.0), (0.0, 120.0)]:
        tank.flow_set_lpm = flow_lpm
        tank.advance(heat_w, 8.0)

        assert tank.liquid_kg + tank.vapour_kg + tank.lost_kg == pytest.approx(180.0)

    assert tank.lost_kg > 0.5


def test_heat_goes_into_the_water_the_walls_the_pool_and_the_vapour_and_nowhere_else() -> None:
    tank = _tank()
    tank.liquid_c = 48.5
    in_j = out_j = walls_j = 0.0
    for second in range(60):
        heat_w = 80_000.0 if second < 40 else 5_000.0
        for _ in range(100):
            walls_j += 0.5 * 100 * (tank.liquid_c - 24.0) * 0.01
            tank.advance(heat_w, 0.01)
            in_j += heat_w * 0.01
            out_j += tank.condensed_w * 0.01

    pool_j = (49.0 - 48.5) * 180 * 1100
    assert tank.liquid_c == 49.0
    assert in_j == pytest.approx(out_j + walls_j + pool_j + tank.vapour_kg * 100_000, rel=0.002)


def test_at_rest_the_condenser_takes_what_boils_off_and_its_water_shows_it() -> None:
    tank = _tank(83_600.0 + 1_250.0)

    assert tank.condensed_w == pytest.approx(83_600.0, rel=0.001)
    assert tank.returned_c - tank.water_c == pytest.approx(10.0, abs=0.02)  # 83.6 kW / (2 kg/s x 4.18)


def test_all_of_the_condenser_takes_a_quarter_more_than_the_rating_and_half_the_flow_most_of_it() -> None:
    tank = _tank(130_000.0)
    tank.advance(130_000.0, 3.0)
    full_w = tank.condensed_w
    half = _tank(130_000.0)
    half.flow_lpm = half.flow_set_lpm = 60.0
    half.advance(130_000.0, 3.0)

    assert full_w == pytest.approx(125_000.0, rel=0.05)
    assert half.condensed_w == pytest.approx(4180 * (1 - math.exp(-16.3 / 4.18)) * (49 + 0.27 * 10 - 32), rel=0.01)


def test_a_pump_that_stops_runs_down_and_one_that_starts_runs_up() -> None:
    tank = _tank()
    tank.flow_set_lpm = 0.0
    tank.advance(0.0, 0.5)
    down_lpm = tank.flow_lpm
    tank.advance(0.0, 10.0)
    tank.flow_set_lpm = 120.0
    tank.advance(0.0, 1.0)

    assert down_lpm == pytest.approx(120 / math.e, rel=0.001)
    assert tank.flow_lpm == pytest.approx(120 * (1 - 1 / math.e), rel=0.001)


def test_without_heat_the_pool_cools_and_has_to_be_warmed_before_it_boils() -> None:
    tank = _tank()

    tank.advance(0.0, 600.0)
    cooled_c = tank.liquid_c
    tank.advance(100_000.0, 5.0)

    assert cooled_c == pytest.approx(24 + 25 * math.exp(-600 / (180 * 1100 / 50)), abs=0.01)
    assert tank.liquid_c < 49.0
    assert tank.pressure_kpa == 0.0
    assert tank.vapour_c == tank.liquid_c


def test_the_relief_holds_the_pressure_and_the_level_pays_for_it() -> None:
    tank = _tank(100_000.0)
    tank.flow_set_lpm = 0.0

    tank.advance(100_000.0, 30.0)

    assert tank.pressure_kpa == pytest.approx(10.0)
    assert tank.level_pct == pytest.approx(90 - 100 * (29 * 0.9875) / 200, abs=1.0)


def test_a_tank_that_has_boiled_dry_makes_no_more_vapour() -> None:
    tank = _tank()
    tank.flow_lpm = tank.flow_set_lpm = 0.0

    tank.advance(200_000.0, 200.0)

    assert tank.liquid_kg == pytest.approx(0.0, abs=1e-6)
    assert tank.level_pct == pytest.approx(0.0, abs=1e-6)
    assert tank.lost_kg + tank.vapour_kg == pytest.approx(180.0)


@pytest.mark.parametrize(("rated_w", "flow_lpm"), [(1_500_000.0, 120.0), (30_000.0, 120.0), (100_000.0, 500.0)])
def test_tanks_of_every_size_rest_alike_whatever_their_flow_sensor_shows(rated_w: float, flow_lpm: float) -> None:
    tank = TwoPhase(_MAKE, rated_w, flow_lpm, 0.7 * rated_w)
    like = _tank(70_000.0)

    assert tank.pressure_kpa == pytest.approx(like.pressure_kpa)
    assert tank.level_pct == pytest.approx(like.level_pct)
    assert tank.returned_c == pytest.approx(like.returned_c)
    assert tank.flow_lpm == flow_lpm
