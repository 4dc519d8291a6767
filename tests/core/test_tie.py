"""Tied, an island, or nobody knows: what may be shed at once, what a frequency may do, and whether anything rises."""

import pytest
from msgspec.structs import replace

from agent.core.notes import EventNote
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.site import Contact
from agent.core.state import Mode, Tie
from agent.core.values import NS_PER_MS
from tests.core.rig import SECOND, Rig, a_site

CONTACT = "gear.q52g_open"
LOW = UnderFrequency("ufr", "poi", "main", 49.5, 49.9, 2 * SECOND, shed_w=60_000.0, when="tied")


def a_rig(when: str = "tied") -> Rig:
    site = a_site(jump_down_w=90_000.0, jump_down_island_w=12_000.0)
    rig = Rig(replace(site, islanded_when=Contact(CONTACT, 100 * NS_PER_MS)), replace(LOW, when=when))
    rig.tank = {CONTACT: 0.0}
    rig.settle()
    rig.tick(20)
    return rig


def words(rig: Rig, rule: str) -> list[tuple[str, str]]:
    return [(note.kind, note.why) for note in rig.notes if isinstance(note, EventNote) and note.rule == rule]


def test_without_a_contact_the_site_is_tied() -> None:
    rig = Rig(a_site(), LOW)
    rig.settle()

    assert rig.state.tie is Tie.TIED
    assert words(rig, "tie") == []


@pytest.mark.parametrize(("contact", "tie"), [(0.0, Tie.TIED), (1.0, Tie.ISLAND), (None, Tie.UNKNOWN)])
def test_the_contact_says_what_the_site_hangs_on(contact: float | None, tie: Tie) -> None:
    rig = a_rig()

    rig.tank[CONTACT] = contact
    rig.tick(8)

    assert rig.state.tie is tie


def test_a_plc_that_has_gone_silent_leaves_it_unknown() -> None:
    rig = a_rig()

    rig.tank_dead = True
    seen = []
    for _ in range(2):
        rig.tick(4)
        seen.append(rig.state.tie)

    assert seen == [Tie.TIED, Tie.UNKNOWN], "one or two lost polls say nothing"


@pytest.mark.parametrize(
    ("when", "contact", "sheds"),
    [
        ("tied", 0.0, True),
        ("tied", 1.0, False),
        ("tied", None, False),
        ("island", 0.0, False),
        ("island", 1.0, True),
        ("island", None, False),
        ("any", 0.0, True),
        ("any", 1.0, True),
        ("any", None, False),
    ],
)
def test_a_frequency_sheds_only_where_its_rule_is_meant_for(when: str, contact: float | None, sheds: bool) -> None:
    rig = a_rig(when)
    rig.tank[CONTACT] = contact
    rig.tick(20)

    rig.hz = 49.3
    rig.tick(20)

    assert ("begin" in rig.kinds()) is sheds


def test_a_crossing_on_an_island_sheds_when_the_site_is_tied_and_the_frequency_still_low() -> None:
    rig = a_rig()
    rig.tank[CONTACT] = None
    rig.tick(10)
    rig.hz = 49.3
    rig.tick(10)
    assert "begin" not in rig.kinds()

    rig.tank[CONTACT] = 0.0
    rig.tick(3)

    assert "begin" in rig.kinds()


def test_on_an_island_no_cut_is_larger_than_its_jump_and_more_follow() -> None:
    rig = a_rig("any")
    rig.tank[CONTACT] = 1.0
    rig.tick(20)
    before_w = rig.watts

    rig.hz = 49.3
    rig.tick(1)
    at_once_w = before_w - rig.watts
    rig.tick(200)

    assert 0 < at_once_w <= 12_000
    assert before_w - rig.watts >= 59_000
    cuts = [note for note in rig.notes if isinstance(note, EventNote) and note.kind == "cut"]
    assert len(cuts) >= 5


def test_while_nobody_knows_nothing_rises() -> None:
    rig = a_rig()
    rig.hz = 49.3
    rig.tick(30)
    low_w = rig.watts
    rig.tank[CONTACT] = None
    rig.tick(10)

    rig.hz = 50.0
    rig.tick(200)
    assert rig.watts == low_w
    rig.tank[CONTACT] = 0.0
    rig.tick(200)

    assert rig.watts > low_w
    assert rig.mode() is Mode.NORMAL


def test_people_are_told_of_each_change() -> None:
    rig = a_rig()
    for contact in (1.0, None, 0.0):
        rig.tank[CONTACT] = contact
        rig.tick(10)

    assert words(rig, "tie") == [
        ("alarm", "the site is an island"),
        ("alarm", "whether the site is an island is not known: nothing rises"),
        ("clear", "the site is tied to the grid again"),
    ]
