"""In observe nothing is written to any device, whatever happens, and the records say what would have been done."""

from collections.abc import Iterator

import pytest

from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures, Site

READS = {"3", "4"}  # Modbus functions: holding and input registers


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("observe"), Figures(id="observe", control="observe"), broker=broker) as made:
        made.start()
        yield made


@pytest.fixture(autouse=True)
def _only_reads(site: Site) -> Iterator[None]:
    yield
    traffic = site.rig.do("traffic")
    assert site.writes() == 0
    assert {function for meter in traffic["meters"].values() for function in meter["functions"]} <= READS
    assert all(miner["requests"] for miner in traffic["miners"].values()), "read they were"
    assert site.on() == set(site.miners)


def test_a_crossing_is_told_and_not_acted_upon(site: Site) -> None:
    site.rig.do("frequency", hz=49.3)
    begin = site.eventually("begun", lambda: site.events("begin", "ufr"))[0].body
    cut = site.eventually("cut", lambda: site.events("cut", "ufr"))[0].body
    site.rig.do("frequency", hz=50.0)
    site.eventually("over", lambda: site.events("end", "ufr"))

    assert cut["ev"] == begin["ev"]
    assert "would have been told" in cut["why"]
    assert len(cut["loads"]) == 5


def test_the_birth_says_that_nobody_commissioned_the_site_also_where_it_only_observes(site: Site) -> None:
    births = site.eventually("born", lambda: site.ears.records("conn", st="online"))

    assert [(birth.body["control"], birth.body["commissioned"]) for birth in births] == [("observe", False)]


def test_a_limit_that_is_passed_is_told_and_not_acted_upon(site: Site) -> None:
    site.rig.do("bias", watts=20_000.0)
    cut = site.eventually("cut", lambda: site.events("cut", "power_cap"))[0].body
    site.rig.do("bias", watts=0.0)
    site.eventually("over", lambda: site.events("end", "power_cap"))

    assert "would have been told" in cut["why"]


def test_a_command_is_accepted_and_ends_and_nobody_is_told(site: Site) -> None:
    command = site.dispatch.limit(30.0, 2_000, epoch=site.epoch(), need={"verify_ms": 500})

    site.ears.say(command.topic, command.data)
    site.eventually("ended", lambda: site.ears.records("ack/dispatch", id=command.id, st="ended"), 20)

    acks = [record.body for record in site.ears.records("ack/dispatch", id=command.id)]
    assert [ack["st"] for ack in acks] == ["accepted", "unverified", "ended"]
    assert all(ack["observe"] for ack in acks)


def test_a_restart_in_the_middle_of_a_crossing_writes_nothing_either(site: Site) -> None:
    ended = len(site.events("end", "ufr"))
    site.rig.do("frequency", hz=49.3)
    site.eventually("begun", lambda: len(site.events("begin", "ufr")) > ended)

    site.kill()
    site.start(settled=False)
    site.eventually("heard everything", lambda: site.mode() not in (None, "BOOT"))
    site.rig.do("frequency", hz=50.0)

    site.eventually("over", lambda: len(site.events("end", "ufr")) > ended)

    assert len({record.body["ev"] for record in site.events("begin", "ufr")}) == ended + 1
    assert site.status()["events"] == []
