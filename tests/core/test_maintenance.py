"""While people work on a circuit nothing rises there."""

import pytest
from msgspec.structs import replace

from agent.core.site import Maintenance
from tests.core.rig import UFR, Rig, a_site

BEGIN_MS = 1_790_000_000_000  # the rig's wall clock at its start


def shed_and_recover(*times: Maintenance, clock: bool = True) -> Rig:
    """A rig after an event that is over."""
    rig = Rig(replace(a_site(), maintenance=times), UFR)
    rig.clock = clock
    rig.settle()
    rig.tick(20)
    rig.hz = 49.3
    rig.tick(40)
    rig.hz = 50.0
    rig.tick(60)
    return rig


@pytest.mark.parametrize(
    ("from_s", "to_s", "rises"), [(0, 3600, False), (0, 6, True), (3600, 7200, True), (-7200, -3600, True)]
)
def test_nothing_rises_in_that_time(from_s: int, to_s: int, rises: bool) -> None:
    rig = shed_and_recover(Maintenance("poi", BEGIN_MS + from_s * 1000, BEGIN_MS + to_s * 1000))

    assert all(rig.on.values()) is rises


def test_a_shed_is_made_all_the_same() -> None:
    rig = shed_and_recover(Maintenance("poi", BEGIN_MS, BEGIN_MS + 3_600_000))

    assert "delivered" in rig.kinds()
    assert not all(rig.on.values())


def test_with_a_clock_that_is_not_trusted_it_may_be_that_time() -> None:
    rig = shed_and_recover(Maintenance("poi", BEGIN_MS - 7_200_000, BEGIN_MS - 3_600_000), clock=False)

    assert not all(rig.on.values())
