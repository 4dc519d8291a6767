"""The broker is gone: what becomes of the limits that came from it."""

import pytest

from agent.core.image import Lease
from agent.core.notes import EventNote
from agent.core.rules.comms_loss import CommsLoss
from tests.core.rig import SECOND, Rig, a_site

LIMIT_W = 70_000.0


def offline(then: str, *, after_s: int = 10, hold_max_s: int = 60, acts: bool = True) -> CommsLoss:
    return CommsLoss("offline", "poi", after_s * SECOND, then, hold_max_s * SECOND, acts)


def limited(rig: Rig, *, for_s: int) -> None:
    """A limit from outside, in force for so long, and obeyed."""
    rig.tick(30)
    rig.leases = (Lease("01J", "dispatch", "poi", LIMIT_W, rig.now_ns, rig.now_ns + for_s * SECOND),)
    rig.tick(80)
    assert rig.watts <= LIMIT_W


def lose(rig: Rig) -> None:
    rig.away_ns = rig.now_ns


def test_without_the_rule_a_lease_lapses_and_the_circuit_returns() -> None:
    rig = Rig(a_site())
    limited(rig, for_s=15)
    lose(rig)

    rig.tick(600)

    assert rig.watts > LIMIT_W


def test_hold_keeps_the_limit_that_was_in_force_beyond_its_lease() -> None:
    rig = Rig(a_site(), offline("hold"))
    limited(rig, for_s=20)
    lose(rig)

    rig.tick(500)

    assert rig.watts <= LIMIT_W
    alarms = [note.why for note in rig.notes if isinstance(note, EventNote) and note.kind == "alarm"]
    assert alarms == ["offline: the broker has been away for too long"]


def test_hold_ends_after_its_time_and_when_the_broker_is_back() -> None:
    for back in (False, True):
        rig = Rig(a_site(), offline("hold", hold_max_s=40))
        limited(rig, for_s=20)
        lose(rig)
        rig.tick(300)
        assert rig.watts <= LIMIT_W

        if back:
            rig.away_ns = None
            rig.tick(400)
            assert "clear" in rig.kinds()
        else:
            rig.tick(600)

        assert rig.watts > LIMIT_W


def test_a_limit_that_was_over_before_the_loss_is_not_held() -> None:
    rig = Rig(a_site(), offline("hold"))
    limited(rig, for_s=10)
    rig.tick(600)
    lose(rig)

    rig.tick(300)

    assert rig.watts > LIMIT_W


def test_release_sets_limits_aside_and_takes_them_up_again() -> None:
    rig = Rig(a_site(), offline("release"))
    limited(rig, for_s=3600)
    lose(rig)
    rig.tick(600)
    assert rig.watts > LIMIT_W

    rig.away_ns = None
    rig.tick(100)

    assert rig.watts <= LIMIT_W


def test_fallback_goes_there_after_its_time_and_not_before() -> None:
    rig = Rig(a_site(fallback_w=40_000.0), offline("fallback"))
    rig.tick(30)
    lose(rig)
    rig.tick(80)
    assert rig.watts > 100_000

    rig.tick(120)

    assert rig.watts <= 40_000


def test_the_time_begins_anew_with_each_loss() -> None:
    rig = Rig(a_site(fallback_w=40_000.0), offline("fallback"))
    rig.tick(30)
    for _ in range(5):
        lose(rig)
        rig.tick(80)
        rig.away_ns = None
        rig.tick(10)

    assert rig.watts > 100_000


@pytest.mark.parametrize("then", ["release", "fallback"])
def test_in_observe_nothing_moves_because_of_it(then: str) -> None:
    rig = Rig(a_site(fallback_w=40_000.0), offline(then, acts=False))
    limited(rig, for_s=3600)
    lose(rig)
    before_w = rig.watts

    rig.tick(400)

    assert rig.watts == before_w
