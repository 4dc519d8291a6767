"""With the broker away or frozen control goes on as if nothing were; what was told arrives late, each record once."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures, Site

STORY = ["begin", "cut", "told", "delivered", "return", "end"]
NOTICED_S = 60.0  # a publish that is not acknowledged within 10 s ends the connection
BACK_S = 120.0  # tries to connect take up to 10 s each, with pauses of up to 30 s in between
GOES: dict[str, tuple[Callable[[Broker], None], Callable[[Broker], None]]] = {
    "away": (Broker.stop, Broker.start),
    "frozen": (Broker.freeze, Broker.thaw),
}


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of our own: the others' must stay."""
    with Broker(tmp_path_factory.mktemp("own-broker")) as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, own_broker: Broker) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("outage"), Figures(id="outage"), broker=own_broker) as made:
        made.start()
        yield made


@pytest.mark.parametrize("how", GOES)
def test_an_event_while_the_broker_is(how: str, site: Site, own_broker: Broker) -> None:
    go, come_back = GOES[how]
    heard = len(site.events(rule="ufr"))
    over, delivered = (site.words().count(f"{kind} poi ufr") for kind in ("end", "delivered"))
    site.rig.do("clear")
    before_w = site.watts()

    go(own_broker)
    try:
        site.rig.do("frequency", hz=49.3)
        site.eventually("delivered", lambda: site.words().count("delivered poi ufr") > delivered)
        off, down_w = site.told("off"), site.watts()
        site.rig.do("frequency", hz=50.0)
        site.eventually("over", lambda: site.words().count("end poi ufr") > over)
        site.eventually("noticed", lambda: site.status()["broker"]["state"] == "away", NOTICED_S)
    finally:
        come_back(own_broker)
    site.eventually("heard of", lambda: len(site.events(rule="ufr")) >= heard + len(STORY), BACK_S)
    site.eventually("nothing waits", lambda: not any(site.status()["buffer"].values()), BACK_S)

    assert len(off) == 5
    assert before_w - down_w >= 13_500
    assert set(site.told("on")) == set(off)
    assert site.on() == set(site.miners)
    assert [record.body["k"] for record in site.events(rule="ufr")[heard:]] == STORY
    assert site.status()["buffer"]["lost"] == 0
    assert site.ears.refused() == []
    assert site.ears.missing() == []
