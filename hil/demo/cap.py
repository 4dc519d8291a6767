"""The signed limit in figures: from sending it to the return after its lease."""

from collections.abc import Sequence

from hil.demo import figures
from hil.demo.record import Course
from hil.demo.stamps import Measured, Refresh, S, Verbs, Verdict, first, since, told, written
from hil.evidence import Evidence

_LIVES = ("accepted", "applied", "verified")


class Cap:
    """Everything measured of the command."""

    def __init__(self, course: Course, refreshes: Sequence[Refresh], verbs: Verbs, evidence: Evidence) -> None:
        self._course = course
        end_ns = course.equipment_ns or course.ended_ns or course.started_ns
        sent_ns = course.sent_ns or end_ns
        self.lapse_ns = course.sent_ns + figures.LEASE_S * S if course.sent_ns else None
        acks = {state: next(iter(evidence.of(f"ack/{figures.ISSUER}", st=state)), None) for state in (*_LIVES, "ended")}
        self._came_ns = {state: record.received_ns if record else None for state, record in acks.items()}
        ended = acks["ended"]
        self._ended_by = ended.body.get("code") if ended else None
        off = told(verbs, "off", sent_ns, end_ns)
        on = told(verbs, "on", sent_ns, end_ns)
        self._told = len(off)
        self._last_off_ns = max(off.values(), default=None)
        self._first_on_ns = min(on.values(), default=None)
        back_w = (course.capped_from_w or 0.0) * 0.99
        back = first(refreshes, max(on.values(), default=end_ns), lambda refresh: refresh.watts >= back_w)
        self._back_ns = back.changed_ns if back else None
        under = first(refreshes, sent_ns, lambda refresh: refresh.watts <= figures.CAP_KW * 1000)
        self._under_ns = under.changed_ns if under else None

    def verdicts(self) -> list[Verdict]:
        """The steps of the command."""
        lived = [state for state in _LIVES if self._came_ns[state] is not None]
        after_ns = since(self._first_on_ns, self.lapse_ns)
        return [
            Verdict(
                f"a signed limit of {figures.CAP_KW:g} kW is accepted, applied and verified",
                self._course.send_exit == 0 and lived == list(_LIVES) and self._under_ns is not None,
                f"`ballast send` ended with {self._course.send_exit}; acknowledged: {', '.join(lived) or 'nothing'}; "
                f"{self._told} miners told",
                simulated=True,
            ),
            Verdict(
                "its lease lapses, and only then the loads return",
                self._ended_by == "lease"
                and after_ns is not None
                and after_ns >= 0
                and self._course.lapsed_return_ns is not None,
                f"ended by {self._ended_by}; first load {written(after_ns)} after the lease's end as sent",
                simulated=True,
            ),
        ]

    def times(self) -> list[Measured]:
        """The measured times, in the order in which they should come."""
        sent = f"`ballast send limit --kw {figures.CAP_KW:g}` started"
        lapse = f"{figures.LEASE_S} s later"
        falls = [
            ("record `accepted` arrived", self._came_ns["accepted"]),
            (f"last of {self._told} miners told to stop", self._last_off_ns),
            ("record `applied` arrived", self._came_ns["applied"]),
            (f"meter shows {figures.CAP_KW:g} kW or less", self._under_ns),
            ("record `verified` arrived", self._came_ns["verified"]),
        ]
        returns = [
            ("record `ended` arrived", self._came_ns["ended"]),
            ("first load told to return", self._first_on_ns),
            ("meter back where it was", self._back_ns),
        ]
        return [
            *(Measured(what, since(at_ns, self._course.sent_ns), sent) for what, at_ns in falls),
            *(Measured(what, since(at_ns, self.lapse_ns), lapse) for what, at_ns in returns),
        ]
