"""A rig in its own process before foreign clients: meters by mbpoll and libmodbus, miners by plain sockets."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil.loopback import free_block
from hil.remote import RigError, RigProcess
from hil.rig import MeterConfig, MinerGroup, RigConfig
from tests.e2e.hil.conftest import Ask, mbpoll

_MINERS = 5
_QUICK_S = 60.0  # patience of the tests, not a limit of the rig


@pytest.fixture(scope="module")
def rig() -> Iterator[RigProcess]:
    config = RigConfig(
        miners=(MinerGroup(free_block(), _MINERS, family="cgminer", rated_w=3000.0),),
        meters=(
            MeterConfig(refresh_ms=20.0),
            MeterConfig(id="sdm", layout="eastron-sdm630", unit_id=2, refresh_ms=20.0),
        ),
        unmetered_w=500.0,
    )
    with RigProcess(config) as rig:
        yield rig


@pytest.fixture(autouse=True)
def mended(rig: RigProcess) -> None:
    """Every test begins with a rig that has no faults, at nominal."""
    for miner in range(_MINERS):
        rig.do("dark", dark=False, miners=[_address(rig, miner)])
    rig.do("miner_fault", fault="none")
    rig.do("lie", lie="none")
    rig.do("move", on=True)
    for meter in rig.meters:
        rig.do("meter_fault", meter=meter, fault="none")
        rig.do("show", meter=meter, quantity="hertz", value=None)
    rig.do("frequency", hz=50.0)
    rig.do("bias", watts=0.0)
    _wait(lambda: rig.do("state")["watts"] > 15_000.0)
    rig.do("clear")


def _address(rig: RigProcess, miner: int) -> str:
    return rig.miners[miner].partition(":")[0]


def _wait(holds: Any) -> None:
    """Waits until something holds; fails when it never does."""
    end_s = time.monotonic() + _QUICK_S
    while not holds():
        assert time.monotonic() < end_s, "it never came to hold"
        time.sleep(0.02)


def _port(rig: RigProcess, meter: str) -> int:
    return rig.meters[meter][1]


def _refreshed(rig: RigProcess, meter: str = "main") -> None:
    """Waits for two refreshes from now."""
    now_ns = time.monotonic_ns()
    _wait(lambda: sum(row["changed_ns"] > now_ns for row in rig.do("stamps")["meters"][meter]) >= 2)


def _request(address: str, request: bytes, *, patience_s: float = _QUICK_S) -> bytes:
    """One request on a connection of its own, and everything that came back until its end."""
    with socket.create_connection((address, 4028), timeout=patience_s) as link:
        link.sendall(request)
        parts = []
        while part := link.recv(65_536):
            parts.append(part)
        return b"".join(parts)


def test_mbpoll_and_libmodbus_read_the_plant_from_both_meters(rig: RigProcess, libmodbus: Ask) -> None:
    rig.do("frequency", hz=49.25, volts=230.0)
    for meter in rig.meters:
        _refreshed(rig, meter)

    assert mbpoll(_port(rig, "main"), 1, "4:float", 19026) == [pytest.approx(15_500.0, rel=0.01)]
    assert mbpoll(_port(rig, "main"), 1, "4:float", 1439) == [49.25]
    assert mbpoll(_port(rig, "sdm"), 2, "3:float", 52) == [pytest.approx(15_500.0, rel=0.01)]
    assert mbpoll(_port(rig, "sdm"), 2, "3:float", 70) == [49.25]
    volts = [float(word) for word in libmodbus(_port(rig, "main"), 1, "float", 19000, 3).split()]
    assert volts == [pytest.approx(230.0, rel=0.01)] * 3


def test_a_meter_without_holding_registers_refuses_them(rig: RigProcess, libmodbus: Ask) -> None:
    assert libmodbus(_port(rig, "sdm"), 2, "holding", 52, 2) == "error: Illegal function"
    assert libmodbus(_port(rig, "sdm"), 2, "input", 0, 81) == "error: Illegal data value"  # 80 at most
    assert libmodbus(_port(rig, "main"), 1, "holding", 5000, 2) == "error: Illegal data address"
    assert libmodbus(_port(rig, "main"), 1, "register", 19026, 1) == "error: Illegal data address"


def test_values_change_only_at_a_refresh_and_a_frozen_meter_never_changes(rig: RigProcess, libmodbus: Ask) -> None:
    def read() -> str:
        return libmodbus(_port(rig, "main"), 1, "holding", 19000, 52)

    before = read()
    _refreshed(rig)
    assert read() != before  # its noise alone changes it

    rig.do("meter_fault", meter="main", fault="freeze")
    frozen = read()
    rig.do("frequency", hz=48.0)
    newest = rig.do("stamps")["meters"]["main"][-1]
    _refreshed(rig, "sdm")
    assert read() == frozen
    assert rig.do("stamps")["meters"]["main"][-1] == newest


def test_a_change_is_stamped_before_it_is_served(rig: RigProcess) -> None:
    called_ns = time.monotonic_ns()
    rig.do("frequency", hz=48.5)
    _wait(lambda: mbpoll(_port(rig, "main"), 1, "4:float", 19050) == [48.5])
    read_ns = time.monotonic_ns()

    refreshes = rig.do("stamps")["meters"]["main"]
    first = next(row for row in refreshes if row["hertz"] == 48.5)
    served = [row["served_ns"] for row in refreshes if row["hertz"] == 48.5 and row["served_ns"]]

    assert called_ns < first["changed_ns"] < served[0] < read_ns


@pytest.mark.parametrize(("value", "shown"), [("nan", "nan"), ("inf", "inf"), (0.0, "0.000"), (1e9, "1000000000.000")])
def test_a_meter_shows_what_it_is_made_to_show(rig: RigProcess, libmodbus: Ask, value: float | str, shown: str) -> None:
    rig.do("show", meter="main", quantity="hertz", value=value)
    _refreshed(rig)

    assert libmodbus(_port(rig, "main"), 1, "float", 19050, 1) == shown


def test_a_told_miner_falls_at_the_meter_and_is_stamped_when_its_verb_was_read(rig: RigProcess) -> None:
    address = _address(rig, 0)
    before_ns = time.monotonic_ns()

    answer = json.loads(_request(address, b'{"command":"ascdisable","parameter":"0"}').rstrip(b"\0"))
    after_ns = time.monotonic_ns()

    assert answer["STATUS"][0]["Code"] == 111
    told = rig.do("stamps")["miners"]
    assert [step for _, step in told[address]] == ["off"]
    assert before_ns < told[address][0][0] < after_ns
    assert not any(told[_address(rig, other)] for other in range(1, _MINERS))
    _wait(lambda: mbpoll(_port(rig, "main"), 1, "4:float", 19026)[0] < 13_000.0)
    assert rig.do("state")["on"] == _MINERS - 1


def test_a_liar_is_off_by_its_word_and_on_at_the_meter(rig: RigProcess) -> None:
    address = _address(rig, 1)
    rig.do("lie", lie="liar", miners=[address])

    _request(address, b'{"command":"ascdisable","parameter":"0"}')

    assert b'"Enabled":"N"' in _request(address, b'{"command":"devs"}')
    truth = rig.do("state")["miners"][address]
    assert truth == {"on": True, "told_on": False, "watts": 3000.0}


def test_a_miner_that_moves_by_itself_says_so(rig: RigProcess) -> None:
    address = _address(rig, 2)

    rig.do("move", on=False, miners=[address])

    assert b'"Enabled":"N"' in _request(address, b'{"command":"devs"}')
    assert rig.do("stamps")["miners"][address] == []


def test_a_dark_miner_draws_nothing_and_answers_nobody(rig: RigProcess) -> None:
    address = _address(rig, 3)

    rig.do("dark", dark=True, miners=[address])

    assert rig.do("state")["miners"][address]["watts"] == 0.0
    with pytest.raises(ConnectionRefusedError):
        _request(address, b"version")


@pytest.mark.parametrize("fault", ["never_accepts", "never_reads", "never_answers"])
def test_a_hung_miner_is_connected_to_and_never_answers(rig: RigProcess, fault: str) -> None:
    rig.do("miner_fault", fault=fault, miners=[_address(rig, 0)])

    with pytest.raises(TimeoutError):
        _request(_address(rig, 0), b'{"command":"ascdisable","parameter":"0"}', patience_s=0.3)

    told = rig.do("stamps")["miners"][_address(rig, 0)]
    assert bool(told) is (fault == "never_answers")  # only this one read it
    assert rig.do("state")["miners"][_address(rig, 0)]["on"]


def test_a_trickling_miner_begins_its_answer_and_has_done_as_told(rig: RigProcess) -> None:
    rig.do("miner_fault", fault="trickle", miners=[_address(rig, 0)])

    with socket.create_connection((_address(rig, 0), 4028), timeout=_QUICK_S) as link:
        link.sendall(b'{"command":"ascdisable","parameter":"0"}')
        assert link.recv(100) == b"{"
        link.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            assert len(link.recv(100)) <= 1

    assert not rig.do("state")["miners"][_address(rig, 0)]["told_on"]


@pytest.mark.parametrize(
    ("fault", "answer", "done"),
    [
        ("mute", b"", True),
        ("garbled", b'{"STATUS":[{"STATUS":"I"', True),
        ("reset", None, False),
        ("refuse", None, False),
    ],
)
def test_a_faulty_miner_does_what_its_fault_says(rig: RigProcess, fault: str, answer: bytes | None, done: bool) -> None:
    address = _address(rig, 0)
    rig.do("miner_fault", fault=fault, miners=[address])
    request = b'{"command":"ascdisable","parameter":"0"}'

    if answer is None:
        with pytest.raises(ConnectionError):
            _request(address, request)
    else:
        got = _request(address, request)
        assert got.startswith(answer)
        assert not got.endswith(b"\0")

    assert rig.do("state")["miners"][address]["told_on"] is not done


def test_a_quiet_client_blocks_the_others_as_on_a_real_miner(rig: RigProcess) -> None:
    address = _address(rig, 0)

    with socket.create_connection((address, 4028), timeout=_QUICK_S), pytest.raises(TimeoutError):
        _request(address, b"version", patience_s=0.3)

    assert _request(address, b"version").startswith(b"STATUS=S")


def test_traffic_tells_reads_from_writes_with_their_bytes(rig: RigProcess) -> None:
    address = _address(rig, 0)
    for request in (b'{"command":"summary"}', b'{"command":"summary"}', b"ascdisable|0"):
        _request(address, request)
    mbpoll(_port(rig, "main"), 1, "4:float", 19026)

    traffic = rig.do("traffic")

    assert traffic["miners"][address]["requests"] == {'{"command":"summary"}': 2, "ascdisable|0": 1}
    assert [text for _, text in traffic["miners"][address]["writes"]] == ["ascdisable|0"]
    assert traffic["meters"]["main"] == {"functions": {"3": 1}, "writes": []}


def test_the_recording_is_played_and_goes_over_into_a_drawn_line(rig: RigProcess) -> None:
    played = rig.do("play", first="12:33:20", last="12:33:22", speed=20.0, then=[[2.0, 50.0, 27_600.0]])

    assert played["recorded_s"] == pytest.approx(0.1)
    _wait(lambda: rig.do("state")["hertz"] == 50.0)
    shown = [row["hertz"] for row in rig.do("stamps")["meters"]["main"] if row["changed_ns"] >= played["start_ns"]]
    assert min(shown) < 48.6


def test_an_unknown_operation_is_refused_with_the_ones_there_are(rig: RigProcess) -> None:
    with pytest.raises(RigError, match="no operation 'nonsense'; there are: frequency, play"):
        rig.do("nonsense")


def test_the_stand_ins_end_with_their_block() -> None:
    with RigProcess(RigConfig()) as rig:
        pid = rig.pid
        assert Path(f"/proc/{pid}").exists()

    assert not Path(f"/proc/{pid}").exists()
