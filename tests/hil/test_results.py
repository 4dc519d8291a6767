"""What is saved is what is loaded, and percentiles are samples that were seen."""

from pathlib import Path

import msgspec
import pytest

from hil.results import Expectation, Latency, Moment, RunResult, ScenarioResult, Series, Verdict, load, percentile, save

SCENARIO = ScenarioResult(
    name="drop",
    title="A drop",
    stands_for="rule under_frequency",
    file="drop.toml",
    fast=True,
    verdict=Verdict.FAILED,
    why="delivered: 3 kW",
    expectations=(Expectation("delivered", "delivered", "13 kW", "3 kW", ok=False),),
    moments=(Moment(1.0, "plant", "49.3 Hz"),),
    series=(Series("power", "power", "kW", (0.0, 0.1), (46.0, None)),),
    latencies=(Latency("told", "ms", (4.0, 5.0, 9.0)),),
    files={"records": "drop/records.jsonl"},
)
RUN = RunResult(
    rig="stand-ins", started_utc="2026-01-01T00:00:00Z", wall_s=1.0, seed=1, environment={}, scenarios=(SCENARIO,)
)


def test_a_saved_run_is_loaded_as_it_was(tmp_path: Path) -> None:
    save(RUN, tmp_path)

    assert load(tmp_path) == RUN
    assert load(tmp_path / "results.json") == RUN
    assert RUN.count(Verdict.FAILED) == 1
    assert RUN.scenario("drop") == SCENARIO


def test_a_run_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    save(msgspec.structs.replace(RUN, version=0), tmp_path)

    with pytest.raises(ValueError, match="run it again"):
        load(tmp_path)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.99, 4.0), (0.25, 1.0), (1.0, 4.0)])
def test_a_percentile_is_a_sample_that_was_seen(share: float, expected: float) -> None:
    assert percentile([4.0, 1.0, 2.0, 3.0], share) == expected


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 0.5) is None
