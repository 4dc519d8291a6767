"""Leases: a table of times, then the rule that nothing rises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.gpu.leases import Leases, lapse_to_w
from drivers.gpu.messages import LEASE_S, Lease

S = 1_000_000_000


def test_a_lease_lapses_after_fifteen_seconds_and_not_before() -> None:
    leases = Leases({}, 0)
    leases.renew((Lease("a", 500.0),), 100 * S)

    assert LEASE_S == 15
    assert leases.lapsed(115 * S - 1) == ()
    assert leases.lapsed(115 * S) == ("a",)


def test_a_renewal_in_time_begins_anew() -> None:
    leases = Leases({}, 0)
    for at_s in (0, 14, 28):
        leases.renew((Lease("a", 500.0),), at_s * S)

    assert leases.lapsed(42 * S) == ()
    assert leases.left_ns("a", 42 * S) == 1 * S


def test_each_lease_runs_for_itself() -> None:
    leases = Leases({}, 0)
    leases.renew((Lease("a", 500.0), Lease("b", 400.0)), 0)
    leases.renew((Lease("b", 400.0),), 10 * S)

    assert leases.lapsed(20 * S) == ("a",)


def test_nobody_is_leased_who_never_was() -> None:
    assert Leases({}, 0).left_ns("a", 0) is None
    assert not Leases({}, 0).held("a", 0)
    assert Leases({}, 0).lapsed(100 * S) == ()


def test_leases_of_before_run_from_the_start() -> None:
    leases = Leases({"a": 500.0}, 1000 * S)

    assert leases.lapsed(1014 * S) == ()
    assert leases.lapsed(1015 * S) == ("a",)


def test_a_renewal_says_whether_it_must_be_kept() -> None:
    leases = Leases({"a": 500.0}, 0)

    assert not leases.renew((Lease("a", 500.0),), S)
    assert leases.renew((Lease("a", 450.0),), S)
    assert leases.renew((Lease("b", 450.0),), S)
    assert leases.fallbacks == {"a": 450.0, "b": 450.0}


@pytest.mark.parametrize(
    ("limit_w", "fallback_w", "to_w"),
    [
        (700.0, 500.0, 500.0),
        (500.0, 500.0, None),
        (350.0, 500.0, None),  # never upwards
        (700.0, 100.0, 200.0),  # the driver takes no less
        (200.0, 100.0, None),
    ],
)
def test_a_lapse_goes_to_the_lower_of_present_and_fallback(limit_w: float, fallback_w: float, to_w: float) -> None:
    assert lapse_to_w(limit_w, 200.0, fallback_w) == to_w


@given(st.floats(0, 2000), st.floats(0, 2000), st.floats(0, 2000))
def test_no_lapse_raises(limit_w: float, limit_w_min: float, fallback_w: float) -> None:
    to_w = lapse_to_w(limit_w, limit_w_min, fallback_w)

    assert to_w is None or to_w < limit_w
