"""Contactors, GPUs and tanks, as they really are."""

from typing import ClassVar

from hil.rig_protocols import LIMITS, POLES, ROUNDS
from hil.scenario.expect.base import Expect, Judged, addresses
from hil.scenario.seen import Seen


class Coil(Expect, frozen=True, tag="coil"):
    """What is written to a contactor's coil in the window: these values and no others; () nothing at all."""

    sights: ClassVar = (POLES,)

    contactor: str
    writes: tuple[str, ...]  # "open", "close"; repetitions of one count once

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        written: list[str] = []
        for at_s, value in seen.coils.get(self.contactor, ()):
            word = "close" if value else "open"
            if begin_s <= at_s <= end_s and written[-1:] != [word]:
                written.append(word)
        expected = f"{self.contactor} is told {', then '.join(self.writes) or 'nothing'} {self.where()}"
        return Judged(tuple(written) == self.writes, expected, ", then ".join(written) or "nothing")


class OpenFor(Expect, frozen=True, tag="open_for"):
    """Between a contactor's being told to open and to close lies its minimum open time."""

    sights: ClassVar = (POLES,)

    contactor: str
    s: float

    def judge(self, seen: Seen) -> Judged:
        opened_s, shortest_s = None, float("inf")
        for at_s, value in seen.coils.get(self.contactor, ()):
            if not value:
                opened_s = at_s if opened_s is None else opened_s
            elif opened_s is not None:
                shortest_s, opened_s = min(shortest_s, at_s - opened_s), None
        expected = f"{self.contactor} stays open for at least {self.s:g} s"
        if shortest_s == float("inf"):
            return Judged(False, expected, "it was never opened and closed again")
        return Judged(shortest_s >= self.s, expected, f"{shortest_s:.2f} s")


class AfterTold(Expect, frozen=True, tag="asked_first"):
    """A contactor is told to open only after every load that it feeds was asked."""

    sights: ClassVar = (POLES,)

    contactor: str
    loads: tuple[str, ...]

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        asked = seen.first_told("off", begin_s, end_s)
        opened = [at_s for at_s, value in seen.coils.get(self.contactor, ()) if not value and at_s >= begin_s]
        lacking = addresses(self.loads, seen) - set(asked)
        expected = f"{self.contactor} is opened after {', '.join(self.loads)} were asked"
        if not opened:
            return Judged(False, expected, "it was never opened")
        last_s = max((asked[load] for load in addresses(self.loads, seen) if load in asked), default=0.0)
        said = f"{opened[0] - last_s:.2f} s after the last" + (f"; {len(lacking)} never asked" if lacking else "")
        return Judged(not lacking and opened[0] > last_s, expected, said)


class GpuLimits(Expect, frozen=True, tag="gpu_limits"):
    """Every GPU's limit: never above `w_max`, never below `w_min`, at `w` somewhere in the window."""

    sights: ClassVar = (LIMITS,)

    w: float | None = None
    w_max: float | None = None
    w_min: float | None = None

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        samples = [one.limits_w for one in seen.samples if begin_s <= one.at_s <= end_s and one.limits_w]
        parts = [f"at {self.w:g} W"] if self.w is not None else []
        parts += [f"at most {self.w_max:g} W"] if self.w_max is not None else []
        parts += [f"at least {self.w_min:g} W"] if self.w_min is not None else []
        expected = f"every GPU {', '.join(parts)} {self.where()}"
        if not samples:
            return Judged(False, expected, "none was seen")
        lowest, highest = min(min(one) for one in samples), max(max(one) for one in samples)
        ok = self.w is None or any(set(one) == {self.w} for one in samples)
        ok = ok and (self.w_max is None or highest <= self.w_max) and (self.w_min is None or lowest >= self.w_min)
        return Judged(ok, expected, f"{lowest:g} to {highest:g} W")


class TankKeeps(Expect, frozen=True, tag="tank"):
    """A tank's value stays at or below `max`, at or above `min`."""

    sights: ClassVar = (ROUNDS,)

    tank: str
    value: str  # pressure_kpa, level_pct, flow_lpm
    min: float | None = None
    max: float | None = None

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        values = [
            one.tanks[self.tank][self.value] for one in seen.samples if begin_s <= one.at_s <= end_s and one.tanks
        ]
        parts = [f"at least {self.min:g}"] if self.min is not None else []
        parts += [f"at most {self.max:g}"] if self.max is not None else []
        expected = f"{self.tank} {self.value} {', '.join(parts)} {self.where()}"
        if not values:
            return Judged(False, expected, "none was seen")
        ok = (self.min is None or min(values) >= self.min) and (self.max is None or max(values) <= self.max)
        return Judged(ok, expected, f"{min(values):.1f} to {max(values):.1f}")
