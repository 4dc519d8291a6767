"""Ramps and draws of one stand-in miner."""

from msgspec import structs

from hil.fleet import Fleet
from hil.miner import Miner, load_families

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
