"""Ramps and draws of one stand-in miner."""

import pytest
from msgspec import structs

from hil.fleet import Fleet
from hil.miner import Lie, Miner, load_families
from hil.miner_replies import DIALECTS

_FAMILIES = load_families()
_S = 1_000_000_000


def test_a_stopped_miner_falls_within_the_published_times_and_stays_at_idle() -> None:
    family = _FAMILIES["bfgminer"]
    for number in range(50):
        miner = Miner("a", structs.replace(family, stuck=0.0), 3300.0, f"seed:{number}")

        miner.told(False, 0)

        assert miner.watts(round(family.down_delay_s[0] * _S)) == 3300.0
        assert miner.watts(round((family.down_delay_s[1] + family.down_ramp_s[1]) * _S)) == family.idle_w


def test_about_three_of_eleven_stops_of_bfgminer_do_not_happen() -> None:
    stuck = 0
    for number in range(1000):
        miner = Miner("a", _FAMILIES["bfgminer"], 3300.0, f"seed:{number}")
        miner.told(False, 0)
        stuck += miner.watts(60 * _S) == 3300.0

    assert 230 < stuck < 310  # 270 expected; 14 is a standard deviation


def test_a_miner_that_is_woken_while_it_falls_rises_from_where_it_is() -> None:
    miner = Miner("a", _FAMILIES["avalon"], 3300.0, "seed")
    miner.told(False, 0)
    half_ns = next(ns for ns in range(0, 6 * _S, 10_000_000) if miner.watts(ns) < 1700.0)
    then_w = miner.watts(half_ns)

    miner.told(True, half_ns)

    assert miner.watts(half_ns) == then_w
    assert miner.watts(half_ns + 20 * _S) == 3300.0


def test_the_same_seed_ramps_the_same() -> None:
    one, other = (Miner("a", _FAMILIES["avalon"], 3300.0, "seed") for _ in range(2))
    for miner in (one, other):
        miner.told(False, 0)

    assert [one.watts(ns) for ns in range(0, 6 * _S, _S // 7)] == [other.watts(ns) for ns in range(0, 6 * _S, _S // 7)]


def test_the_fleet_draws_the_sum_of_its_miners_at_any_time() -> None:
    fleet = Fleet()
    miners = [Miner(f"127.9.9.{n}", _FAMILIES["cgminer"], 1000.0 + n, f"seed:{n}") for n in range(1, 9)]
    for miner in miners:
        fleet.add(miner, "cgminer", 4028)
    for miner in miners[::2]:
        fleet.endpoints[miner.address].miner.told(False, 0)
        fleet.watch(miner)

    for ns in range(0, 8 * _S, _S // 3):
        assert round(fleet.watts(ns), 6) == round(sum(miner.watts(ns) for miner in miners), 6)


_WITH_PERCENT = [name for name, family in _FAMILIES.items() if family.percent]


@pytest.mark.parametrize("name", _FAMILIES)
def test_every_family_stops_and_starts_within_its_own_times(name: str) -> None:
    family = structs.replace(_FAMILIES[name], stuck=0.0)
    for number in range(20):
        miner = Miner("a", family, 3300.0, f"seed:{number}")
        down_s = family.down_delay_s[1] + family.down_ramp_s[1]
        up_s = family.up_delay_s[1] + family.up_ramp_s[1]

        miner.told(False, 0)
        begins_w = miner.watts(round(family.down_delay_s[0] * _S))
        gone_ns = round(down_s * _S)
        gone_w = miner.watts(gone_ns)
        miner.told(True, gone_ns)

        assert (begins_w, gone_w) == (3300.0, family.idle_w)
        assert miner.watts(gone_ns + round(up_s * _S)) == 3300.0


def test_every_dialect_has_its_physics() -> None:
    assert set(_FAMILIES) >= DIALECTS


@pytest.mark.parametrize("name", _WITH_PERCENT)
def test_a_percent_step_is_taken_in_its_time_and_missed_by_no_more_than_its_family_does(name: str) -> None:
    steps = _FAMILIES[name].percent
    assert steps is not None
    asked = steps.nearest(70.0)
    for number in range(20):
        miner = Miner("a", _FAMILIES[name], 3300.0, f"seed:{number}")

        miner.told_percent(70.0, 0)

        there_ns = round((steps.delay_s[1] + steps.ramp_s[1]) * _S)
        assert miner.watts(round(steps.delay_s[0] * _S)) == 3300.0
        assert abs(miner.watts(there_ns) / 33.0 - asked) <= steps.misses_pct
        miner.told_percent(100.0, there_ns)
        assert miner.watts(2 * there_ns) == 3300.0


def test_a_whatsminers_percent_acts_within_a_second_and_no_lower_than_it_can() -> None:
    miner = Miner("a", _FAMILIES["whatsminer"], 3500.0, "seed")

    miner.told_percent(5.0, 0)

    assert miner.watts(_S) == pytest.approx(0.30 * 3500, abs=0.04 * 3500)


def test_only_the_modes_that_there_are_can_be_had() -> None:
    steps = _FAMILIES["avalon"].percent
    assert steps is not None

    assert [steps.nearest(percent) for percent in (0.0, 64.0, 66.0, 90.0, 100.0)] == [50.0, 50.0, 81.0, 81.0, 100.0]


def test_a_percent_step_outlasts_a_sleep_and_told_asleep_counts_from_the_wake() -> None:
    miner = Miner("a", _FAMILIES["braiins"], 3000.0, "seed")
    miner.told(False, 0)
    miner.told_percent(60.0, 10 * _S)
    asleep_w = miner.watts(40 * _S)

    miner.told(True, 40 * _S)

    assert asleep_w == _FAMILIES["braiins"].idle_w
    assert miner.watts(60 * _S) == pytest.approx(1800.0, abs=60.0)


def test_a_deaf_one_stays_and_a_family_without_percent_steps_says_so() -> None:
    deaf = Miner("a", _FAMILIES["whatsminer"], 3000.0, "seed")
    deaf.lie = Lie.DEAF
    deaf.told_percent(50.0, 0)

    assert deaf.watts(60 * _S) == 3000.0
    with pytest.raises(ValueError, match="no percent steps"):
        Miner("a", _FAMILIES["cgminer"], 3000.0, "seed").told_percent(50.0, 0)
