"""Storms of every fault, decided again: whatever happened, the recorder's files give the same decisions."""

from pathlib import Path

import pytest

from tests.flight.flown import decided, paths, put
from tests.sim.chaos import site_of, storm
from tests.sim.world import World


@pytest.mark.parametrize("seed", [3, 7, 9, 11])
def test_what_was_decided_in_a_storm_comes_out_the_same(seed: int, tmp_path: Path) -> None:
    with World(seed, site_of(seed)) as world:
        world.run(storm)
        put(world, tmp_path)

    replayed = [decided(path) for path in paths(tmp_path)]

    assert sum(one.decisions for one in replayed) > 1_000
    assert [one.differences for one in replayed] == [[] for _ in replayed]
