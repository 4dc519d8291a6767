"""The demo's verdicts: each step fails when it was not as it must be. A doctored course is the judge of the judge."""

from typing import Any

import pytest
from msgspec import structs

from hil.demo import figures
from hil.demo.course import Course
from hil.demo.findings import Findings, find
from hil.evidence import Evidence, Record

_S = 1_000_000_000
_PLAY = 100 * _S
_CROSSING = _PLAY + 28_600_000_000  # 12:33:18.6
_RELEASED = _PLAY + 39 * _S
_SENT = _PLAY + 70 * _S
_LAPSE = _SENT + figures.LEASE_S * _S
_END = _PLAY + 110 * _S
_MINERS = [f"127.9.9.{number}" for number in range(figures.MINERS)]


class _Told(Evidence):
    """Records that are made up, with nothing to verify."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(bytes(32), figures.ROOT, figures.SITE, figures.AGENT)
        self._missing = missing

    def missing(self) -> list[str]:
        return self._missing


class Story:
    """A course that went as it must; a test spoils one thing of it."""

    def __init__(self) -> None:
        self.course = Course(
            started_ns=_PLAY - 3 * _S, normal_ns=_PLAY - _S, played_ns=_PLAY, recorded_s=32.0, returned_ns=_SENT - _S,
            sent_ns=_SENT, send_exit=0, capped_from_w=200_000.0, lapsed_return_ns=_END - _S, ended_ns=_END, stop_exit=0,
        )  # fmt: skip
        self.watts = {_PLAY: 200e3, _CROSSING + 5 * _S: 12e3, _RELEASED + 15 * _S: 200e3, _SENT + 8 * _S: 95e3}
        self.watts[_LAPSE + 9 * _S] = 200e3
        self.hertz = {_PLAY: 49.99, _CROSSING: 49.4, _RELEASED: 49.96}
        self.off_ns = [_CROSSING + 10_000_000] * figures.MINERS
        self.on_ns = [_RELEASED + 4 * _S + index * 180_000_000 for index in range(figures.MINERS)]  # 18 kW/s
        self.cap_on_ns = _LAPSE + _S
        self.records = [("evt", {"k": kind, "rule": "ufr"}, _CROSSING + _S) for kind in ("begin", "told", "delivered")]
        self.records.append(("evt", {"k": "end", "rule": "ufr"}, _SENT - _S))
        for state in ("accepted", "applied", "verified"):
            self.records.append(("ack/dispatch", {"st": state}, _SENT + _S))
        self.records.append(("ack/dispatch", {"st": "ended", "code": "lease"}, _LAPSE))
        self.records += [(channel, {}, _PLAY) for channel in ("schema", "tele/main", "ctl")]
        self.records.append(("conn", {"st": "stopped"}, _END))
        self.refused: list[str] = []
        self.missing: list[str] = []

    def findings(self) -> Findings:
        stamps: dict[str, Any] = {"meters": {"main": self._refreshes()}, "miners": {}}
        for index, miner in enumerate(_MINERS):
            told = [[self.off_ns[index], "off"], [self.on_ns[index], "on"]]
            stamps["miners"][miner] = [*told, [_SENT + 100_000_000, "off"], [self.cap_on_ns, "on"]]
        evidence = _Told(self.missing)
        evidence.records = [Record(channel, body, at_ns, False, "") for channel, body, at_ns in self.records]
        evidence.refused = self.refused
        return find(self.course, stamps, evidence)

    def failed(self) -> list[str]:
        return [verdict.step for verdict in self.findings().verdicts if not verdict.ok]

    def _refreshes(self) -> list[dict[str, Any]]:
        rows = []
        for ns in range(_PLAY - 2 * _S, _END, 200_000_000):
            watts = [value for at_ns, value in self.watts.items() if at_ns <= ns] or [200e3]
            hertz = [value for at_ns, value in self.hertz.items() if at_ns <= ns] or [50.0]
            rows.append(
                {"changed_ns": ns, "served_ns": ns + 1, "watts": watts[-1], "hertz": hertz[-1], "volts": 27_600.0}
            )
        return rows


def test_a_course_as_it_must_be_passes_every_step() -> None:
    assert Story().failed() == []
    assert Story().findings().ok


def test_times_count_from_the_change_of_the_register() -> None:
    times = [(measured.what, measured.ns, measured.since) for measured in Story().findings().times]

    assert (f"last of {figures.MINERS} miners told to stop", 10_000_000, "register below 49.50 Hz") in times
    assert all(ns is not None for _, ns, _ in times)


def _too_early(story: Story) -> None:
    story.off_ns[7] = _CROSSING - _S


def _too_late(story: Story) -> None:
    story.off_ns = [_PLAY + 31 * _S] * figures.MINERS


def _not_delivered(story: Story) -> None:
    story.watts[_CROSSING + 5 * _S] = 120e3


def _no_end(story: Story) -> None:
    story.records = [record for record in story.records if record[1].get("k") != "end"]


def _too_fast(story: Story) -> None:
    story.on_ns = [_RELEASED + 4 * _S + index * 1_000_000 for index in range(figures.MINERS)]


def _before_release(story: Story) -> None:
    story.on_ns = [ns - 3 * _S for ns in story.on_ns]


def _too_high(story: Story) -> None:
    story.watts[_RELEASED + 15 * _S] = 210e3


def _not_verified(story: Story) -> None:
    story.course = structs.replace(story.course, send_exit=4)


def _raised_within_the_lease(story: Story) -> None:
    story.cap_on_ns = _LAPSE - _S


def _tampered(story: Story) -> None:
    story.refused = ["evt: the signature does not verify"]


def _lost(story: Story) -> None:
    story.missing = ["evt 3 of boot 00"]


def _killed(story: Story) -> None:
    story.course = structs.replace(story.course, stop_exit=-9)


@pytest.mark.parametrize(
    ("spoil", "step"),
    [
        (_too_early, "nothing is told to stop while"),
        (_too_late, "the loads are told to stop at the 12:33:20 sample"),
        (_not_delivered, f"the meter shows {figures.SHED_KW:g} kW less"),
        (_no_end, "the event arrives over MQTT"),
        (_too_fast, "the loads return by ramp"),
        (_before_release, "the loads return by ramp"),
        (_too_high, "the return ends at or below"),
        (_not_verified, "a signed limit of 100 kW"),
        (_raised_within_the_lease, "its lease lapses"),
        (_tampered, "every record verifies"),
        (_lost, "every record verifies"),
        (_killed, "the agent stops when told"),
    ],
)
def test_a_step_that_was_not_as_it_must_be_fails_by_its_name(spoil: Any, step: str) -> None:
    story = Story()
    spoil(story)

    assert any(failed.startswith(step) for failed in story.failed())
    assert not story.findings().ok


def test_a_course_that_never_got_to_normal_fails_without_an_exception() -> None:
    story = Story()
    story.course = Course(started_ns=_PLAY, ended_ns=_PLAY + 30 * _S, stop_exit=1)
    story.records = []

    assert len(story.failed()) == len(story.findings().verdicts)
