"""Judges of records, events and commands: each is silent over what is well and fires over a doctored trace."""

from typing import Any

from hil.soak.judges.records import judge_commands, judge_events, judge_records_are_whole
from hil.soak.trace import Record, Sent
from tests.hil.soak.traces import ns, record, well


def _event(at_s: float, seq: int, kind: str, event: str = "E1", **body: Any) -> Record:
    return record(at_s, "evt", seq, **{"t": "evt", "k": kind, "ev": event, "circuit": "poi", "rule": "ufr"} | body)


def _events(*records: Record) -> list[str]:
    return [one.what for one in judge_events(well(records=list(records))).broken]


def _ack(n: int, state: str, **body: Any) -> Record:
    return record(30 + n, "ack/dispatch", n, t="ack", id="c1", cmd="sha", st=state, n=n, **body)


def _commands(deserves: str, *records: Record) -> list[str]:
    sent = [Sent(ns(30), "c1", "sha", deserves, 1000.0, 10_000_000_000)]
    return [one.what for one in judge_commands(well(sent=sent, records=list(records))).broken]


def test_records_that_were_refused_or_are_missing_are_broken() -> None:
    assert not judge_records_are_whole(well(telemetry=7)).broken
    assert judge_records_are_whole(well(telemetry=7)).count == 7
    assert judge_records_are_whole(well(refused=["evt: the signature does not verify"])).broken
    assert "missing: evt 3" in judge_records_are_whole(well(missing=["evt 3 of boot b1"])).broken[0].what


def test_an_event_from_begin_to_end_is_well_in_whatever_order_its_records_came() -> None:
    assert _events(_event(2, 2, "end"), _event(1, 0, "begin"), _event(3, 1, "told")) == []


def test_an_event_that_never_began_or_never_ended_or_goes_on_after_its_end_is_broken() -> None:
    assert "never began" in _events(_event(1, 0, "told"), _event(2, 1, "end"))[0]
    assert "never ended" in _events(_event(1, 0, "begin"))[0]
    assert "after its end" in _events(_event(1, 0, "begin"), _event(2, 1, "end"), _event(3, 2, "cut"))[0]
    assert "begins again" in _events(_event(1, 0, "begin"), _event(2, 1, "begin"), _event(3, 2, "end"))[0]


def test_two_events_of_one_rule_at_once_are_broken_unless_the_first_is_on_its_way_back() -> None:
    twice = (_event(1, 0, "begin"), _event(2, 1, "begin", "E2"), _event(3, 2, "end"), _event(4, 3, "end", "E2"))
    assert "while E1 is open" in _events(*twice)[0]

    returning = (_event(1, 0, "begin"), _event(2, 1, "return"), *(_event(3, 2, "begin", "E2"),))
    assert _events(*returning, _event(4, 3, "end"), _event(5, 4, "end", "E2")) == []


def test_what_a_person_does_belongs_to_no_event() -> None:
    assert _events(_event(1, 0, "tag", ev=None), _event(2, 1, "alarm", ev=None)) == []


def test_a_good_command_goes_through_its_life_cycle() -> None:
    assert _commands("accepted", _ack(0, "accepted"), _ack(1, "applied"), _ack(2, "ended")) == []
    assert "applied (1) after nothing" in _commands("accepted", _ack(1, "applied"))[0]
    assert "was never answered" in _commands("accepted")[0]
    assert "was good and rejected" in _commands("accepted", _ack(0, "rejected", code="policy"))[0]
    assert _commands("accepted", _ack(0, "rejected", code="busy")) == []


def test_a_bad_command_gets_its_code_or_silence_and_is_never_in_force() -> None:
    assert _commands("expired", _ack(0, "rejected", code="expired")) == []
    assert "deserved expired" in _commands("expired", _ack(0, "accepted"))[0]
    assert "deserved expired" in _commands("expired", _ack(0, "rejected", code="policy"))[0]
    assert "deserved expired" in _commands("expired")[0]
    assert _commands("silence") == []
    assert "deserved silence" in _commands("silence", _ack(0, "accepted"))[0]
    in_force = record(31, "ctl", leases=[{"id": "c1"}])
    assert "must not be" in _commands("silence", in_force)[0]
