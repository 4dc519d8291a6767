"""What loads were told, stamped where they read the last byte of the verb; and which of them run."""

from typing import ClassVar, Literal

from hil.rig_protocols import ON, TRAFFIC, VERBS
from hil.scenario.expect.base import Expect, Judged, addresses
from hil.scenario.seen import Seen

_READ_FUNCTIONS = ("1", "2", "3", "4")
_VOLLEY_S = 2.5  # a verb whose packets were lost twice comes so late; what a cut fell short of is told later still


class Told(Expect, frozen=True, tag="told"):
    """Which loads are told a step in the window: these and (`only`) no others; or how many of them."""

    sights: ClassVar = (VERBS,)

    step: Literal["off", "on"] = "off"
    loads: tuple[str, ...] = ()  # all of these
    only: bool = False  # and none else
    at_least: int | None = None
    at_most: int | None = None

    def judge(self, seen: Seen) -> Judged:
        told = set(seen.first_told(self.step, *self.window(seen)))
        wanted = addresses(self.loads, seen)
        parts = [", ".join(self.loads)] if self.loads else []
        parts += [f"at least {self.at_least}"] if self.at_least is not None else []
        parts += [f"at most {self.at_most}"] if self.at_most is not None else []
        expected = f"told {self.step}: {', '.join(parts)}{' and nobody else' if self.only else ''} {self.where()}"
        lacking, others = wanted - told, told - wanted
        ok = not lacking and not (self.only and others)
        ok = ok and (self.at_least is None or len(told) >= self.at_least)
        ok = ok and (self.at_most is None or len(told) <= self.at_most)
        said = f"{len(told)} were"
        if lacking:
            said += f"; not told: {', '.join(sorted(lacking))}"
        if self.only and others:
            said += f"; told too: {', '.join(sorted(others))}"
        return Judged(ok, expected, said)


class NobodyTold(Expect, frozen=True, tag="nobody_told"):
    """No load (of these) is told anything (or this step) in the window."""

    sights: ClassVar = (VERBS,)

    step: Literal["off", "on", "any"] = "any"
    loads: tuple[str, ...] = ("all",)
    from_s: float = 0.0  # so long after the window's begin it counts

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        begin_s += self.from_s
        steps = ("off", "on") if self.step == "any" else (self.step,)
        whom = addresses(self.loads, seen)
        told = sorted(
            (at_s, load, step) for step in steps for at_s, load in seen.verbs(step, begin_s, end_s) if load in whom
        )
        expected = f"nobody of {', '.join(self.loads)} is told {self.step} {self.where()}"
        if not told:
            return Judged(True, expected, "nobody was")
        at_s, load, step = told[0]
        return Judged(False, expected, f"{len(told)} verbs; the first: {load} {step} after {at_s - begin_s:.2f} s")


class NotBefore(Expect, frozen=True, tag="not_before"):
    """The first load is told a step no earlier than `s` after the moment: a time that had to be waited."""

    sights: ClassVar = (VERBS,)

    step: Literal["off", "on"]
    s: float
    loads: tuple[str, ...] = ("all",)

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        whom = addresses(self.loads, seen)
        told = [at_s for load, at_s in seen.first_told(self.step, begin_s, end_s).items() if load in whom]
        expected = f"nobody of {', '.join(self.loads)} is told {self.step} before {self.s:g} s after {self.after}"
        if not told:
            return Judged(True, expected, "nobody was told at all")
        return Judged(min(told) - begin_s >= self.s, expected, f"the first after {min(told) - begin_s:.2f} s")


class MinimumOff(Expect, frozen=True, tag="minimum_off"):
    """Between a load's being told off and its being told on again lies its minimum off time."""

    sights: ClassVar = (VERBS,)

    s: float

    def judge(self, seen: Seen) -> Judged:
        shortest_s, whose = float("inf"), ""
        for load, verbs in seen.told.items():
            off_s: float | None = None
            for at_s, step in verbs:
                if step == "off":
                    off_s = at_s
                elif off_s is not None and at_s - off_s < shortest_s:
                    shortest_s, whose = at_s - off_s, load
        expected = f"no load is told on before it was off for {self.s:g} s"
        if not whose:
            return Judged(True, expected, "none was told on again")
        return Judged(shortest_s >= self.s, expected, f"the shortest was {shortest_s:.2f} s ({whose})")


class Ramp(Expect, frozen=True, tag="ramp"):
    """Watts are told to move no faster than the ramp, but for one load at its begin and one that is on its way."""

    sights: ClassVar = (VERBS,)

    kw_per_min: float
    step: Literal["off", "on"] = "on"
    slack_kw: float = 0.5  # a beat's worth of the ramp

    def judge(self, seen: Seen) -> Judged:
        begin_s, end_s = self.window(seen)
        told = sorted(seen.first_told(self.step, begin_s, end_s).values())
        way = "up" if self.step == "on" else "down"
        expected = f"told {way} by no more than {self.kw_per_min:g} kW/min {self.where()}"
        worst_kw = max(
            (
                number * seen.load_kw - self.kw_per_min / 60 * (at_s - told[0]) - seen.load_kw
                for number, at_s in enumerate(told)
            ),
            default=0.0,
        )
        said = f"{len(told)} loads, {max(0.0, worst_kw):.1f} kW above the ramp at most"
        return Judged(worst_kw <= self.slack_kw, expected, said)


class Reaction(Expect, frozen=True, tag="reaction"):
    """From the refresh that first showed the frequency below a threshold being served, to the last of the loads told.

    A programme's time, not a benchmark: the histogram is in the results either way.
    """

    sights: ClassVar = (VERBS,)

    below_hz: float
    ms: float

    def judge(self, seen: Seen) -> Judged:
        samples = reaction_ms(seen, self.below_hz, *self.window(seen))
        expected = f"every load of the cut is told within {self.ms:g} ms of the register being served"
        if not samples:
            return Judged(False, expected, "no crossing that was served and answered")
        return Judged(max(samples) <= self.ms, expected, f"the last of {len(samples)} after {max(samples):.1f} ms")


class Running(Expect, frozen=True, tag="running"):
    """At the end of the window these loads really run (or do not), whatever they say."""

    sights: ClassVar = (ON,)

    loads: tuple[str, ...] = ("all",)
    on: bool = True

    def judge(self, seen: Seen) -> Judged:
        _, end_s = self.window(seen)
        newest = [sample for sample in seen.samples if sample.at_s <= end_s][-1:]
        whom = addresses(self.loads, seen)
        expected = f"{', '.join(self.loads)} {'run' if self.on else 'do not run'} at {self.until}"
        if not newest:
            return Judged(False, expected, "nothing was seen")
        wrong = whom - set(newest[0].on) if self.on else whom & set(newest[0].on)
        return Judged(not wrong, expected, f"{len(wrong)} of {len(whom)} are otherwise" if wrong else "so they do")


class ReadsOnly(Expect, frozen=True, tag="reads_only"):
    """Nothing that could change a device was ever sent to one, and each was read."""

    sights: ClassVar = (TRAFFIC,)

    def judge(self, seen: Seen) -> Judged:
        written = {device: count for device, count in seen.writes.items() if count}
        strange = {
            f"{device}: function {function}"
            for device, functions in seen.functions.items()
            for function in functions
            if function not in _READ_FUNCTIONS
        }
        expected = "every device is read and none is written to"
        if written or strange:
            return Judged(False, expected, f"writes {written}; {', '.join(sorted(strange))}")
        return Judged(bool(seen.writes), expected, f"{len(seen.writes)} devices, reads alone")


def reaction_ms(seen: Seen, below_hz: float, begin_s: float, end_s: float) -> list[float]:
    """Each load's time from the crossing's being served to its verb; of one volley, late ones included."""
    crossing = next(
        (
            one
            for one in seen.refreshes
            if begin_s <= one.at_s <= end_s and one.hertz is not None and one.hertz < below_hz
        ),
        None,
    )
    if crossing is None or crossing.served_s is None:
        return []
    told = seen.first_told("off", crossing.served_s, end_s).values()
    first_s = min(told, default=0.0)
    return sorted((at_s - crossing.served_s) * 1000 for at_s in told if at_s - first_s < _VOLLEY_S)
