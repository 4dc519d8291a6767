"""How much of a contract is given: so many events in a day, and none longer than it says."""

from msgspec.structs import replace

from agent.core.restore import restored
from agent.core.values import DAY_NS
from tests.core.rig import SECOND, UFR, Rig, a_site

LIMITED = replace(UFR, events_per_day=2, event_ns_max=60 * SECOND)


def a_rig() -> Rig:
    rig = Rig(a_site(), LIMITED)
    rig.settle()
    rig.tick(20)
    return rig


def an_event(rig: Rig) -> None:
    """A dip of two seconds, and everything back."""
    rig.hz = 49.3
    rig.tick(20)
    rig.hz = 50.0
    rig.tick(200)


def events(rig: Rig) -> int:
    return rig.kinds().count("begin")


def test_after_the_last_event_of_a_day_nothing_more_is_given_and_people_are_told() -> None:
    rig = a_rig()
    for _ in range(3):
        an_event(rig)

    assert events(rig) == 2
    assert rig.notes[-1].why == "ufr: its events of 24 hours are used up"  # type: ignore[union-attr]


def test_a_day_after_the_first_there_is_one_more() -> None:
    rig = a_rig()
    an_event(rig)
    rig.tick(600)
    an_event(rig)

    rig.now_ns += DAY_NS - 90 * SECOND
    rig.tick(50)
    an_event(rig)
    an_event(rig)

    assert events(rig) == 3


def test_an_event_ends_after_its_longest_time_and_begins_again_only_with_a_new_crossing() -> None:
    rig = a_rig()
    rig.hz = 49.3
    rig.tick(590)
    held = sum(rig.on.values())

    rig.tick(300)

    assert held < 40
    assert all(rig.on.values())
    assert events(rig) == 1
    rig.hz = 50.0
    rig.tick(20)
    rig.hz = 49.3
    rig.tick(20)
    assert events(rig) == 2


def test_events_before_a_restart_count() -> None:
    rig = a_rig()
    for _ in range(2):
        an_event(rig)
    again = Rig(rig.tree.site, LIMITED, state=restored(rig.tree, rig.state.durable, same_boot=True, now_ns=rig.now_ns))
    again.now_ns = rig.now_ns
    again.settle()
    again.tick(20)

    an_event(again)

    assert events(again) == 0
