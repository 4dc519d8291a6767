"""A feeder's voltage and loss, against the circuit's own equations and values worked out by hand."""

import cmath
import math

import pytest

from hil.physics.feeder import Feeder, load_feeder


def test_without_load_nothing_falls_and_nothing_is_lost() -> None:
    feeder = load_feeder("mv-cable-5km")

    assert feeder.arriving_v(27_600.0, 0.0) == pytest.approx(27_600.0)
    assert feeder.lost_w(27_600.0, 0.0) == 0.0


def test_a_resistance_and_a_load_that_a_pencil_can_check() -> None:
    feeder = Feeder(r_ohm=1.0, x_ohm=0.0, power_factor=1.0)

    volts = feeder.arriving_v(100.0, 2400.0)  # 60 V x 40 A; 40 V fall over the ohm

    assert volts == pytest.approx(60.0)
    assert feeder.lost_w(volts, 2400.0) == pytest.approx(1600.0)


@pytest.mark.parametrize("watts", [50_000.0, 200_000.0, -150_000.0])
def test_it_is_the_circuits_own_solution(watts: float) -> None:
    feeder = Feeder(r_ohm=0.02, x_ohm=0.03, power_factor=0.95)

    volts = feeder.arriving_v(400.0, watts)
    amps = (watts / volts) * complex(1, -math.tan(math.acos(0.95)))
    source = volts + amps * complex(feeder.r_ohm, feeder.x_ohm)

    assert abs(source) == pytest.approx(400.0)
    assert cmath.isfinite(source)


def test_what_the_source_gives_is_what_arrives_and_what_is_lost() -> None:
    feeder = Feeder(r_ohm=0.02, x_ohm=0.03, power_factor=0.98)
    volts = feeder.arriving_v(400.0, 150_000.0)

    amps = (150_000.0 / volts) * complex(1, -math.tan(math.acos(0.98)))
    source = volts + amps * complex(0.02, 0.03)
    given_w = (source * amps.conjugate()).real

    assert given_w == pytest.approx(150_000.0 + feeder.lost_w(volts, 150_000.0))


@pytest.mark.parametrize("name", ["mv-cable-5km", "mv-overhead-20km"])
def test_more_load_leaves_less_and_export_raises_it(name: str) -> None:
    feeder = load_feeder(name)

    seen = [feeder.arriving_v(27_600.0, watts) for watts in (-1e6, 0.0, 1e6, 3e6, 6e6)]

    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 27_600.0


def test_a_loaded_transformer_leaves_two_percent_less() -> None:
    feeder = load_feeder("transformer-1600kva-400v")

    volts = feeder.arriving_v(400 / math.sqrt(3), 1_568_000 / 3)  # 1600 kVA at 0.98: 0.75 % x 0.98 + 5.95 % x 0.2 + ...

    assert 1 - volts / (400 / math.sqrt(3)) == pytest.approx(0.0211, abs=0.001)


def test_more_than_it_can_carry_leaves_the_nose_of_its_curve_and_never_a_complex_number() -> None:
    feeder = Feeder(r_ohm=1.0, x_ohm=0.0, power_factor=1.0)

    assert feeder.arriving_v(100.0, 2500.0) == pytest.approx(50.0)  # the most: E^2 / 4R
    assert 0.0 < feeder.arriving_v(100.0, 3000.0) < 50.0
    assert feeder.arriving_v(100.0, 1e9) == 0.0
    assert feeder.arriving_v(0.0, 1000.0) == 0.0
    assert feeder.lost_w(0.0, 1000.0) == 0.0
