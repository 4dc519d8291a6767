"""A handful of seeds with every `make test`; thousands with `make sim`."""

import pytest

from tests.sim.seeds import replay, run_seed


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_seed_of_mischief_passes_every_judge_and_ends_with_every_load_back(seed: int) -> None:
    told = run_seed(seed)

    assert not told.faults, "\n".join([replay(seed), *told.faults])
