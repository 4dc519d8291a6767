"""What the steps of a load mean on one GPU, and at which of them it is.

    lowest   the driver's lowest limit, and clocks locked to the lowest: where protection may send it, floor_w set aside
    floor    floor_w of site.toml, at least the driver's lowest limit; clocks free
    full     the driver's default limit, or gpud's ceiling where that is lower; clocks free

A GPU is at the lowest step that it is not above, so that one between two steps counts as the upper one: what it may
still draw decides, and a cut to the step below is still worth something. Above "full" (someone gave it more than its
default) it counts as "full". Steps that mean the same on a GPU (its lowest limit is above floor_w, and its clocks
can't be locked) can't be told apart: the one it was told last counts.

Locked clocks can't be read from the driver. Where gpud has not set them itself they are unknown, and the SM clock
decides: a GPU at its lowest clock is as good as locked there until it is read again.
"""

from collections.abc import Sequence

from msgspec import Struct

from drivers.gpu.messages import FREE, Clocks, GpuInfo, GpuReading

LOWEST, FLOOR, FULL = "lowest", "floor", "full"
_SAME_W = 0.5  # drivers round a limit to 1 W or finer


class GpuStep(Struct, frozen=True):
    """One step of one GPU."""

    name: str
    limit_w: float
    clocks: Clocks | None  # None: can't be locked on this GPU


def steps_of(info: GpuInfo, floor_w: float) -> tuple[GpuStep, ...]:
    """The steps of this GPU, lowest first; none when its driver doesn't tell its limits."""
    if info.limit_w_min is None or info.limit_w_max is None:
        return ()
    low_w, high_w = info.limit_w_min, info.limit_w_max
    full_w = high_w if info.limit_w_default is None else max(low_w, min(high_w, info.limit_w_default))
    free = None if info.sm_mhz_min is None else FREE
    return (
        GpuStep(LOWEST, low_w, None if info.sm_mhz_min is None else Clocks(info.sm_mhz_min, info.sm_mhz_min)),
        GpuStep(FLOOR, min(full_w, max(low_w, floor_w)), free),
        GpuStep(FULL, full_w, free),
    )


def step_of(steps: Sequence[GpuStep], reading: GpuReading, told: str | None) -> str | None:
    """The step it is at; None when its limit isn't known."""
    if reading.limit_w is None or not steps:
        return None
    if reading.lapsed_from_w is not None and reading.limit_w < steps[-1].limit_w - _SAME_W:
        # A lapsed lease took it down on our behalf: found so after a crash, it is one that we lowered (design.md 4.8).
        return LOWEST if _not_above(reading, steps[0]) else FLOOR
    fitting = [step for step in steps if _not_above(reading, step)] or [steps[-1]]
    first = fitting[0]
    same = [step.name for step in fitting if (step.limit_w, step.clocks) == (first.limit_w, first.clocks)]
    return told if told in same else same[-1]


def _not_above(reading: GpuReading, step: GpuStep) -> bool:
    assert reading.limit_w is not None
    if reading.limit_w > step.limit_w + _SAME_W:
        return False
    if step.clocks is None or step.clocks == FREE:
        return True
    high_mhz = reading.sm_mhz if reading.clocks is None else reading.clocks.high_mhz
    return reading.clocks != FREE and high_mhz is not None and high_mhz <= step.clocks.high_mhz
