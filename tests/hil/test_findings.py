"""The demo's verdicts: each step fails when it was not as it must be. A doctored course is the judge of the judge."""

from typing import Any

import pytest
from msgspec import structs

from hil.demo import figures
from hil.demo.findings import Findings, find
from hil.demo.outcome import Plant
from hil.demo.record import Course
from hil.evidence import Evidence, Record

_S = 1_000_000_000
_PLAY = 100 * _S
_CROSSING = _PLAY + 28_600_000_000  # 12:33:18.6
_RELEASED = _PLAY + 39 * _S
_SENT = _PLAY + 70 * _S
_LAPSE = _SENT + figures.LEASE_S * _S
_LOST = _PLAY + 110 * _S  # the tank's flow
_BACK = _LOST + 10 * _S
_UNTAGGED = _BACK + 20 * _S
_LIED = _UNTAGGED + 15 * _S
_WELL = _LIED + 20 * _S
_END = _WELL + 30 * _S
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
            sent_ns=_SENT, send_exit=0, capped_from_w=200_000.0, lapsed_return_ns=_LOST - 2 * _S, ended_ns=_END,
            stop_exit=0,
            equipment_ns=_LOST - _S, tagged=_MINERS[9], flow_lost_ns=_LOST, flow_back_ns=_BACK,
            tank_returned_ns=_UNTAGGED - _S, untagged_ns=_UNTAGGED, untag_returned_ns=_LIED - _S, lied_ns=_LIED,
            lie_over_ns=_WELL, closed_ns=_WELL + 5 * _S, all_back_ns=_END - _S,
        )  # fmt: skip
        self.watts = {_PLAY: 200e3, _CROSSING + 5 * _S: 12e3, _RELEASED + 15 * _S: 200e3, _SENT + 8 * _S: 95e3}
        self.watts[_LAPSE + 9 * _S] = 200e3
        self.hertz = {_PLAY: 49.99, _CROSSING: 49.4, _RELEASED: 49.96}
        self.off_ns = [_CROSSING + 10_000_000] * figures.MINERS
        self.on_ns = [_RELEASED + 4 * _S + index * 180_000_000 for index in range(figures.MINERS)]  # 18 kW/s
        self.cap_on_ns = _LAPSE + _S
        self.tank_off = dict.fromkeys(_MINERS[:10], _LOST + 700000000)
        self.tank_on = dict.fromkeys(_MINERS[:9], _BACK + 6 * _S)
        self.fed_off = dict.fromkeys(_MINERS[10:20], _LIED + 300000000)
        self.coils = [(_LIED + 16 * _S, 1, False), (_WELL + 4 * _S, 1, True)]
        self.moves = [(_LIED + 16 * _S + 50_000_000, "a-east", False), (_WELL + 4 * _S + 90_000_000, "a-east", True)]
        self.gpu_limits = [[(_LOST + 400_000_000, 200.0), (_BACK + 6 * _S, 700.0)]] * figures.GPUS
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
            for verb, when in (("off", self.tank_off), ("on", self.tank_on), ("off", self.fed_off)):
                stamps["miners"][miner] += [[when[miner], verb]] if miner in when else []
        evidence = _Told(self.missing)
        evidence.records = [Record(channel, body, at_ns, False, "") for channel, body, at_ns in self.records]
        evidence.refused = self.refused
        rounds: list[tuple[int, int | None, dict[str, float]]] = [
            (_LOST + 350_000_000, _LOST + 400_000_000, {"condenser_flow_lpm": 59.0})
        ]
        return find(self.course, stamps, Plant(rounds, self.coils, self.moves, self.gpu_limits), evidence)

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


def _tank_told_in_part(story: Story) -> None:
    del story.tank_off[_MINERS[3]]


def _a_stranger_told(story: Story) -> None:
    story.tank_off[_MINERS[30]] = _LOST + _S


def _a_gpu_left(story: Story) -> None:
    story.gpu_limits = [*story.gpu_limits[1:], [(_LOST + _S, 350.0)]]


def _tag_broken(story: Story) -> None:
    story.tank_on[_MINERS[9]] = _BACK + 7 * _S


def _never_untagged(story: Story) -> None:
    story.course = structs.replace(story.course, untag_returned_ns=None)


def _opened_unasked(story: Story) -> None:
    story.coils[0] = (_LIED + 100_000_000, 1, False)


def _closed_too_soon(story: Story) -> None:
    story.coils[1] = (_LIED + 18 * _S, 1, True)


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
        (_tank_told_in_part, "a tank that loses"),
        (_a_stranger_told, "a tank that loses"),
        (_a_gpu_left, "a tank that loses"),
        (_tag_broken, "with its permit held"),
        (_never_untagged, "with the tag taken off"),
        (_opened_unasked, "miners that say they stop"),
        (_closed_too_soon, "the contactor closes again"),
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
