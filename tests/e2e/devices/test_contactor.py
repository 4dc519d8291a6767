"""A contactor that is opened because miners lie, and closed again only as its PLC permits; on real processes."""

from collections.abc import Iterator

import pytest

from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures
from tests.e2e.devices.yard import PERMITS, Yard

pytestmark = pytest.mark.apart(30)


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Yard]:
    with Yard(
        tmp_path_factory.mktemp("contactor"),
        Figures(id="contactor", shed_kw=30.0, jump_up_kw=25.0),
        broker=broker,
    ) as made:
        made.start()
        yield made


def escalate(site: Yard) -> None:
    """The grid sags while all of east lies: asked for 30 kW, only west can give what it promised."""
    site.rig.do("clear")
    site.rig.do("lie", lie="liar", miners=site.east)
    site.rig.do("frequency", hz=49.3)
    site.eventually("the contactor is opened", lambda: not site.closed())


def recover(site: Yard) -> None:
    """The lie is over and the grid well again."""
    site.rig.do("lie", lie="none", miners=site.east)
    site.rig.do("frequency", hz=50.0)


def test_miners_that_lie_are_cut_and_come_back_behind_their_contactor_when_the_grid_is_well(site: Yard) -> None:
    escalate(site)

    assert set(site.told("off")) >= set(site.east), "they were asked first"
    (opened_ns, value), *_ = site.coils()
    assert value is False
    assert opened_ns > max(site.told("off")[miner] for miner in site.east)
    site.eventually("what it feeds is dark", lambda: not any(watts(site, miner) for miner in site.east))

    recover(site)
    site.eventually("it closes again", site.closed)
    closed_ns = next(at_ns for at_ns, value in site.coils() if value)
    assert closed_ns - opened_ns >= 3_000_000_000, "not before its minimum open time"
    site.eventually("all is back", site.whole)
    assert not site.status()["latched"]


@pytest.mark.parametrize("permit", PERMITS)
def test_without_each_of_its_permits_it_never_closes(site: Yard, permit: str) -> None:
    escalate(site)
    site.rig.do("input", plc="switchgear", name=permit, on=False)
    recover(site)
    site.eventually("west is back", lambda: set(site.west) <= site.on())
    beats = site.rig.do("plcs")["switchgears"]["switchgear"]["beats"]
    site.eventually(
        "twenty heartbeats later",
        lambda: site.rig.do("plcs")["switchgears"]["switchgear"]["beats"] >= beats + 20,
    )

    assert [value for _, value in site.coils()] == [False] * len(site.coils())
    assert not site.closed()

    site.rig.do("input", plc="switchgear", name=permit, on=True)
    site.eventually("all is back", site.whole)


def test_a_plc_that_restarted_has_opened_it_and_nobody_closes_it_but_a_person_releases_it(site: Yard) -> None:
    site.rig.do("plc_fault", plc="switchgear", fault="restart")
    site.eventually("it fell open", lambda: not site.closed())
    beats = site.rig.do("plcs")["switchgears"]["switchgear"]["beats"]
    site.eventually(
        "twenty heartbeats later",
        lambda: site.rig.do("plcs")["switchgears"]["switchgear"]["beats"] >= beats + 20,
    )
    assert not site.closed()
    assert not site.coils()

    site.do("release", "a-east")

    site.eventually("all is back", site.whole)


def test_a_weld_is_latched_and_once_it_has_opened_after_all_a_person_brings_everything_back(site: Yard) -> None:
    site.rig.do("weld", plc="switchgear", contactor="a-east", welded=True)
    site.rig.do("lie", lie="liar", miners=site.east)
    site.rig.do("frequency", hz=49.3)
    site.eventually("it is latched", lambda: "a-east" in site.status()["latched"], within_s=60)
    site.eventually("told", lambda: [evt for evt in site.events("alarm") if "a-east is latched" in evt.body["why"]])
    assert site.closed(), "its poles stick"

    site.rig.do("weld", plc="switchgear", contactor="a-east", welded=False)
    recover(site)
    site.eventually("it falls open", lambda: not site.closed())
    site.do("ack", "a-east")
    assert not site.status()["latched"]
    site.eventually("it is known to be open", lambda: site.device("a-east").get("state") == "open")
    assert "released" in site.do("release", "a-east")  # it opened long after it was told to: a person lets it close

    site.eventually("all is back", site.whole, within_s=120)


def watts(site: Yard, miner: str) -> float:
    """What a miner really draws."""
    drawn: float = site.rig.do("state")["miners"][miner]["watts"]
    return drawn
