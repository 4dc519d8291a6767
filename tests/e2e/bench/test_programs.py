"""The bench's C programs, judged by bytes on their sockets and by mbpoll, which others wrote."""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hil.bench.programs import FED, Fleet, Floor, build
from hil.waiting import eventually

MINERS, WATTS = 70, 400  # more than a slice of 64
SOFTOFF_JSON = b'{"command":"ascset","parameter":"0,softoff,1:1753434821"}'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    build(folder)
    return folder


@pytest.fixture
def fleet(built: Path) -> Iterator[Fleet]:
    with Fleet(built, MINERS, WATTS) as started:
        yield started


def ask(fleet: Fleet, request: bytes, miner: int = 0) -> bytes:
    """The whole reply of one miner: until it closes."""
    with socket.create_connection((fleet.address(miner), 4028), 5) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as stream:
            return stream.read()


def poll(port: int, unit: int, kind: str, at: int, *values: str) -> float | None:
    """One register, coil or input as mbpoll reads it, or writes it."""
    mbpoll = shutil.which("mbpoll")
    assert mbpoll is not None, "no mbpoll: run packaging/setup.sh debian"
    where = ["-m", "tcp", "-p", str(port), "-a", str(unit), "-0", "-r", str(at), "-c", "1", "-t", kind, "-B", "-1"]
    if values:
        del where[where.index("-c") : where.index("-c") + 2]
    command = [mbpoll, *where, "127.0.0.1", *values]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    value = re.search(rf"\[{at}\]:\s+(\S+)", done.stdout)
    return None if value is None else float(value.group(1))


def read_meter(fleet: Fleet, at: int) -> float:
    """One float."""
    value = poll(fleet.meter_port, 1, "4:float", at)
    assert value is not None
    return value


def test_a_miner_answers_json_as_the_recorded_ones_do(fleet: Fleet) -> None:
    reply = ask(fleet, b'{"command":"version"}')

    assert reply.endswith(b"\0")
    assert json.loads(reply[:-1])["STATUS"][0]["Code"] == 22


def test_a_miner_shows_in_its_packed_state_that_it_went_to_sleep(fleet: Fleet) -> None:
    before = json.loads(ask(fleet, b'{"command":"estats"}')[:-1])["STATS"][0]["MM ID0"]
    answer = json.loads(ask(fleet, SOFTOFF_JSON)[:-1])["STATUS"][0]
    after = json.loads(ask(fleet, b'{"command":"estats"}')[:-1])["STATS"][0]["MM ID0"]

    assert "SYSTEMSTATU[Work: In Work," in before
    assert re.search(r"PS\[0 \d+ \d+ \d+ \d+ \d+ 400\]", before)
    assert (answer["STATUS"], answer["Code"], answer["Msg"]) == ("I", 118, "ASC 0 set info: success softoff:1753434821")
    assert "SYSTEMSTATU[Work: In Idle," in after
    assert re.search(r"PS\[0 \d+ \d+ \d+ \d+ \d+ 15\]", after)


def test_a_miner_answers_text_with_text(fleet: Fleet) -> None:
    assert ask(fleet, b"ascset|0,softon,1:7").endswith(
        b",Msg=ASC 0 set info: success softon:7,Description=cgminer 4.11.1|\0"
    )
    assert ask(fleet, b"zero|all").startswith(b"STATUS=E,")


def test_the_meter_shows_frequency_and_the_sum_of_the_miners_to_a_foreign_master(fleet: Fleet) -> None:
    fleet.set_frequency(49.5)

    assert read_meter(fleet, 19050) == read_meter(fleet, 1439) == 49.5
    assert read_meter(fleet, 19026) == pytest.approx(60_000 + MINERS * WATTS, rel=1e-3)
    assert read_meter(fleet, 19000) == pytest.approx(277, rel=1e-2)


def test_every_miner_counts_when_it_was_first_told(fleet: Fleet) -> None:
    changed_ns = fleet.set_frequency(49.0)
    ask(fleet, SOFTOFF_JSON)
    ask(fleet, SOFTOFF_JSON)
    ask(fleet, SOFTOFF_JSON, MINERS - 1)

    told = fleet.wait_told(0.01)

    assert (told.count, told.verbs) == (2, 3)
    assert changed_ns < told.first_ns < told.last_ns
    assert fleet.wait_on(0.01) == MINERS - 2


def test_a_changed_frequency_forgets_who_was_told(fleet: Fleet) -> None:
    ask(fleet, SOFTOFF_JSON)
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


def ask_luxos(fleet: Fleet, command: str, parameter: str = "") -> dict[str, Any]:
    reply = ask(fleet, json.dumps({"command": command} | ({"parameter": parameter} if parameter else {})).encode())
    assert reply.endswith(b"\0")
    said: dict[str, Any] = json.loads(reply[:-1])
    return said


@pytest.fixture
def luxos_fleet(built: Path) -> Iterator[Fleet]:
    with Fleet(built, MINERS, WATTS, "luxos") as started:
        yield started


def test_a_luxos_miner_obeys_within_its_one_session_alone(luxos_fleet: Fleet) -> None:
    opened = ask_luxos(luxos_fleet, "logon")
    name = opened["SESSION"][0]["SessionID"]
    turned_away = ask_luxos(luxos_fleet, "logon")
    wrong = ask_luxos(luxos_fleet, "curtail", "0000ffff,sleep")
    untold = luxos_fleet.wait_told(0.01).count
    slept = ask_luxos(luxos_fleet, "curtail", f"{name},sleep")
    told = luxos_fleet.wait_told(0.01).count
    asleep = (
        ask_luxos(luxos_fleet, "config")["CONFIG"][0]["CurtailMode"],
        ask_luxos(luxos_fleet, "power")["POWER"][0]["Watts"],
    )
    ended = ask_luxos(luxos_fleet, "logoff", name)
    too_late = ask_luxos(luxos_fleet, "curtail", f"{name},wakeup")

    said = (opened, turned_away, wrong, slept, ended, too_late)
    assert [answer["STATUS"][0]["Code"] for answer in said] == [316, 402, 401, 335, 317, 401]
    assert (untold, told, asleep) == (0, 1, ("Sleep", 15))
    assert len(ask_luxos(luxos_fleet, "devs")["DEVS"]) == 3


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

    assert ask_luxos(luxos_fleet, "logon")["STATUS"][0]["Code"] == 316


@pytest.fixture
def switched(built: Path) -> Iterator[Fleet]:
    with Fleet(built, MINERS, WATTS, plc="contactor") as started:
        yield started


def test_a_contactor_that_is_opened_darkens_what_it_feeds_and_shows_it(switched: Fleet) -> None:
    shown = [poll(switched.plc_port, 20, "1", at) for at in range(3)]
    switched.set_frequency(50.0)

    poll(switched.plc_port, 20, "0", 0, "0")

    opened_ns, _ = switched.wait_opened(10)
    assert opened_ns > 0
    assert shown == [1, 0, 1]
    assert [poll(switched.plc_port, 20, "1", at) for at in range(3)] == [0, 1, 1]
    assert switched.wait_on(0.01) == MINERS - FED
    assert read_meter(switched, 1369) == pytest.approx(60_000 + (MINERS - FED) * WATTS, rel=1e-3)
    with pytest.raises(ConnectionResetError):
        ask(switched, b"version", FED - 1)
    assert ask(switched, b"version", FED)

    poll(switched.plc_port, 20, "0", 0, "1")

    assert switched.wait_on(10) == MINERS
    assert ask(switched, b"version", FED - 1)


def test_a_plc_echoes_beats_counts_and_takes_no_other_register(switched: Fleet) -> None:
    counted = poll(switched.plc_port, 20, "4", 2)
    poll(switched.plc_port, 20, "4", 0, "77")

    assert poll(switched.plc_port, 20, "4", 1) == 77
    assert poll(switched.plc_port, 20, "4", 2) != counted
    with pytest.raises(subprocess.CalledProcessError):
        poll(switched.plc_port, 20, "4", 3, "1")


def test_the_floor_opens_the_contactor_once_the_frequency_crosses(built: Path, switched: Fleet) -> None:
    with Floor(built, switched, "coil") as floor:
        floor.arm()
        while switched.wait_told(0.02).served_ns == 0:
            pass
        changed_ns = switched.set_frequency(49.45)
        opened_ns, served_ns = switched.wait_opened(10)

        floor.finish()
        assert changed_ns < served_ns <= opened_ns

    switched.wake()
    assert switched.wait_on(0) == MINERS


@pytest.fixture
def cooled(built: Path) -> Iterator[Fleet]:
    with Fleet(built, MINERS, WATTS, plc="tank") as started:
        yield started


def test_the_floor_tells_the_tanks_miners_once_the_flow_was_low_for_its_time(built: Path, cooled: Fleet) -> None:
    assert poll(cooled.plc_port, 3, "4", 1) == 1200
    with Floor(built, cooled, "tank") as floor:
        floor.arm()
        cooled.set_flow(120.0)
        while cooled.wait_told(0.02).served_ns == 0:
            pass
        cooled.set_flow(40.0)
        told = cooled.wait_told(10)

        assert floor.finish() == MINERS
        assert told.first_ns - told.served_ns >= 200_000_000
    assert poll(cooled.plc_port, 3, "4", 1) == 400


def test_miners_that_hang_take_connections_and_never_read(fleet: Fleet) -> None:
    fleet.set_frequency(50.0)
    fleet.hang(5)
    with socket.create_connection((fleet.address(MINERS - 5), 4028), 5) as connection:
        connection.sendall(SOFTOFF_JSON)
        ask(fleet, SOFTOFF_JSON, MINERS - 6)

        assert fleet.wait_told(0.01).count == 1

    fleet.hang(0)
    assert ask(fleet, b"version", MINERS - 5)


def test_the_hedging_floor_asks_again_on_four_connections_whoever_does_not_answer(built: Path, fleet: Fleet) -> None:
    def connections() -> int:
        at = fleet.address(MINERS - 1)
        everything = psutil.Process(floor.pid).net_connections("tcp")
        return sum(bool(one.raddr) and one.raddr.ip == at for one in everything)

    with Floor(built, fleet, "hedged") as floor:
        floor.arm()
        while fleet.wait_told(0.02).served_ns == 0:
            pass
        fleet.hang(1)
        fleet.set_frequency(49.45)
        told = fleet.wait_told(10, MINERS - 1)

        assert (told.count, told.verbs) == (MINERS - 1, MINERS - 1)
        eventually("four connections", lambda: connections() == 4)
