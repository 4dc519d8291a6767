"""kill -9 at ten instants of an event, with the stand-ins changed behind the agent's back.

Each life runs on a site of its own; a few at a time, since most of a life is waiting. In each of them

    one miner was off before the agent ever ran: nobody may wake it
    while the agent is dead one of the loads that it lowered comes back on by itself, one that it had armed goes off,
    and the meter is silent until the new agent has heard every miner three times: till then nothing may rise
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import Struct

from hil.evidence import Record
from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures, Site, now_ns

AT_ONCE = 10
READS = 3  # of every miner: more than two seconds, so its minimum off time is over
JOURNALED = 2  # from this instant on there surely is an event: before, the kill may be earlier than the disk
BEGINS = (0, 1, 2)  # its begin is told about now
ENDS = 9


class Life(Struct, frozen=True):
    """What was seen of one."""

    miners: frozenset[str]
    was_off: str  # before the agent ever ran
    moved: frozenset[str]  # behind its back, from on to off
    lowered: frozenset[str]  # told to go off, ever
    raised: dict[str, int]  # told to come on since the kill, and when
    raised_before: frozenset[str]
    mended_ns: int
    on: frozenset[str]  # at the end
    events: list[Record]
    gaps: list[Record]
    boots: list[str]
    refused: list[str]
    missing: list[str]


def crossing_read(site: Site) -> bool:
    refreshes = site.rig.do("stamps")["meters"]["main"]
    return any(refresh["hertz"] < 49.5 and refresh["served_ns"] for refresh in refreshes[-10:])


# The instants, in the order of an event; from `released` on the frequency has recovered.
INSTANTS: dict[str, Callable[[Site], bool]] = {
    "the crossing is read": crossing_read,
    "the first verb is read": lambda site: bool(site.told("off")),
    "the cut is told": lambda site: "told poi ufr" in site.words(),
    "half has fallen": lambda site: site.watts() < 35_000,
    "it is delivered": lambda site: "delivered poi ufr" in site.words(),
    "it is holding": lambda site: site.mode() == "HOLDING",
    "it is released": lambda site: site.mode() == "RETURNING",
    "the first raise is read": lambda site: bool(site.told("on")),
    "half is raised": lambda site: len(site.told("on")) >= 3,
    "it is over": lambda site: "end poi ufr" in site.words(),
}
RECOVERED = list(INSTANTS).index("it is released")


def live(folder: Path, broker: Broker, number: int, instant: str) -> Life:
    figures = Figures(id=f"kill-{number}", blind_after_s=30.0)
    with Site(folder, figures, broker=broker) as site:
        rig, was_off = site.rig, site.miners[-1]
        rig.do("move", on=False, miners=[was_off])
        site.start()
        rig.do("frequency", hz=49.3)
        if number >= RECOVERED:
            site.eventually("delivered", lambda: "delivered poi ufr" in site.words())
            rig.do("frequency", hz=50.0)
        site.eventually(instant, lambda: INSTANTS[instant](site))
        site.kill()

        killed_ns = now_ns()
        raised_before = frozenset(site.told("on"))
        down = sorted(set(site.told("off")) - raised_before)
        moved = sorted(site.on() - set(down))[:1]
        rig.do("move", on=False, miners=moved)
        rig.do("move", on=True, miners=down[:1])
        rig.do("meter_fault", meter="main", fault="silent")
        heard = {name: sum(reads.values()) for name, reads in requests(site).items()}
        site.start(settled=False)
        site.eventually(
            "every miner is heard",
            lambda: all(sum(reads.values()) >= heard[name] + READS for name, reads in requests(site).items()),
        )
        assert site.mode() == "BOOT"
        mended_ns = now_ns()
        rig.do("meter_fault", meter="main", fault="none")
        rig.do("frequency", hz=50.0)
        site.eventually("nothing is down any more", lambda: idle(site))
        assert site.stop() == 0
        records = site.ears.records("evt")
        return Life(
            frozenset(site.miners),
            was_off,
            frozenset(moved),
            frozenset(site.told("off")),
            site.told("on", killed_ns),
            raised_before,
            mended_ns,
            frozenset(site.on()),
            [record for record in site.events(rule="ufr") if record.body["ev"]],
            [record for record in records if record.body["t"] == "gap"],
            list(dict.fromkeys(record.body["boot"] for record in site.ears.records())),
            site.ears.refused(),
            site.ears.missing(),
        )


def requests(site: Site) -> dict[str, dict[str, int]]:
    return {name: miner["requests"] for name, miner in site.rig.do("traffic")["miners"].items()}


def idle(site: Site) -> bool:
    status = site.status()
    quiet = not status["events"] and not status["lowered"] and not status["rising"]
    return quiet and bool(site.response_kw()) and status["broker"]["state"] == "connected"


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[dict[str, Future[Life]]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            instant: pool.submit(live, tmp_path_factory.mktemp("kill"), broker, number, instant)
            for number, instant in enumerate(INSTANTS)
        }


@pytest.mark.parametrize("instant", INSTANTS)
def test_killed_when(instant: str, lives: dict[str, Future[Life]]) -> None:
    life = lives[instant].result()

    assert all(at_ns > life.mended_ns for at_ns in life.raised.values()), "nothing rose before it knew"
    assert set(life.raised) <= life.lowered | life.moved, "only what it lowered or had armed"
    assert life.was_off not in life.on | set(life.raised)
    assert life.on >= life.miners - {life.was_off} - life.moved, "and all of that"
    assert len(life.boots) == 2
    assert life.refused == []
    assert life.missing == []
    assert_one_event(life, list(INSTANTS).index(instant))


def assert_one_event(life: Life, number: int) -> None:
    """One name over both lives, from begin to end. A record that was made in the very moment of the kill, and is only
    in memory, may be lost; the next start has to declare it.
    """
    if not life.events:
        assert number < JOURNALED
        return
    story = [record.body["k"] for record in life.events]
    declared = any(gap.body["of"] == life.boots[0] for gap in life.gaps)
    assert len({record.body["ev"] for record in life.events}) == 1
    assert story.count("begin") == 1 or (story.count("begin") == 0 and declared and number in BEGINS)
    assert story.count("end") == 1 or (story.count("end") == 0 and declared and number == ENDS)
    assert "begin" not in story[1:]
    assert "end" not in story[:-1]
