"""The schedule: from a seed alone, and nothing too late to heal."""

from itertools import pairwise

from hil.soak.mischief import MISCHIEF
from hil.soak.schedule import EARLY, FREQUENCY, draw_schedule, heal_s
from tests.hil.soak.traces import RULES

HEALS = heal_s(RULES, 30_000.0)
HOUR_S = 3600.0


def test_the_same_seed_gives_the_same_faults_and_another_gives_others() -> None:
    assert draw_schedule(7, HOUR_S, 1.0, HEALS) == draw_schedule(7, HOUR_S, 1.0, HEALS)
    assert draw_schedule(7, HOUR_S, 1.0, HEALS) != draw_schedule(8, HOUR_S, 1.0, HEALS)


def test_every_fault_ends_and_heals_before_the_run_does_and_agents_die_early() -> None:
    for planned in draw_schedule(7, HOUR_S, 10.0, HEALS):
        assert planned.at_s + planned.lasts_s + HEALS[planned.kind.heals] < HOUR_S
        assert "agent" not in planned.kind.uses or planned.at_s < EARLY * HOUR_S


def test_the_rate_says_how_many_and_ten_times_brings_every_kind() -> None:
    plain, tenfold = (draw_schedule(7, HOUR_S, rate, HEALS) for rate in (1.0, 10.0))

    assert 5 * len(plain) < len(tenfold) < 20 * len(plain)
    found = {planned.kind.name for planned in draw_schedule(7, 4 * HOUR_S, 10.0, HEALS)}
    assert found == {kind.name for kind in MISCHIEF}


def test_a_frequency_rule_is_made_to_shed_again_only_when_the_site_has_healed() -> None:
    grid = [planned for planned in draw_schedule(7, HOUR_S, 10.0, HEALS) if planned.kind.heals == "grid"]

    assert len(grid) > 5
    for before, after in pairwise(grid):
        assert after.at_s > before.at_s + before.lasts_s + HEALS["grid"]


def test_nothing_disturbs_the_frequency_until_the_rule_that_shed_lets_go() -> None:
    planned = draw_schedule(7, HOUR_S, 10.0, HEALS)

    for number, grid in enumerate(planned):
        if grid.kind.heals == "grid":
            released_s = grid.at_s + grid.lasts_s + HEALS["grid"] - HEALS["shed"]
            assert not [
                later for later in planned[number + 1 :] if later.at_s < released_s and later.kind.uses & FREQUENCY
            ]


def test_a_frequency_rule_heals_later_than_other_sheds() -> None:
    assert HEALS["soon"] < HEALS["shed"] < HEALS["grid"]
    assert HEALS["grid"] - HEALS["shed"] == RULES.release_for_ns / 1e9
