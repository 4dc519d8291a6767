"""What a person asks on site and from outside: check, status and tail, on a site that runs."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import AGENT, Figures, Site, ballast

ID = "ask"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp(ID), Figures(id=ID), broker=broker) as made:
        made.start()
        yield made


def ask(*words: str) -> subprocess.CompletedProcess[str]:
    """One command as a person gives it."""
    return subprocess.run([ballast(), *words], capture_output=True, text=True, timeout=60, check=False)


def told(*words: str) -> Any:
    """Its --json."""
    done = ask(*words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_check_explains_the_site_and_asks_the_running_agent_for_its_ladder(site: Site) -> None:
    text = ask("check", str(site.file))
    live = told("check", str(site.file), "--live")

    assert text.returncode == 0
    assert all(word in text.stdout for word in ("poi", "ufr", "under_frequency"))
    assert live["ok"]
    assert len(live["live"]["ladder"]) == len(site.miners)


def test_status_tells_a_person_and_a_program_the_same(site: Site) -> None:
    status = told("status", "--site", str(site.file))
    text = ask("status", "--socket", str(site.socket))

    circuit = status["circuits"][0]
    assert (status["site"], status["agent"], status["control"]) == (ID, AGENT, "act")
    assert status["uncommissioned"]
    assert (circuit["id"], circuit["mode"], circuit["hi_kw"]) == ("poi", "NORMAL", site.figures.limit_kw)
    assert circuit["net_kw"] == pytest.approx(site.watts() / 1000, rel=0.01)
    assert {device["state"] for device in status["devices"]} == {"ok", "on"}
    assert status["broker"]["state"] == "connected"
    assert text.returncode == 0
    assert all(word in text.stdout for word in ("UNCOMMISSIONED", "NORMAL", "Nothing is shed", "broker: connected"))


def test_the_status_socket_belongs_to_its_group_and_to_nobody_else(site: Site) -> None:
    assert site.socket.stat().st_mode & 0o777 == 0o660


def test_tail_prints_verified_records_and_refuses_those_of_another_key(site: Site) -> None:
    own = ask("tail", *site.outside(), "--count", "4", "--json")
    pub = str(site.folder / "viewer.pem.pub")
    strangers = subprocess.Popen(
        [ballast(), "tail", *site.outside()[:-1], pub], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert strangers.stderr is not None
        line = strangers.stderr.readline()
    finally:
        strangers.kill()
        out, _ = strangers.communicate()

    assert own.returncode == 0
    assert {json.loads(record)["t"] for record in own.stdout.splitlines()} >= {"conn", "schema", "ctl"}
    assert "not believed" in line
    assert out == ""


def test_status_while_a_load_is_shed_names_the_event_and_what_comes_next(site: Site) -> None:
    site.rig.do("frequency", hz=49.3)
    site.eventually("holding", lambda: site.mode() == "HOLDING")

    status = told("status", "--socket", str(site.socket))
    text = ask("status", "--socket", str(site.socket))

    state = site.rig.do("state")
    down = sum(not miner["told_on"] for miner in state["miners"].values())
    assert down > 0
    assert status["lowered"] == down
    assert [(event["rule"], event["loads"], event["returning"]) for event in status["events"]] == [("ufr", down, False)]
    assert status["circuits"][0]["next"] == f"released when above {site.figures.release_above_hz} Hz"
    assert "Shed now" in text.stdout


def test_a_second_agent_on_the_same_state_is_refused(site: Site) -> None:
    second = ask("run", str(site.file), "--uncommissioned")

    assert second.returncode == 1
    assert f"{site.state}/lock: another agent runs on this folder" in second.stderr
    assert "Traceback" not in second.stderr
    assert site.status()["boot"], "and the first goes on"


def test_a_status_socket_that_cannot_be_had_ends_it_in_one_line(site: Site) -> None:
    file, state = site.folder / "elsewhere.toml", site.folder / "elsewhere"
    file.write_text(site.file.read_text(encoding="utf-8").replace(str(site.state), str(state)), encoding="utf-8")
    (state / "ballast.sock").mkdir(parents=True)

    ended = ask("run", str(file), "--uncommissioned")

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 2, "its key, and why"
    assert "is no socket" in ended.stderr


def test_without_an_agent_it_says_so(site: Site) -> None:
    assert site.stop() == 0
    assert "Traceback" not in site.words()

    done = ask("status", "--socket", str(site.socket))

    assert done.returncode == 1
    assert "no agent answers" in done.stderr
