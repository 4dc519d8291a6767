"""Percentiles and the verdicts of the bench."""

import pytest

from hil.bench.against import COIL, LOSS, TANK, VOLLEYS
from hil.bench.figures import Limit, Verdict, Volley, complete, fails, near, percentile, row, within


def volleys(*last_ms: float, told: int = 1000) -> list[Volley]:
    return [Volley(served=10.0, first=12.0, last=last, told=told, verbs=told + 3) for last in last_ms]


def held(verdicts: list[Verdict]) -> list[bool]:
    return [verdict.held for verdict in verdicts]


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (75, 3.0), (76, 4.0), (99, 4.0), (100, 4.0), (0, 1.0)])
def test_a_percentile_is_a_time_that_was_measured(percent: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == value


def test_a_quarter_slower_than_the_floor_holds_and_no_more() -> None:
    floor = volleys(40, 40, 40)

    assert near("ours", "the floor's", volleys(50, 50, 50), floor).held
    assert not near("ours", "the floor's", volleys(50.1, 50.1, 50.1), floor).held


def test_each_limit_is_judged_at_its_own_percentile() -> None:
    times = [*[20.0] * 98, 40.0, 70.0]

    assert held(within("coil", times, Limit(98, 30.0), Limit(99, 30.0), Limit(99, 60.0), Limit(99.9, 60.0))) == [
        True,
        False,
        True,
        False,
    ]


def test_a_miner_that_was_never_told_fails() -> None:
    assert complete(volleys(60), 1000).held
    assert not complete(volleys(60, told=999), 1000).held


def test_a_check_that_had_to_fail_and_did_not_is_a_failure() -> None:
    assert fails("slowed", [Verdict("a", True), Verdict("b", False)]).held
    assert not fails("slowed", [Verdict("a", True)]).held


def test_volleys_have_the_limit_of_their_size_and_family() -> None:
    floor = volleys(120)

    assert held(VOLLEYS.check("avalon", 1000, volleys(101), floor)) == [True, False]
    assert held(VOLLEYS.check("luxos", 1000, volleys(101), floor)) == [True, True]
    assert held(VOLLEYS.check("avalon", 10, volleys(101), floor)) == [True]


def test_what_else_is_timed_has_its_own_limits() -> None:
    assert held(COIL.check("avalon", 200, volleys(*[29.0] * 99, 59.0), volleys(1))) == [True, True]
    assert held(COIL.check("avalon", 200, volleys(31), volleys(31))) == [False, True]
    assert held(TANK.check("avalon", 400, volleys(299), volleys(1))) == [True]
    assert held(LOSS.check("avalon", 1000, volleys(200), volleys(100))) == [False, True]


def test_the_row_shows_where_the_time_went() -> None:
    shown = row("ours", volleys(60)).split()

    assert shown == ["ours", "10.0", "2.0", "48.0", *["60.0"] * 4, "1", "3.0"]
