"""Percentiles and the verdict of the bench."""

import pytest

from hil.bench.figures import Volley, judge, percentile, row


def volleys(*last_ms: float, told: int = 1000) -> list[Volley]:
    return [Volley(served=10.0, first=12.0, last=last, told=told, verbs=told + 3) for last in last_ms]


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (75, 3.0), (76, 4.0), (99, 4.0), (100, 4.0), (0, 1.0)])
def test_a_percentile_is_a_time_that_was_measured(percent: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == value


def test_as_fast_as_the_floor_holds() -> None:
    assert all(verdict.held for verdict in judge("avalon", 1000, volleys(60, 62, 64), volleys(60, 62, 64)))


def test_a_quarter_slower_than_the_floor_still_holds_and_no_more() -> None:
    floor = volleys(40, 40, 40)

    assert [verdict.held for verdict in judge("avalon", 1000, volleys(50, 50, 50), floor)] == [True, True, True]
    assert [verdict.held for verdict in judge("avalon", 1000, volleys(50.1, 50.1, 50.1), floor)] == [True, False, True]


def test_a_slow_tail_fails_whatever_the_floor_does() -> None:
    late = volleys(*[60.0] * 50, 101.0)

    assert [verdict.held for verdict in judge("avalon", 1000, late, volleys(60.0))] == [True, True, False]


def test_a_miner_that_was_never_told_fails() -> None:
    assert [verdict.held for verdict in judge("avalon", 1000, volleys(60, told=999), volleys(60))] == [
        False,
        True,
        True,
    ]


def test_the_row_shows_where_the_time_went() -> None:
    assert row("ours", volleys(60)).split() == [
        "ours",
        "10.0",
        "2.0",
        "48.0",
        "60.0",
        "60.0",
        "60.0",
        "60.0",
        "1",
        "3.0",
    ]


def test_two_round_trips_may_take_twice_as_long_and_no_longer_than_the_floors() -> None:
    late = volleys(*[60.0] * 98, 199.0, 199.0)

    assert [verdict.held for verdict in judge("luxos", 1000, late, volleys(60.0))] == [True, True, True]
    assert [verdict.held for verdict in judge("luxos", 1000, volleys(201.0), volleys(201.0))] == [True, True, False]
