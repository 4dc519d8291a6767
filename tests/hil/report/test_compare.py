"""Two runs side by side: what turned, what got slower, and whether that is worse."""

import argparse
from pathlib import Path

import msgspec
import pytest

from hil import results
from hil.commands import compare as command
from hil.report import compare
from hil.report.compare import compare_page, outcome, pairs
from hil.results import RunResult, Verdict
from tests.hil.report.cases import a_run
from tests.hil.report.reading import faults, parsed, words
from tests.hil.report.test_run import a_hostile_run


def _called(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add(parser)
    return command.run(parser.parse_args(words))


def _only(run: RunResult, *names: str) -> RunResult:
    kept = tuple(one for one in run.scenarios if one.name in names)
    return msgspec.structs.replace(run, scenarios=kept)


def test_the_same_run_twice_has_nothing_to_say() -> None:
    both = pairs(a_run(), a_run())

    assert outcome(both) == "The same verdicts in 4 scenarios"
    assert compare.changes(both) == []


@pytest.mark.parametrize(
    ("before", "now", "worse"),
    [
        (Verdict.PASSED, Verdict.FAILED, True),
        (Verdict.PASSED, Verdict.ERROR, True),
        (Verdict.PASSED, Verdict.NOT_RUNNABLE, False),
        (Verdict.FAILED, Verdict.FAILED, False),
        (Verdict.FAILED, Verdict.PASSED, False),
        (Verdict.NOT_RUNNABLE, Verdict.FAILED, False),
    ],
)
def test_worse_is_what_passed_and_now_fails(before: Verdict, now: Verdict, worse: bool) -> None:
    both = pairs(_only(a_run(shed=before), "under-frequency"), _only(a_run(shed=now), "under-frequency"))

    assert [pair.worse for pair in both] == [worse]


def test_what_changed_is_told_with_the_expectation_that_turned() -> None:
    both = pairs(a_run(), a_run(shed=Verdict.FAILED))

    assert compare.changes(both) == [
        (
            "under-frequency",
            "passed",
            "failed",
            "the meter shows at least 180 kW less within 4 s of the crossing: A 189.7 kW after 2.6 s, B 9 kW",
        )
    ]


def test_a_scenario_that_one_run_does_not_have_is_told() -> None:
    both = pairs(_only(a_run(), "under-frequency", "packet-loss"), _only(a_run(), "under-frequency", "genset-trips"))

    assert [(pair.name, pair.changed, pair.worse) for pair in both] == [
        ("under-frequency", False, False),
        ("genset-trips", True, False),
        ("packet-loss", True, False),
    ]
    assert compare.changes(both) == [
        ("genset-trips", "not there", "error", ""),
        ("packet-loss", "not runnable", "not there", ""),
    ]


def test_times_are_b_over_a_for_the_agent_and_for_the_floor() -> None:
    rows = compare.times(pairs(a_run(), a_run(slower=1.5)))

    assert [(row[2], row[5]) for row in rows] == [
        ("agent p50", "1.50"),
        ("agent p99", "1.50"),
        ("floor p50", "1.00"),
        ("floor p99", "1.00"),
    ]


def test_the_page_lays_both_runs_over_each_other() -> None:
    page = compare_page(a_run(), a_run(slower=1.5, shed=Verdict.FAILED))

    assert faults(page) == []
    said = words(page)
    for text in ("A power", "B power", "B floor", "was passed, is failed.", "1.50"):
        assert text in said
    assert [fold.get("open") for fold in parsed(page).iter("details")] == ["open", None, None, None]


def test_hostile_names_stay_text() -> None:
    assert faults(compare_page(a_hostile_run(), a_run())) == []


def test_the_command_prints_writes_the_page_and_says_worse_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    for folder, run in ((before, a_run()), (now, a_run(shed=Verdict.FAILED))):
        folder.mkdir()
        results.save(run, folder)

    assert _called(str(before), str(now)) == 1
    said = capsys.readouterr().out
    assert "under-frequency  passed  failed" in said
    assert faults((now / "compare.html").read_text("utf-8")) == []
    assert _called(str(now / "results.json"), str(before), "--html", str(tmp_path / "page.html")) == 0
    assert (tmp_path / "page.html").exists()


def test_a_terminal_gets_no_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = msgspec.structs.replace(a_run().scenarios[0], name="x\x1b[2J", verdict=Verdict.FAILED)
    results.save(a_run(), tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    results.save(msgspec.structs.replace(a_run(), scenarios=(hostile,)), other)

    _called(str(tmp_path), str(other))

    assert "\x1b" not in capsys.readouterr().out


def test_a_folder_without_results_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _called(str(tmp_path), str(tmp_path)) == 2
    assert "results.json" in capsys.readouterr().err
