"""The page of a run says how it ended, carries everything with it, and keeps a hostile name a name."""

from typing import Any

import msgspec
import pytest

from hil.report.run import run_page
from hil.results import RunResult, Verdict
from tests.hil.report.cases import a_run
from tests.hil.report.reading import broken_links, faults, parsed, words

_HOSTILE = '</style></svg><script src="//evil.example/x">alert(1)</script>\'"&amp;\x1b[31m\x00\ud800 javascript:x'


def _hostile(value: Any) -> Any:
    """The same with every text hostile; a verdict is no text."""
    if isinstance(value, str):
        return _HOSTILE
    if isinstance(value, list | tuple):
        return [_hostile(each) for each in value]
    if isinstance(value, dict):
        return {name: inner if name == "verdict" else _hostile(inner) for name, inner in value.items()}
    return value


def a_hostile_run() -> RunResult:
    """A run in which everything that is a name is an attack."""
    plain = msgspec.to_builtins(a_run())
    hostile = _hostile(plain)
    hostile["environment"] = {_HOSTILE: _HOSTILE}
    for one in hostile["scenarios"]:
        one["files"] = {_HOSTILE: _HOSTILE, "elsewhere": "//evil.example/x", "script": "javascript:alert(1)"}
    return msgspec.convert(hostile, RunResult)


def test_a_page_needs_nothing_from_outside_and_its_links_lead_somewhere() -> None:
    page = run_page(a_run(), {"under-frequency": ['{"channel":"evt","body":{"k":"begin"}}']})

    assert faults(page) == []
    assert broken_links(page) == []


def test_a_page_says_how_it_ended_what_was_expected_and_what_was_seen() -> None:
    said = words(run_page(a_run(), {}))

    for text in (
        "1 error, 1 failed, 1 not runnable, 1 passed; 4 scenarios in all",
        "Stands for: Invariant 2: the meter alive, or response 0 and an alarm",
        "expected within 0.5 s; seen none in 30 s",
        "nftables needs root",
        "Power against limit, kW",
        "the frequency crosses 49.5 Hz",
        "p99.9",
        "stand-ins alone, no real device",
    ):
        assert text in said


def test_what_did_not_pass_comes_first_and_is_open() -> None:
    folds = list(parsed(run_page(a_run(), {})).iter("details"))

    assert [fold.get("open") for fold in folds] == ["open", "open", None, None]


def test_event_records_are_in_the_page_word_by_word() -> None:
    record = '{"channel":"evt","body":{"k":"begin","why":"49.48 Hz < 49.5 Hz"}}'

    page = run_page(a_run(), {"under-frequency": [record]})

    assert [pre.text for pre in parsed(page).iter("pre")] == [record]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([Verdict.PASSED, Verdict.PASSED], "\u2713 All 2 scenarios passed"),
        ([Verdict.PASSED, Verdict.NOT_RUNNABLE], "\u2713 1 not runnable, 1 passed; 2 scenarios in all"),
        ([Verdict.NOT_RUNNABLE], "\u2717 1 not runnable; 1 scenarios in all"),
        ([], "\u2717 No scenario was played"),
    ],
)
def test_a_run_is_good_when_something_passed_and_nothing_failed(verdicts: list[Verdict], said: str) -> None:
    run = a_run()
    scenarios = tuple(
        msgspec.structs.replace(run.scenarios[0], name=f"s{number}", verdict=verdict, series=())
        for number, verdict in enumerate(verdicts)
    )

    page = run_page(msgspec.structs.replace(run, scenarios=scenarios), {})

    assert [each.text for each in parsed(page).iter("p") if "outcome" in each.get("class", "")] == [said]


def test_hostile_names_stay_text() -> None:
    page = run_page(a_hostile_run(), {_HOSTILE: [_HOSTILE]})

    assert faults(page) == []
    assert '<script src="//evil.example/x">' in words(page)
    page.encode("utf-8")


def test_what_is_not_seen_is_said_in_words() -> None:
    drawings = list(parsed(run_page(a_run(), {})).iter("svg"))

    assert drawings
    assert all(len(drawing.get("aria-label", "")) > 20 for drawing in drawings)


def test_times_of_several_scenarios_are_also_shown_together() -> None:
    run = a_run()
    twice = (*run.scenarios, msgspec.structs.replace(run.scenarios[0], name="again"))

    said = words(run_page(msgspec.structs.replace(run, scenarios=twice), {}))

    assert "of all scenarios together" in said
    assert " 800 " in said
    assert "of all scenarios together" not in words(run_page(run, {}))


def test_a_few_times_are_a_table_alone() -> None:
    run = a_run()
    few = tuple(msgspec.structs.replace(one, samples=one.samples[:3]) for one in run.scenarios[0].latencies)
    only = msgspec.structs.replace(run.scenarios[0], latencies=few, series=())

    page = run_page(msgspec.structs.replace(run, scenarios=(only,)), {})

    assert list(parsed(page).iter("svg")) == []
    assert "last byte of the verb read" in words(page)
