"""Each part of the bench once, small, with the whole agent: that it works, not how fast."""

from pathlib import Path

import pytest

from hil.bench import against
from hil.bench.against import COIL, TANK, VOLLEYS, Contest
from hil.bench.programs import build
from hil.bench.troubles import gpus, hung

MINERS = 40


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    build(folder)
    return folder


@pytest.mark.parametrize("one", [VOLLEYS, COIL, TANK], ids=lambda one: one.name)
def test_ours_and_the_floor_are_timed_in_turns(built: Path, one: Contest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "CPU_S", 0.1)
    monkeypatch.setattr(against, "SLOWED_ROUNDS", 1)

    complete, *others = against.contest(one, built, "avalon", MINERS, 2, floor_only=False)

    assert complete.held
    assert others
    assert (built / f"{one.name}-avalon-{MINERS}.json").exists()


def test_volleys_go_on_with_miners_hung_and_the_broker_dead(built: Path) -> None:
    complete, ratio = hung(built, MINERS, 1)

    assert complete.held
    assert "2 miners hung" in ratio.what


def test_volleys_go_on_with_every_trouble_of_gpus(built: Path) -> None:
    verdicts = gpus(built, MINERS, 1)

    assert all(verdict.held for verdict in verdicts[::2])
    assert len(verdicts) == 8
