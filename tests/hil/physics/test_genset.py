"""A generating set's swing, droop, limits and relays, against values worked out by hand."""

import pytest
from msgspec import structs

from hil.physics.genset import Genset, load_genset

_STEP_S = 0.001
_DIESEL = load_genset("diesel")  # R 0.04, T 0.1 s, H 0.8 s
_GAS = load_genset("gas")


def _set(model: str = "diesel", load_pu: float = 0.5) -> Genset:
    """One megawatt at 50 Hz, at rest at this load, which its set point is."""
    return Genset(load_genset(model), 1e6, 50.0, load_pu * 1e6)


def _carry(genset: Genset, load_pu: float, seconds: float) -> list[float]:
    """The frequencies after each step."""
    seen = []
    for _ in range(round(seconds / _STEP_S)):
        genset.carry(load_pu * 1e6, _STEP_S)
        seen.append(genset.hertz)
    return seen


def test_at_its_set_point_nothing_moves() -> None:
    assert set(_carry(_set(), 0.5, 1.0)) == {50.0}


@pytest.mark.parametrize(
    ("model", "step_pu", "rests_hz"),
    [
        ("diesel", 0.25, 49.50),  # 50 (1 - 0.04 x 0.25)
        ("diesel", -0.25, 50.50),
        ("diesel", 0.50, 49.00),
        ("gas", 0.10, 49.75),  # 50 (1 - 0.05 x 0.10)
        ("gas", -0.30, 50.75),
    ],
)
def test_after_a_step_it_rests_where_its_droop_says(model: str, step_pu: float, rests_hz: float) -> None:
    genset = _set(model)

    _carry(genset, 0.5 + step_pu, 15.0)

    assert genset.hertz == pytest.approx(rests_hz, abs=0.001)
    assert genset.engine_w == pytest.approx((0.5 + step_pu) * 1e6, abs=100)


def test_it_begins_to_fall_as_fast_as_its_inertia_lets_it() -> None:
    first = _carry(_set(), 0.75, _STEP_S)[0]

    assert (first - 50.0) / _STEP_S == pytest.approx(-7.8125, abs=0.001)  # 0.25 x 50 / (2 x 0.8)


def test_a_small_step_swings_to_the_depth_and_at_the_time_that_the_linear_equations_give() -> None:
    # wn = 1 / sqrt(2 x 0.8 x 0.1 x 0.04) = 12.5, zeta = 5 / 12.5 = 0.4: lowest at (pi - acos 0.4) / 11.456 = 0.173 s,
    # there by 0.04 x (1 + 0.1 x 12.5 exp(-0.865)) = 0.06105 of the step: 0.05 x 0.06105 x 50 Hz.
    seen = _carry(_set(), 0.55, 3.0)

    assert min(seen) == pytest.approx(50.0 - 0.1526, abs=0.002)
    assert seen.index(min(seen)) * _STEP_S == pytest.approx(0.173, abs=0.003)


def test_within_iso_8528s_class_g2_for_a_quarter_of_its_rating() -> None:
    seen = _carry(_set(), 0.75, 10.0)

    assert min(seen) > 45.0  # a dip of at most 10 %
    settled_hz = seen[-1]
    assert all(abs(hertz - settled_hz) < 0.25 for hertz in seen[5000:])  # within 5 s into a band of 0.5 % each way


def test_more_inertia_swings_less_and_rests_at_the_same() -> None:
    heavy = Genset(structs.replace(_DIESEL, inertia_s=3.0), 1e6, 50.0, 0.5e6)

    seen = _carry(heavy, 0.75, 15.0)

    assert min(seen) > min(_carry(_set(), 0.75, 15.0))
    assert seen[-1] == pytest.approx(49.5, abs=0.005)


def test_what_the_engine_makes_less_what_leaves_is_what_the_mass_gains() -> None:
    genset = _set()
    stored_j = 0.0
    speeds = [genset.hertz / 50.0]
    for _ in range(500):
        genset.carry(0.8e6, _STEP_S)
        stored_j += (genset.engine_w - 0.8e6) * _STEP_S
        speeds.append(genset.hertz / 50.0)

    gained_j = 0.8 * 1e6 * (speeds[-1] ** 2 - speeds[0] ** 2)  # H S w^2

    assert gained_j == pytest.approx(stored_j, rel=0.01)
    assert gained_j < -10_000


def test_a_load_that_is_shed_raises_a_frequency_that_was_low() -> None:
    genset = _set()
    _carry(genset, 0.95, 5.0)
    low_hz = genset.hertz

    seen = _carry(genset, 0.6, 5.0)

    assert low_hz == pytest.approx(50 * (1 - 0.04 * 0.45), abs=0.01)
    assert seen[-1] == pytest.approx(50 * (1 - 0.04 * 0.1), abs=0.01)
    assert max(seen) > seen[-1]  # it overshoots on its way


def test_more_than_its_engine_can_make_ends_in_a_trip_by_frequency() -> None:
    genset = _set("gas")

    _carry(genset, 1.05, 20.0)

    assert (genset.tripped, genset.running, genset.hertz, genset.watts) == ("frequency", False, 0.0, 0.0)


def test_a_whole_load_lost_at_once_is_a_trip_only_when_it_stays_too_fast() -> None:
    genset = _set(load_pu=1.0)

    seen = _carry(genset, 0.0, 10.0)

    assert genset.running
    assert 52.0 < max(seen) < 56.0
    assert seen[-1] == pytest.approx(52.0, abs=0.01)


def test_a_sustained_overload_trips_it_after_its_time() -> None:
    genset = _set(load_pu=1.0)
    strong = Genset(structs.replace(_DIESEL, max_pu=1.3), 1e6, 50.0, 1e6)

    _carry(strong, 1.15, 29.9)
    assert strong.running
    _carry(strong, 1.15, 0.2)

    assert strong.tripped == "overload"
    assert genset.running


def test_reverse_power_trips_it() -> None:
    genset = _set()

    _carry(genset, -0.10, 5.1)

    assert genset.tripped == "reverse power"


def test_time_under_its_least_load_is_counted_and_no_trip() -> None:
    genset = _set()

    _carry(genset, 0.2, 10.0)
    _carry(genset, 0.6, 10.0)

    assert genset.below_min_s == pytest.approx(10.0, abs=0.01)
    assert genset.running


def test_beside_a_grid_it_makes_what_it_was_told_and_more_when_the_grid_is_low() -> None:
    genset = _set("gas", 0.6)

    for _ in range(5000):
        genset.follow(50.0, _STEP_S)
    told_w = genset.watts
    for _ in range(5000):
        genset.follow(49.8, _STEP_S)

    assert told_w == pytest.approx(0.6e6)
    assert genset.watts == pytest.approx(0.68e6, rel=1e-4)  # 0.2 / 50 / 0.05 more


def test_after_a_start_it_takes_load_at_its_time_and_not_before() -> None:
    genset = _set(load_pu=0.0)
    genset.trip("told")

    genset.start()
    waiting = _carry(genset, 0.0, 9.9)
    running = _carry(genset, 0.0, 0.2)

    assert set(waiting) == {0.0}
    assert running[-1] == pytest.approx(50.0, abs=0.01)


def test_a_kind_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="diesel, gas"):
        load_genset("steam")
