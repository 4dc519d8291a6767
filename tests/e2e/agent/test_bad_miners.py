"""Miners that hang, lie or are gone: the event delivers all the same, by others, and says who did not."""

from collections.abc import Iterator

import pytest

from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures, Site

FAULTS = ("never_answers", "never_accepts", "refuse")  # of their API
LIES = ("deaf", "liar")  # acknowledged and not done; the second says that it was
NOISE_W = 200.0
BY_OTHERS_S = 120.0  # the family stops in 15 s, and only then is it certain that a load did not follow


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Site]:
    figures = Figures(id="bad-miners", miners=16, limit_kw=80.0)
    with Site(tmp_path_factory.mktemp("bad-miners"), figures, broker=broker) as made:
        made.start()
        yield made


@pytest.mark.apart(20)
def test_an_event_is_delivered_by_others_and_what_failed_is_counted(site: Site) -> None:
    rungs = [rung["load"].removeprefix("a/") for rung in site.status()["ladder"]]
    bad = dict(zip(FAULTS + LIES, rungs, strict=False))
    before_w = site.watts()

    for fault in FAULTS:
        site.rig.do("miner_fault", fault=fault, miners=[bad[fault]])
    for lie in LIES:
        site.rig.do("lie", lie=lie, miners=[bad[lie]])
    site.rig.do("frequency", hz=49.3)
    told = site.eventually("told", lambda: site.events("told", "ufr"), BY_OTHERS_S)[0].body
    wanted_w = site.figures.shed_kw * 1000
    site.eventually("delivered", lambda: before_w - site.watts() >= 0.95 * wanted_w - NOISE_W, BY_OTHERS_S)
    site.eventually("and proven", lambda: site.events("delivered", "ufr"), BY_OTHERS_S)

    assert site.events("short", "ufr"), "the first cut fell short"
    assert {site.miners[index - 1]: row[-1] for index, *row in told["loads"]} == {
        bad["never_answers"]: "silent",
        bad["never_accepts"]: "silent",
        bad["refuse"]: "unreachable",
        bad["deaf"]: "ok",
        bad["liar"]: "ok",
    }
    assert told["why"] == "2 of 5 loads acknowledged"
    named = {load for alarm in site.events("alarm") for load, *_ in alarm.body["loads"]}
    assert site.miners.index(bad["deaf"]) + 1 in named, "its read-back is honest, so it is named"
    others = set(site.told("off")) - set(bad.values())
    assert len(others) >= 5, "14.5 kW, less 5 % and noise, of 3.24 kW each"
    assert not site.on() & others
