"""The frequency event in figures: from the register's fall below the threshold to the end of the return."""

from collections.abc import Sequence

from hil.demo import figures
from hil.demo.record import Course
from hil.demo.stamps import (
    MS,
    Measured,
    Refresh,
    S,
    Verbs,
    Verdict,
    event_record,
    first,
    since,
    told,
    written,
)
from hil.evidence import Evidence

_VOLLEY_NS = S  # verbs within this of the first belong to one volley
_LATE_NS = 300 * MS  # after the sample: a refresh of the meter, and the way to the loads
_TOLERANCE_W = 1_000.0  # three sigma of the meter's noise and of the wander together
_KINDS = ("begin", "told", "delivered", "end")


class Shed:
    """Everything measured of the event; a course that never got there leaves the stamps None."""

    def __init__(self, course: Course, refreshes: Sequence[Refresh], verbs: Verbs, evidence: Evidence) -> None:
        end_ns = course.sent_ns or course.ended_ns or course.started_ns
        played_ns = course.played_ns or end_ns
        seen = [refresh for refresh in refreshes if played_ns <= refresh.changed_ns < end_ns]
        crossing = first(seen, played_ns, lambda refresh: refresh.hertz < figures.SHED_BELOW_HZ)
        self.crossing_ns = crossing.changed_ns if crossing else None
        self._served_ns = crossing.served_ns if crossing else None
        at_ns = crossing.changed_ns if crossing else end_ns
        before = [refresh.watts for refresh in refreshes if refresh.changed_ns < at_ns][-5:]
        self._before_w = sum(before) / len(before) if before else 0.0

        self._early = told(verbs, "off", course.started_ns, at_ns)
        off = told(verbs, "off", at_ns, end_ns)
        self.first_off_ns = min(off.values(), default=None)
        volley = [ns for ns in off.values() if self.first_off_ns is not None and ns - self.first_off_ns < _VOLLEY_NS]
        self._told = len(volley)
        self._last_off_ns = max(volley, default=None)
        self._latest_ns = played_ns + _COLLAPSE_S * S + _LATE_NS
        wanted_w = self._before_w - figures.SHED_KW * 1000 + _TOLERANCE_W
        delivered = first(seen, at_ns, lambda refresh: refresh.watts <= wanted_w)
        self._delivered_ns = delivered.changed_ns if delivered else None
        records = {kind: event_record(evidence, kind, "ufr", at_ns) for kind in _KINDS}
        self._came_ns = {kind: record.received_ns if record else None for kind, record in records.items()}

        simulated_ns = played_ns + round(course.recorded_s * S)
        release = first(seen, max(at_ns, simulated_ns), lambda refresh: refresh.hertz > figures.RELEASE_ABOVE_HZ)
        self.released_ns = release.changed_ns if release else None
        on = told(verbs, "on", at_ns, end_ns)
        self._raised = len(on)
        self._first_on_ns = min(on.values(), default=None)
        self._last_on_ns = max(on.values(), default=None)
        back = first(seen, self._last_on_ns or end_ns, lambda refresh: refresh.watts >= self._before_w * 0.99)
        self._back_ns = back.changed_ns if back else None
        self._high_w = max((refresh.watts for refresh in seen if refresh.changed_ns > at_ns + S), default=0.0)

    def verdicts(self) -> list[Verdict]:
        """The steps of the event."""
        missing = [kind for kind, came_ns in self._came_ns.items() if came_ns is None]
        return [
            Verdict(
                f"nothing is told to stop while the register is at {figures.SHED_BELOW_HZ:.2f} Hz or more",
                self.crossing_ns is not None and not self._early,
                f"{len(self._early)} told too early" if self.crossing_ns else "the register never fell",
            ),
            Verdict(
                f"the loads are told to stop at the {figures.COLLAPSE} sample at the latest",
                self._last_off_ns is not None and self._last_off_ns <= self._latest_ns,
                f"{self._told} of {figures.MINERS} told, the last "
                f"{written(since(self._last_off_ns, self.crossing_ns))} after the register changed",
            ),
            Verdict(
                f"the meter shows {figures.SHED_KW:g} kW less",
                self._delivered_ns is not None,
                f"from {self._before_w / 1000:.1f} kW, {written(since(self._delivered_ns, self.crossing_ns))} "
                "after the register changed",
            ),
            Verdict(
                "the event arrives over MQTT, signed, from begin to end",
                not missing,
                f"no record of: {', '.join(missing)}" if missing else ", ".join(_KINDS),
            ),
            self._verdict_return(),
            Verdict(
                "the return ends at or below where the event began",
                0.0 < self._high_w <= self._before_w + 2 * _TOLERANCE_W,
                f"at most {self._high_w / 1000:.1f} kW, {self._before_w / 1000:.1f} kW before",
                simulated=True,
            ),
        ]

    def times(self) -> list[Measured]:
        """The measured times, in the order in which they should come."""
        register = f"register below {figures.SHED_BELOW_HZ:.2f} Hz"
        release = f"register above {figures.RELEASE_ABOVE_HZ:.2f} Hz (simulated)"
        falls = [
            ("read by the agent's next poll", self._served_ns),
            ("first miner told to stop", self.first_off_ns),
            (f"last of {self._told} miners told to stop", self._last_off_ns),
            ("record `begin` arrived", self._came_ns["begin"]),
            (f"meter shows {figures.SHED_KW:g} kW less", self._delivered_ns),
            ("record `delivered` arrived", self._came_ns["delivered"]),
        ]
        returns = [
            ("first load told to return", self._first_on_ns),
            ("last load told to return", self._last_on_ns),
            ("meter back where it was", self._back_ns),
        ]
        return [
            *(Measured(what, since(at_ns, self.crossing_ns), register) for what, at_ns in falls),
            *(Measured(what, since(at_ns, self.released_ns), release) for what, at_ns in returns),
        ]

    def _verdict_return(self) -> Verdict:
        quiet_ns = since(self._first_on_ns, self.released_ns)
        waited = quiet_ns is not None and quiet_ns >= round(figures.RELEASE_FOR_S * S) - figures.REFRESH_MS * MS
        ramp = self._ramp_kw_per_min()
        return Verdict(
            "the loads return by ramp after the release, and not before",
            waited and self._back_ns is not None and ramp <= figures.RAMP_UP_KW_PER_MIN * 1.1,
            f"{self._raised} told to return at {ramp:,.0f} kW a minute ({figures.RAMP_UP_KW_PER_MIN:g} allowed), the "
            f"first {written(quiet_ns)} after the register rose above {figures.RELEASE_ABOVE_HZ} Hz",
            simulated=True,
        )

    def _ramp_kw_per_min(self) -> float:
        """How fast watts were told to return, from the first load to the last."""
        took_ns = since(self._last_on_ns, self._first_on_ns)
        if not took_ns:
            return 0.0
        told_kw = (self._raised - 1) * (figures.RATED_W - figures.SLEEP_W) / 1000
        return told_kw / (took_ns / (60 * S))


def _seconds_of_day(clock: str) -> int:
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return (hours * 60 + minutes) * 60 + seconds


_COLLAPSE_S = _seconds_of_day(figures.COLLAPSE) - _seconds_of_day(figures.FIRST)
