"""The bench's C programs, judged by bytes on their sockets and by mbpoll, which others wrote."""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.bench.programs import Fleet, Floor, build

NET, MINERS, WATTS = 23, 70, 400  # one more than a slice of 64
SOFTOFF_JSON = b'{"command":"ascset","parameter":"0,softoff,1:1753434821"}'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    build(folder)
    return folder


@pytest.fixture
def fleet(built: Path) -> Iterator[Fleet]:
    with Fleet(built, NET, MINERS, WATTS) as started:
        yield started


def ask(request: bytes, host: str = f"127.{NET}.0.1") -> bytes:
    """The whole reply of one miner: until it closes."""
    with socket.create_connection((host, 4028), 5) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            return stream.read()


def read_meter(fleet: Fleet, at: int) -> float:
    """One float as mbpoll reads it."""
    mbpoll = shutil.which("mbpoll")
    assert mbpoll is not None, "no mbpoll: run packaging/setup.sh debian"
    where = ["-m", "tcp", "-p", str(fleet.meter_port), "-a", "1", "-0", "-r", str(at), "-c", "1", "-t", "4:float", "-B"]
    done = subprocess.run([mbpoll, *where, "-1", "127.0.0.1"], capture_output=True, text=True, check=True, timeout=20)
    value = re.search(rf"\[{at}\]:\s+(\S+)", done.stdout)
    assert value is not None, done.stdout
    return float(value.group(1))


def test_a_miner_answers_json_as_the_recorded_ones_do(fleet: Fleet) -> None:
    reply = ask(b'{"command":"version"}')

    assert reply.endswith(b"\0")
    assert json.loads(reply[:-1])["STATUS"][0]["Code"] == 22


def test_a_miner_shows_in_its_packed_state_that_it_went_to_sleep(fleet: Fleet) -> None:
    before = json.loads(ask(b'{"command":"estats"}')[:-1])["STATS"][0]["MM ID0"]
    answer = json.loads(ask(SOFTOFF_JSON)[:-1])["STATUS"][0]
    after = json.loads(ask(b'{"command":"estats"}')[:-1])["STATS"][0]["MM ID0"]

    assert "SYSTEMSTATU[Work: In Work," in before
    assert re.search(r"PS\[0 \d+ \d+ \d+ \d+ \d+ 400\]", before)
    assert (answer["STATUS"], answer["Code"], answer["Msg"]) == ("I", 118, "ASC 0 set info: success softoff:1753434821")
    assert "SYSTEMSTATU[Work: In Idle," in after
    assert re.search(r"PS\[0 \d+ \d+ \d+ \d+ \d+ 15\]", after)


def test_a_miner_answers_text_with_text(fleet: Fleet) -> None:
    assert ask(b"ascset|0,softon,1:7").endswith(b",Msg=ASC 0 set info: success softon:7,Description=cgminer 4.11.1|\0")
    assert ask(b"zero|all").startswith(b"STATUS=E,")


def test_the_meter_shows_frequency_and_the_sum_of_the_miners_to_a_foreign_master(fleet: Fleet) -> None:
    fleet.set_frequency(49.5)

    assert read_meter(fleet, 19050) == read_meter(fleet, 1439) == 49.5
    assert read_meter(fleet, 19026) == pytest.approx(60_000 + MINERS * WATTS, rel=1e-3)
    assert read_meter(fleet, 19000) == pytest.approx(277, rel=1e-2)


def test_every_miner_counts_when_it_was_first_told(fleet: Fleet) -> None:
    changed_ns = fleet.set_frequency(49.0)
    ask(SOFTOFF_JSON)
    ask(SOFTOFF_JSON)
    ask(SOFTOFF_JSON, f"127.{NET}.0.{MINERS}")

    told = fleet.wait_told(0.01)

    assert (told.count, told.verbs) == (2, 3)
    assert changed_ns < told.first_ns < told.last_ns
    assert fleet.wait_on(0.01) == MINERS - 2


def test_a_changed_frequency_forgets_who_was_told(fleet: Fleet) -> None:
    ask(SOFTOFF_JSON)
    fleet.set_frequency(50.0)

    assert fleet.wait_told(0.01).count == 0


def test_the_floor_tells_every_miner_once_the_frequency_crosses(built: Path, fleet: Fleet) -> None:
    with Floor(built, fleet) as floor:
        floor.arm()
        while fleet.wait_told(0.02).served_ns == 0:  # it must have seen the frequency above before it falls
            pass
        changed_ns = fleet.set_frequency(49.45)
        told = fleet.wait_told(10)

        assert floor.finish() == MINERS
        assert told.count == MINERS
        assert changed_ns < told.served_ns <= told.first_ns <= told.last_ns
        assert fleet.wait_on(0) == 0


def ask_luxos(command: str, parameter: str = "") -> dict[str, Any]:
    reply = ask(json.dumps({"command": command} | ({"parameter": parameter} if parameter else {})).encode())
    assert reply.endswith(b"\0")
    said: dict[str, Any] = json.loads(reply[:-1])
    return said


@pytest.fixture
def luxos_fleet(built: Path) -> Iterator[Fleet]:
    with Fleet(built, NET, MINERS, WATTS, "luxos") as started:
        yield started


def test_a_luxos_miner_obeys_within_its_one_session_alone(luxos_fleet: Fleet) -> None:
    opened = ask_luxos("logon")
    name = opened["SESSION"][0]["SessionID"]
    turned_away = ask_luxos("logon")
    wrong = ask_luxos("curtail", "0000ffff,sleep")
    untold = luxos_fleet.wait_told(0.01).count
    slept = ask_luxos("curtail", f"{name},sleep")
    told = luxos_fleet.wait_told(0.01).count
    asleep = ask_luxos("config")["CONFIG"][0]["CurtailMode"], ask_luxos("power")["POWER"][0]["Watts"]
    ended = ask_luxos("logoff", name)
    too_late = ask_luxos("curtail", f"{name},wakeup")

    said = (opened, turned_away, wrong, slept, ended, too_late)
    assert [answer["STATUS"][0]["Code"] for answer in said] == [316, 402, 401, 335, 317, 401]
    assert (untold, told, asleep) == (0, 1, ("Sleep", 15))
    assert len(ask_luxos("devs")["DEVS"]) == 3


def test_the_floor_tells_every_luxos_miner_in_two_round_trips_and_leaves_no_session(
    built: Path, luxos_fleet: Fleet
) -> None:
    with Floor(built, luxos_fleet) as floor:
        for _ in range(2):
            luxos_fleet.wake()
            luxos_fleet.set_frequency(50.0)
            floor.arm()
            while luxos_fleet.wait_told(0.02).served_ns == 0:
                pass
            luxos_fleet.set_frequency(49.45)
            told = luxos_fleet.wait_told(10)

            assert floor.finish() == MINERS
            assert (told.count, told.verbs) == (MINERS, MINERS)

    assert ask_luxos("logon")["STATUS"][0]["Code"] == 316
