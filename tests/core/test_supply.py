"""The supply: ridden through, gone, and good for long enough; and what rises meanwhile."""

import pytest
from msgspec.structs import replace

from agent.core.notes import EventNote
from agent.core.site import Contact, SupplyLimits
from agent.core.state import Mode, Supply
from agent.core.supply import allowed_ns
from agent.core.values import NS_PER_MS
from tests.core.rig import SECOND, UFR, Rig, a_site

CURVE = tuple((pu, ms * NS_PER_MS) for pu, ms in ((0.0, 150), (0.5, 300), (0.7, 1000), (0.9, 10_000)))
LIMITS = SupplyLimits(CURVE, 0.917, 1.05, 49.6, 50.1, 5 * SECOND)
RELAY = "gear.relay27"


def a_rig(limits: SupplyLimits = LIMITS) -> Rig:
    rig = Rig(replace(a_site(), supply=limits), UFR)
    rig.settle()
    rig.tick(20)
    return rig


def dip(rig: Rig, pu: float) -> None:
    rig.volts = 230.0 * pu


def supply(rig: Rig) -> Supply:
    return rig.state.supply.supply


def words(rig: Rig) -> list[str]:
    return [note.kind for note in rig.notes if isinstance(note, EventNote) and note.rule == "supply"]


@pytest.mark.parametrize(
    ("pu", "ms"),
    [(0.0, 150), (0.25, 225), (0.5, 300), (0.6, 650), (0.7, 1000), (0.8, 5500), (0.9, 10_000), (1.0, 10_000)],
)
def test_between_its_points_the_curve_is_a_straight_line(pu: float, ms: int) -> None:
    assert allowed_ns(CURVE, pu) == ms * NS_PER_MS


def test_a_dip_inside_the_curve_is_ridden_through_and_lowers_nothing() -> None:
    rig = a_rig()
    before_w = rig.watts

    dip(rig, 0.75)
    rig.tick(10)
    during = supply(rig)
    dip(rig, 1.0)
    rig.tick(2)

    assert (during, supply(rig)) == (Supply.RIDE_THROUGH, Supply.ALIVE)
    assert rig.watts == before_w
    assert words(rig) == ["alarm", "clear"]


def test_three_sags_in_a_row_count_each_by_itself() -> None:
    rig = a_rig()
    for _ in range(3):
        dip(rig, 0.6)
        rig.tick(5)
        assert supply(rig) is Supply.RIDE_THROUGH
        dip(rig, 1.0)
        rig.tick(3)

    assert supply(rig) is Supply.ALIVE
    assert "begin" not in rig.kinds()


def test_a_dip_beyond_the_curve_is_an_outage_until_the_window_was_kept_for_its_time() -> None:
    rig = a_rig()
    dip(rig, 0.6)
    rig.tick(10)
    assert supply(rig) is Supply.OUTAGE

    dip(rig, 1.0)
    rig.tick(40)
    early = supply(rig)
    rig.tick(20)

    assert (early, supply(rig)) == (Supply.OUTAGE, Supply.ALIVE)


@pytest.mark.parametrize("spoiler", ["low", "high", "slow", "fast", "silent", "dead"])
def test_what_leaves_the_window_begins_its_time_again(spoiler: str) -> None:
    rig = a_rig()
    dip(rig, 0.0)
    rig.tick(5)
    dip(rig, 1.0)
    rig.tick(40)

    rig.volts = {"low": 205.0, "high": 245.0, "silent": None}.get(spoiler, 230.0)
    rig.hz = {"slow": 49.58, "fast": 50.12}.get(spoiler, 50.0)
    rig.meter_dead = spoiler == "dead"
    rig.tick(10)
    rig.volts, rig.hz, rig.meter_dead = 230.0, 50.0, False
    rig.tick(40)
    early = supply(rig)
    rig.tick(20)

    assert (early, supply(rig)) == (Supply.OUTAGE, Supply.ALIVE)


def test_the_sites_own_contact_knows_of_an_outage_when_the_meter_died_with_the_supply() -> None:
    rig = a_rig(replace(LIMITS, outage_when=Contact(RELAY, 100 * NS_PER_MS)))
    rig.tank = {RELAY: 0.0}
    rig.tick(5)
    rig.meter_dead = True
    rig.tank[RELAY] = 1.0

    rig.tick(3)

    assert supply(rig) is Supply.OUTAGE
    rig.meter_dead = False
    rig.tick(100)
    assert supply(rig) is Supply.OUTAGE, "the meter is back, and the relay still says that it is gone"
    rig.tank[RELAY] = 0.0
    rig.tick(60)
    assert supply(rig) is Supply.ALIVE


def test_nothing_rises_in_an_outage_and_all_of_it_after() -> None:
    rig = a_rig()
    rig.hz = 49.3
    rig.tick(40)
    low_w = rig.watts
    dip(rig, 0.2)
    rig.tick(10)
    assert supply(rig) is Supply.OUTAGE

    rig.hz = 50.0
    dip(rig, 1.0)
    rig.tick(45)
    held_w = rig.watts
    rig.tick(300)

    assert held_w == low_w
    assert rig.mode() is Mode.NORMAL
    assert all(rig.on.values())


def test_an_outage_withholds_no_shed() -> None:
    rig = a_rig()
    dip(rig, 0.7)
    rig.tick(15)
    assert supply(rig) is Supply.OUTAGE

    rig.hz = 49.3
    rig.tick(3)

    assert "begin" in rig.kinds()


def test_watts_that_fall_in_a_dip_are_not_counted_into_the_shed() -> None:
    rig = a_rig()
    before_w = rig.watts
    dip(rig, 0.8)
    rig.extra_w = -40_000.0  # what the voltage takes away
    rig.tick(5)

    rig.hz = 49.3
    rig.tick(10)
    assert "delivered" not in rig.kinds(), "nothing is judged while the voltage is low"
    dip(rig, 1.0)
    rig.extra_w = 10_000.0
    rig.tick(60)

    assert rig.watts <= before_w - 59_000, "from what it drew before the dip"


def test_without_a_curve_a_dead_bus_for_a_second_is_an_outage_and_a_deep_sag_is_not() -> None:
    rig = a_rig(SupplyLimits(for_ns=SECOND))
    dip(rig, 0.55)
    rig.tick(100)
    assert supply(rig) is Supply.ALIVE

    dip(rig, 0.1)
    rig.tick(15)

    assert supply(rig) is Supply.OUTAGE
