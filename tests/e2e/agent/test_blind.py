"""A power meter that falls silent: BLIND at its time, down by ramp to the fallback, and back when it is heard."""

from collections.abc import Iterator

import pytest

from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures, Site, now_ns

SLACK_S = 0.3  # a poll of the meter, a beat, and the way to the stand-in
NOISE_W = 200.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("blind"), Figures(id="blind"), broker=broker) as made:
        made.start()
        yield made


@pytest.mark.parametrize("fault", ["silent", "freeze"])
def test_a_meter_that_says_nothing_leads_to_blind_and_down_by_ramp_and_back_when_it_is_heard(
    site: Site, fault: str
) -> None:
    figures = site.figures
    before_kw = site.watts() / 1000
    heard = len(site.events("end", "blind"))
    site.rig.do("clear")
    silent_ns = now_ns()

    site.rig.do("meter_fault", meter="main", fault=fault)
    site.eventually("blind", lambda: site.mode() == "BLIND")
    site.eventually("at its fallback", lambda: site.watts() <= figures.fallback_kw * 1000 + NOISE_W)
    off_s = sorted((at_ns - silent_ns) / 1e9 for at_ns in site.told("off").values())
    assert site.told("on") == {}
    site.rig.do("meter_fault", meter="main", fault="none")
    site.eventually("over", lambda: len(site.events("end", "blind")) > heard)

    worth_kw = (figures.rated_w - figures.sleep_w) / 1000
    assert off_s[0] >= figures.blind_after_s - SLACK_S, "not before its time"
    for number, at_s in enumerate(off_s):
        allowed_kw = figures.ramp_down_kw_per_min / 60 * (at_s - figures.blind_after_s + SLACK_S)
        assert number * worth_kw <= allowed_kw, f"by ramp: load {number} was told after {at_s:.2f} s"
    assert before_kw - len(off_s) * worth_kw >= figures.fallback_kw - worth_kw, "no further than one load below"
    assert site.on() == set(site.miners)
    assert site.mode() == "NORMAL"
    assert {"alarm", "begin", "cut", "clear", "return", "end"} <= {
        record.body["k"] for record in site.events(rule="blind")
    }
    assert site.ears.refused() == []
