"""What a frequency may do: nonsense sheds nothing, a crossing that we saw sheds, is proven, signed, and comes back."""

from collections.abc import Iterator

import pytest

from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures, Site, now_ns

NONSENSE = [0.0, "nan", "inf", "-inf", 1e30, 44.9, 65.1, -50.0]
NOISE_W = 200.0  # well above three sigma of the stand-in meter (0.05 % of 45 kW)
POLLS_S = 0.2  # more than two polls and a refresh of the meter


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("site"), Figures(id="frequency"), broker=broker) as made:
        made.start()
        yield made


def served(site: Site, since_ns: int) -> int:
    """How many refreshes of the meter the agent has read that were made after an instant."""
    refreshes = site.rig.do("stamps")["meters"]["main"]
    return sum(1 for refresh in refreshes if refresh["changed_ns"] > since_ns and refresh["served_ns"])


@pytest.mark.parametrize("hertz", NONSENSE)
def test_a_frequency_that_cannot_be_sheds_nothing_and_gives_no_response(site: Site, hertz: float | str) -> None:
    site.eventually("can respond", site.response_kw)
    since_ns = now_ns()

    site.rig.do("show", meter="main", quantity="hertz", value=hertz)
    site.eventually("read by the agent", lambda: served(site, since_ns) >= 5)
    site.eventually("no response", lambda: site.response_kw() == 0.0)
    site.rig.do("show", meter="main", quantity="hertz", value=None)

    site.eventually("can respond again", site.response_kw)
    assert site.writes() == 0


def test_a_low_frequency_without_voltage_sheds_nothing(site: Site) -> None:
    since_ns = now_ns()

    site.rig.do("frequency", hz=47.2, volts=3.0)
    site.eventually("read by the agent", lambda: served(site, since_ns) >= 10)
    site.eventually("no response", lambda: site.response_kw() == 0.0)
    site.rig.do("frequency", hz=50.0)

    site.eventually("can respond again", site.response_kw)
    assert site.writes() == 0


def test_a_frequency_low_since_the_start_sheds_nothing_and_alarms(site: Site) -> None:
    assert site.stop() == 0
    site.rig.do("frequency", hz=49.3)

    site.start(settled=False)
    site.eventually("heard everything", lambda: site.mode() == "NORMAL")
    site.eventually("alarm", lambda: any("no crossing" in e.body["why"] for e in site.events("alarm", "ufr")))
    assert site.response_kw() == 0.0
    site.rig.do("frequency", hz=50.0)

    site.eventually("can respond again", site.response_kw)
    site.eventually("all clear", lambda: site.events("clear", "ufr"))
    assert site.writes() == 0


def test_a_crossing_sheds_is_proven_at_the_meter_signed_and_returns_by_ramp(site: Site) -> None:
    figures = site.figures
    before_w = site.watts()
    crossed_ns = now_ns()

    site.rig.do("frequency", hz=49.3)
    site.eventually("delivered", lambda: site.events("delivered", "ufr"))
    down_w = site.watts()
    off = site.told("off")
    site.rig.do("frequency", hz=50.0)
    recovered_ns = now_ns()
    site.eventually("over", lambda: site.events("end", "ufr"))
    on = site.told("on")

    assert min(off.values()) > crossed_ns
    assert len(off) == 5, "14.5 kW of 3.24 kW each, and not one more"
    assert before_w - down_w >= 0.95 * figures.shed_kw * 1000 - NOISE_W
    assert set(on) == set(off), "what was lowered comes back, and nothing else"
    assert min(on.values()) - recovered_ns >= (figures.release_for_s - POLLS_S) * 1e9
    assert_by_ramp(site, sorted(on.values()))
    assert site.on() == set(site.miners)
    assert_one_event(site)


def assert_by_ramp(site: Site, raised_ns: list[int]) -> None:
    """Watts are told to rise no faster than the ramp, but for the first load."""
    worth_kw = (site.figures.rated_w - site.figures.sleep_w) / 1000
    for number, at_ns in enumerate(raised_ns):
        allowed_kw = site.figures.ramp_up_kw_per_min * (at_ns - raised_ns[0]) / 60e9 + worth_kw
        assert number * worth_kw <= allowed_kw + 0.5, f"load {number} after {(at_ns - raised_ns[0]) / 1e9:.2f} s"


def assert_one_event(site: Site) -> None:
    """From begin to end under one name, every record signed and none missing."""
    records = site.events(rule="ufr")
    story = [record.body["k"] for record in records if record.body["ev"]]
    assert story == ["begin", "cut", "told", "delivered", "return", "end"]
    assert len({record.body["ev"] for record in records if record.body["ev"]}) == 1
    assert site.ears.refused() == []
    assert site.ears.missing() == []
    told = next(record.body for record in records if record.body["k"] == "told")
    assert len(told["loads"]) == 5
    assert [answers[-1] for answers in told["loads"]] == ["ok"] * 5
