"""A tank that loses its condenser's flow, on real processes: `ballast run`, miners, a tank that really boils."""

from collections.abc import Iterator

import pytest

from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures
from tests.e2e.devices.yard import Yard

pytestmark = pytest.mark.apart(15)


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Yard]:
    with Yard(tmp_path_factory.mktemp("tank"), Figures(id="tank"), broker=broker) as made:
        made.start()
        made.eventually("the tank's permit was held", lambda: made.tank()["beats"] > 3)
        yield made


def lose_flow(site: Yard) -> None:
    site.rig.do("clear")
    site.rig.do("condenser_flow", plc="tank-a", lpm=0)
    site.eventually("every load of the tank is told", lambda: set(site.told("off")) >= set(site.east))


def test_it_sheds_what_the_tank_cools_returns_once_by_itself_and_then_waits_for_an_acknowledgement(site: Yard) -> None:
    lose_flow(site)
    assert set(site.told("off")) == set(site.east), "and nothing of what it does not cool"
    site.eventually("they are off", lambda: not set(site.east) & site.on())
    assert site.tank()["level_pct"] > 80, "the fluid is still there"

    site.rig.do("condenser_flow", plc="tank-a", lpm=None)
    site.eventually("they return", lambda: set(site.east) <= site.on())
    assert not site.status()["latched"]
    site.eventually("normal", site.whole)

    lose_flow(site)
    site.eventually("they are off again", lambda: not set(site.east) & site.on())
    site.rig.do("condenser_flow", plc="tank-a", lpm=None)
    site.eventually("latched", lambda: "tank:tank-a" in site.status()["latched"])
    site.eventually("the tank is well", lambda: site.tank()["flow_lpm"] > 110)
    beats = site.tank()["beats"]
    site.eventually("ten beats later", lambda: site.tank()["beats"] >= beats + 10)
    assert not set(site.east) & site.on()
    site.eventually("it is told", lambda: [evt for evt in site.events("alarm") if "latched" in evt.body["why"]])

    said = site.do("ack", "tank-a")

    assert "Ada acknowledged tank-a" in said
    site.eventually("they return", lambda: set(site.east) <= site.on())
    assert site.events("ack")


def test_a_tank_whose_plc_is_silent_is_shed_whatever_it_last_said(site: Yard) -> None:
    site.rig.do("plc_fault", plc="tank-a", fault="silent")

    site.eventually("every load of the tank is told", lambda: set(site.told("off")) >= set(site.east))

    assert set(site.told("off")) == set(site.east)


def test_a_tank_whose_program_stands_still_is_shed_however_well_its_server_answers(site: Yard) -> None:
    site.rig.do("plc_fault", plc="tank-a", fault="stop")

    site.eventually("every load of the tank is told", lambda: set(site.told("off")) >= set(site.east))

    assert set(site.told("off")) == set(site.east)


def test_nothing_returns_while_the_plc_itself_withholds_its_permit(site: Yard) -> None:
    lose_flow(site)
    site.rig.do("withhold", plc="tank-a", withheld=True)
    site.rig.do("condenser_flow", plc="tank-a", lpm=None)
    site.eventually("the tank is well", lambda: site.tank()["flow_lpm"] > 110)
    beats = site.tank()["beats"]

    site.eventually("ten beats later", lambda: site.tank()["beats"] >= beats + 10)
    assert not site.told("on")

    site.rig.do("withhold", plc="tank-a", withheld=False)
    site.eventually("they return", lambda: set(site.east) <= site.on())
