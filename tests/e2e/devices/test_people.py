"""People on site, on real processes: a tag that holds, LOCAL, and what was found off and is released."""

from collections.abc import Iterator

import pytest

from tests.e2e.agent.site import Figures
from tests.e2e.devices.yard import Yard

pytestmark = pytest.mark.apart(15)

HEARTBEAT = "060000"  # function 6, register 0


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with Yard(tmp_path_factory.mktemp("people"), Figures(id="people", shed_kw=30.0, jump_up_kw=25.0)) as made:
        yield made


def test_a_tagged_load_is_lowered_with_the_others_and_stays_down_until_the_tag_is_taken_off(site: Yard) -> None:
    site.start()
    tagged = site.west[0]
    site.rig.do("clear")

    assert f"Ada tagged a/{tagged}" in site.do("tag", f"a/{tagged}")
    site.rig.do("frequency", hz=49.3)
    site.eventually("shed", lambda: site.mode() == "HOLDING")
    shed = set(site.told("off"))
    assert shed
    if tagged not in shed:
        site.rig.do("condenser_flow", plc="tank-a", lpm=None)
    site.rig.do("frequency", hz=50.0)
    site.eventually("the others return", lambda: shed - {tagged} <= site.on())
    assert (tagged in site.on()) is (tagged not in shed)

    site.do("untag", f"a/{tagged}")
    site.eventually("all is back", site.whole)


def test_a_tagged_tank_holds_all_that_it_cools_and_a_restart_forgets_no_tag(site: Yard) -> None:
    site.start()
    site.do("tag", "tank-a")
    site.rig.do("condenser_flow", plc="tank-a", lpm=0)
    site.eventually("shed", lambda: not set(site.east) & site.on())
    site.rig.do("condenser_flow", plc="tank-a", lpm=None)
    site.eventually("the tank is well", lambda: site.tank()["flow_lpm"] > 110)

    site.kill()
    site.start(settled=False)
    beats = site.tank()["beats"]
    site.eventually("twenty beats later", lambda: site.tank()["beats"] >= beats + 20)

    assert [tag["target"] for tag in site.status()["tags"]] == ["tank-a"]
    assert not set(site.east) & site.on()
    site.do("untag", "tank-a")
    site.eventually("they return", lambda: set(site.east) <= site.on())


def test_with_the_panel_in_local_nothing_but_the_heartbeat_is_written(site: Yard) -> None:
    site.start()
    site.rig.do("remote", plc="switchgear", remote=False)
    site.eventually("it is in LOCAL", lambda: any(tag["by"] == "panel" for tag in site.status()["tags"]))
    site.rig.do("clear")

    site.rig.do("lie", lie="liar", miners=site.west)
    site.rig.do("frequency", hz=49.3)
    site.eventually("west is told", lambda: set(site.told("off")) >= set(site.west))
    beats = len(site.plc_writes("switchgear"))
    site.eventually("forty heartbeats later", lambda: len(site.plc_writes("switchgear")) >= beats + 40)

    assert {pdu[:6] for pdu in site.plc_writes("switchgear")} == {HEARTBEAT}
    assert not set(site.told("off")) & set(site.east), "nor to what it feeds"
    assert site.closed()


def test_local_by_command_writes_nothing_to_a_load_until_it_is_left(site: Yard) -> None:
    site.start()
    site.do("local", "tank-a")
    site.rig.do("clear")

    site.rig.do("condenser_flow", plc="tank-a", lpm=0)
    beats = site.tank()["beats"]
    site.eventually("ten beats later", lambda: site.tank()["beats"] >= beats + 10)
    assert not site.told("off")

    site.do("local", "tank-a", "--leave")
    site.eventually("shed now", lambda: set(site.told("off")) >= set(site.east))


def test_a_load_that_was_found_off_is_left_alone_until_it_is_released(site: Yard) -> None:
    found = site.west[2]
    site.rig.do("move", on=False, miners=[found])
    site.eventually("it is off", lambda: found not in site.on())
    site.start()
    site.eventually("all others are heard", lambda: site.device(f"a/{found}").get("state") == "off")
    beats = site.tank()["beats"]
    site.eventually("ten beats later", lambda: site.tank()["beats"] >= beats + 10)
    assert not site.told("on")

    said = site.do("release", f"a/{found}")

    assert "released 1 loads" in said
    site.eventually("it is back", lambda: found in site.on())
    assert set(site.told("on")) == {found}
