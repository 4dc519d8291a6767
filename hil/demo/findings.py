"""What came of the demo's course: a verdict on each step and the measured times. Pure: course, stamps, records in."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs

from hil.demo import figures
from hil.demo.cap import Cap
from hil.demo.outcome import Outcome, Plant
from hil.demo.record import Course
from hil.demo.shed import Shed
from hil.demo.stamps import Measured, Refresh, S, Verdict
from hil.evidence import Evidence

_CHANNELS = {"conn", "schema", "tele/main", "evt", "ctl", f"ack/{figures.ISSUER}"}


class Findings(Struct, frozen=True):
    """Everything that the report shows."""

    verdicts: tuple[Verdict, ...]
    times: tuple[Measured, ...]
    refreshes: tuple[Refresh, ...]
    crossing_ns: int | None
    first_off_ns: int | None
    released_ns: int | None
    lapse_ns: int | None
    tank_told_ns: int | None
    opened_ns: int | None
    closed_ns: int | None

    @property
    def ok(self) -> bool:
        """Whether every step was as it must be."""
        return all(verdict.ok for verdict in self.verdicts)


def find(course: Course, stamps: dict[str, Any], plant: Plant, evidence: Evidence) -> Findings:
    """Judges a course by the rig's stamps (operation `stamps`), those of its plant, and the records that came."""
    refreshes = _refreshes(stamps["meters"]["main"])
    verbs = {miner: [(ns, step) for ns, step in told] for miner, told in stamps["miners"].items()}
    shed = Shed(course, refreshes, verbs, evidence)
    cap = Cap(course, refreshes, verbs, evidence)
    outcome = Outcome(course, plant, verbs)
    verdicts = (
        _verdict_normal(course),
        *_reached(course.played_ns, shed.verdicts()),
        *_reached(course.sent_ns, cap.verdicts()),
        *_reached(course.equipment_ns, outcome.verdicts()),
        _verdict_records(evidence),
        _verdict_stop(course, evidence),
    )
    return Findings(
        verdicts,
        (*shed.times(), *cap.times(), *outcome.times()),
        refreshes,
        shed.crossing_ns,
        shed.first_off_ns,
        shed.released_ns,
        cap.lapse_ns,
        outcome.last_off_ns,
        outcome.opened_ns,
        outcome.closed_ns,
    )


def _refreshes(rows: Sequence[dict[str, Any]]) -> tuple[Refresh, ...]:
    """The meter's renewals; one whose value is not finite has none here."""
    nan = float("nan")
    return tuple(
        Refresh(
            row["changed_ns"],
            row["served_ns"],
            *(nan if row[name] is None else row[name] for name in ("watts", "hertz", "volts")),
        )
        for row in rows
    )


def _reached(begun_ns: int | None, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """The verdicts of a part of the course, all of them failed when that part never began."""
    if begun_ns is not None:
        return verdicts
    return [structs.replace(verdict, ok=False, detail="it did not come to this") for verdict in verdicts]


def _verdict_normal(course: Course) -> Verdict:
    step = "the agent adopts the site and goes to NORMAL"
    if course.normal_ns is None:
        return Verdict(step, False, "it never did; agent.log beside the report says why")
    return Verdict(step, True, f"{(course.normal_ns - course.started_ns) / S:.1f} s after it was started")


def _verdict_records(evidence: Evidence) -> Verdict:
    step = "every record verifies, in sequence and chained"
    if evidence.refused:
        return Verdict(step, False, f"{len(evidence.refused)} refused; the first: {evidence.refused[0]}")
    missing = evidence.missing()
    if missing:
        return Verdict(step, False, f"{len(missing)} neither came nor were declared lost; the first: {missing[0]}")
    lacking = _CHANNELS - {record.channel for record in evidence.records}
    if lacking:
        return Verdict(step, False, f"nothing came on {', '.join(sorted(lacking))}")
    return Verdict(step, True, f"{len(evidence.records)} records, none refused, none missing")


def _verdict_stop(course: Course, evidence: Evidence) -> Verdict:
    signed = bool(evidence.of("conn", st="stopped"))
    detail = f"exit code {course.stop_exit}, {'a' if signed else 'no'} signed `stopped`"
    return Verdict("the agent stops when told, and says so", course.stop_exit == 0 and signed, detail)
