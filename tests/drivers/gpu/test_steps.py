"""What steps mean on a GPU, and at which one it is."""

import pytest

from drivers.gpu.messages import FREE, Clocks, GpuInfo, GpuReading
from drivers.gpu.steps import GpuStep, step_of, steps_of
from tests.drivers.gpu.virtual import info

H100 = info("a")
STEPS = steps_of(H100, 350.0)
LOCKED = Clocks(210, 210)


def reading(limit_w: float | None, clocks: Clocks | None = FREE, sm_mhz: int | None = 1980) -> GpuReading:
    return GpuReading("a", "ok", 0, limit_w=limit_w, clocks=clocks, sm_mhz=sm_mhz)


def test_the_steps_of_an_h100_with_a_floor_of_350() -> None:
    lowest, floor, full = STEPS

    assert lowest == GpuStep("lowest", 200.0, LOCKED)
    assert floor == GpuStep("floor", 350.0, FREE)
    assert full == GpuStep("full", 700.0, FREE)


@pytest.mark.parametrize(
    ("floor_w", "told"),
    [(100.0, 200.0), (350.0, 350.0), (900.0, 700.0)],
)
def test_a_floor_stays_within_what_the_driver_takes(floor_w: float, told: float) -> None:
    assert steps_of(H100, floor_w)[1].limit_w == told


def test_a_ceiling_below_the_default_is_the_full_step() -> None:
    capped = GpuInfo("a", "", "", "", 200.0, 600.0, 700.0, 210, 1980)

    assert steps_of(capped, 350.0)[2].limit_w == 600.0


def test_a_driver_that_does_not_tell_its_limits_has_no_steps() -> None:
    assert steps_of(GpuInfo("a", "", ""), 350.0) == ()
    assert step_of((), reading(300.0), None) is None


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (reading(700.0), "full"),
        (reading(800.0), "full"),  # somebody gave it more
        (reading(500.0), "full"),  # between two: what it may still draw decides
        (reading(350.0), "floor"),
        (reading(350.4), "floor"),
        (reading(351.0), "full"),
        (reading(200.0), "floor"),  # its clocks are free
        (reading(200.0, LOCKED), "lowest"),
        (reading(350.0, LOCKED), "floor"),
        (reading(700.0, LOCKED), "full"),
        (reading(200.0, None, 210), "lowest"),  # nobody knows of a lock: its clock decides
        (reading(200.0, None, 1980), "floor"),
        (reading(200.0, None, None), "floor"),
        (reading(None), None),
    ],
)
def test_a_gpu_is_at_the_lowest_step_that_it_is_not_above(seen: GpuReading, step: str | None) -> None:
    assert step_of(STEPS, seen, None) == step


def test_of_steps_that_mean_the_same_the_one_it_was_told_counts() -> None:
    same = steps_of(info("a", low_w=400.0, sm_mhz_min=None), 350.0)

    assert same[0].limit_w == same[1].limit_w == 400.0
    assert step_of(same, reading(400.0), "lowest") == "lowest"
    assert step_of(same, reading(400.0), "floor") == "floor"
    assert step_of(same, reading(400.0), None) == "floor"
    assert step_of(same, reading(400.0), "full") == "floor"


def test_a_gpu_that_a_lapsed_lease_took_down_is_at_its_floor_and_no_more_than_that() -> None:
    lapsed = GpuReading("a", "ok", 0, limit_w=500.0, clocks=FREE, sm_mhz=1980, lapsed_from_w=700.0)
    back = GpuReading("a", "ok", 0, limit_w=700.0, clocks=FREE, sm_mhz=1980, lapsed_from_w=700.0)

    assert step_of(STEPS, lapsed, None) == "floor"
    assert step_of(STEPS, back, None) == "full"
