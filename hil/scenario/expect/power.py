"""Power, as the main meter shows it: what fell, what it stayed under, how steeply it moved."""

from typing import ClassVar

from hil.rig_protocols import POWER
from hil.scenario.expect.base import Expect, Judged
from hil.scenario.seen import Seen

_BEFORE = 5  # refreshes whose mean is what was drawn before, as the contract counts shed_kw


class Delivered(Expect, frozen=True, tag="delivered"):
    """The meter shows at least `kw` less than before, for the first time in the window."""

    sights: ClassVar = (POWER,)

    kw: float

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        expected = f"at least {self.kw:g} kW less at the meter {self.where()}"
        before = [one.watts for one in seen.refreshes if one.at_s <= begin_s and one.watts is not None][-_BEFORE:]
        if not before:
            return Judged(False, expected, f"no measurement before {self.after}")
        mean_kw = sum(before) / len(before) / 1000
        fallen = [(mean_kw - kw, at_s) for at_s, kw in shown_kw(seen, begin_s, end_s)]
        first = next(((kw, at_s) for kw, at_s in fallen if kw >= self.kw), None)
        if first is not None:
            return Judged(True, expected, f"{first[0]:.1f} kW less after {first[1] - begin_s:.2f} s")
        most = max((kw for kw, _ in fallen), default=0.0)
        return Judged(False, expected, f"at most {most:.1f} kW less")


class PowerBelow(Expect, frozen=True, tag="power_below"):
    """The meter shows no more than `kw` (for longer than `for_s` at a time), once it got there within `settle_s`."""

    sights: ClassVar = (POWER,)

    kw: float
    settle_s: float = 0.0
    for_s: float = 0.0

    def judge(self, seen: Seen) -> Judged:
        return _keeps(self, seen, self.kw, self.settle_s, self.for_s, above=True)


class PowerAbove(Expect, frozen=True, tag="power_above"):
    """The meter shows no less than `kw`: nothing was shed that need not be."""

    sights: ClassVar = (POWER,)

    kw: float
    settle_s: float = 0.0
    for_s: float = 0.0

    def judge(self, seen: Seen) -> Judged:
        return _keeps(self, seen, self.kw, self.settle_s, self.for_s, above=False)


class Slope(Expect, frozen=True, tag="slope"):
    """What the meter shows never moves further than the ramp allows: over any span t, by ramp x t + `jump_kw`."""

    sights: ClassVar = (POWER,)

    kw_per_min: float
    jump_kw: float
    up: bool = True

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        way = "rises" if self.up else "falls"
        expected = f"{way} by no more than {self.kw_per_min:g} kW/min and {self.jump_kw:g} kW at once {self.where()}"
        sign = 1.0 if self.up else -1.0
        worst_kw, lowest = 0.0, float("inf")
        # Above the ramp's line through some earlier point: the lowest of (value - ramp x time) so far is that point.
        for at_s, kw in shown_kw(seen, begin_s, end_s):
            level = sign * kw - self.kw_per_min / 60 * at_s
            lowest = min(lowest, level)
            worst_kw = max(worst_kw, level - lowest)
        return Judged(worst_kw <= self.jump_kw, expected, f"{worst_kw:.1f} kW above the ramp at most")


def shown_kw(seen: Seen, begin_s: float, end_s: float) -> list[tuple[float, float]]:
    """What the meter showed, and when."""
    inside = [one for one in seen.refreshes if begin_s < one.at_s <= end_s]
    return [(one.at_s, one.watts / 1000) for one in inside if one.watts is not None]


def _keeps(expect: Expect, seen: Seen, kw: float, settle_s: float, for_s: float, *, above: bool) -> Judged:
    begin_s, end_s = expect.window(seen)
    word, over = ("under", "over") if above else ("over", "under")
    expected = f"{word} {kw:g} kW at the meter {expect.where()}"
    if settle_s:
        expected += f", {settle_s:g} s after its begin"
    shown = shown_kw(seen, begin_s + settle_s, end_s)
    if not shown:
        return Judged(False, expected, "no measurement")
    extreme = max(value for _, value in shown) if above else min(value for _, value in shown)
    longest_s, since_s = 0.0, None
    for at_s, value in shown:
        if (value > kw) if above else (value < kw):
            since_s = at_s if since_s is None else since_s
            longest_s = max(longest_s, at_s - since_s)
        else:
            since_s = None
    beyond = (extreme > kw) if above else (extreme < kw)
    said = f"{'at most' if above else 'at least'} {extreme:.1f} kW"
    if beyond and for_s:
        said += f", {over} it for {longest_s:.2f} s"
    return Judged(not beyond or (for_s > 0 and longest_s <= for_s), expected, said)
