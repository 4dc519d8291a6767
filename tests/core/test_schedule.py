"""Set times of the site's own day."""

import pytest

from agent.core.rules.schedule import Hours, Schedule, within
from agent.core.site import BoundClass
from tests.core.rig import Rig, a_site

ALL = frozenset(range(1, 13))
EVENING = Hours(16 * 60 + 30, 17 * 60 + 30, frozenset({0, 1, 2, 3, 4}), ALL)
NIGHT = Hours(22 * 60, 6 * 60, frozenset({4}), ALL)  # Friday night


def a_rig(hours: Hours = EVENING) -> Rig:
    rig = Rig(a_site(), Schedule("peak", "poi", 70_000.0, (hours,), BoundClass.CONTRACT))
    rig.settle()
    rig.tick(20)
    return rig


@pytest.mark.parametrize(
    ("hours", "local", "is_on"),
    [
        (EVENING, (6, 0, 16 * 60 + 29), False),
        (EVENING, (6, 0, 16 * 60 + 30), True),
        (EVENING, (6, 0, 17 * 60 + 29), True),
        (EVENING, (6, 0, 17 * 60 + 30), False),
        (EVENING, (6, 5, 17 * 60), False),
        (Hours(0, 60, frozenset(range(7)), frozenset({6})), (6, 3, 30), True),
        (Hours(0, 60, frozenset(range(7)), frozenset({6})), (7, 3, 30), False),
        (NIGHT, (6, 4, 22 * 60), True),
        (NIGHT, (6, 5, 5 * 60 + 59), True),
        (NIGHT, (6, 5, 6 * 60), False),
        (NIGHT, (6, 4, 5 * 60), False),
        (NIGHT, (6, 5, 23 * 60), False),
        (Hours(22 * 60, 6 * 60, frozenset({6}), ALL), (6, 0, 60), True),
    ],
)
def test_when_it_is_one_of_its_times(hours: Hours, local: tuple[int, int, int], is_on: bool) -> None:
    assert within(hours, *local) is is_on


def test_it_goes_to_its_watts_at_its_hour_and_comes_back_after_it() -> None:
    rig = a_rig()
    before_w = rig.watts

    rig.local_time = (6, 0, 17 * 60)
    rig.tick(100)
    low_w = rig.watts
    rig.local_time = (6, 0, 18 * 60)
    rig.tick(300)

    assert before_w > 120_000
    assert 60_000 < low_w <= 70_000
    assert rig.watts == before_w
    assert rig.kinds().count("begin") == 1
    assert rig.kinds()[-1] == "end"


def test_while_the_clock_is_not_trusted_nothing_begins_and_people_are_told() -> None:
    rig = a_rig()
    rig.clock = False
    rig.local_time = (6, 0, 17 * 60)

    rig.tick(50)

    assert "begin" not in rig.kinds()
    assert "alarm" in rig.kinds()


def test_what_has_begun_goes_on_while_the_clock_is_not_trusted() -> None:
    rig = a_rig()
    rig.local_time = (6, 0, 17 * 60)
    rig.tick(100)
    rig.clock = False

    rig.tick(200)

    assert rig.watts <= 70_000
