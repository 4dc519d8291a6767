"""cgminer and BFGMiner: states and verbs, from recordings of BFGMiner 5.5.0 and cgminer 4.11.1."""

import pytest

from drivers.errors import Garbled, Refused
from drivers.miners.cgminer import decode_reply
from drivers.miners.devices import DeviceDialect
from drivers.miners.dialect import Request, Seen
from tests.drivers.miners.captures import kept
from tests.drivers.miners.polled import asked_of

BFGMINER = DeviceDialect("bfgminer")
B, C = "bfgminer-5.5.0-local/", "cgminer-4.11.1-local/"


def _devs(*rows: str) -> bytes:
    return b'{"STATUS":[{"STATUS":"S","Code":9,"Msg":"devs"}],"DEVS":[%s],"id":1}\0' % ",".join(rows).encode()


@pytest.mark.parametrize(
    ("file", "step"),
    [("devs.json", "on"), ("devs-disabled.json", "off"), ("devs-enabled.json", "on"), ("devs.txt", "on")],
)
def test_the_state_is_what_enabled_says_and_there_are_no_watts(file: str, step: str) -> None:
    state = BFGMINER.decode_state([kept(B + file)], now_ns=7)

    assert (state.step, state.watts, state.measured, state.temperature_c) == (step, None, False, None)
    assert state.hash_rate_ths == pytest.approx(1.607e-6)
    assert state.seen.devices == ("pga0",)


def test_devices_that_disagree_are_no_state_and_each_gets_its_own_verb() -> None:
    raw = _devs(
        '{"ASC":0,"Enabled":"Y","Status":"Alive","Temperature":61.5,"MHS av":9,"MHS 5s":2e6}',
        '{"ASC":1,"Enabled":"N","Status":"Sick","Temperature":-273.0,"MHS 5s":"1000000.00"}',
        '{"PGA":0,"Enabled":"N","Status":"Alive","Temperature":70,"MHS 20s":0}',
    )

    state = BFGMINER.decode_state([raw], now_ns=7)

    assert (state.step, state.temperature_c, state.hash_rate_ths) == (None, 70.0, 3.0)
    assert state.detail == "asc1 Sick"
    assert BFGMINER.set_requests("off", state.seen, now_ns=9) == (
        Request(b'{"command":"ascdisable","parameter":"0"}'),
        Request(b'{"command":"ascdisable","parameter":"1"}'),
        Request(b'{"command":"pgadisable","parameter":"0"}'),
    )
    assert BFGMINER.set_requests("on", state.seen, now_ns=9)[2] == Request(b'{"command":"pgaenable","parameter":"0"}')


def test_a_rate_that_one_device_does_not_tell_is_no_total() -> None:
    raw = _devs('{"ASC":0,"Enabled":"Y","MHS 5s":5}', '{"ASC":1,"Enabled":"Y","MHS 5s":nan,"MHS av":5}')

    state = BFGMINER.decode_state([raw], now_ns=7)

    assert (state.hash_rate_ths, state.step, state.repairs) == (None, "on", 1)


def test_a_miner_without_devices_has_no_state_and_can_be_told_nothing() -> None:
    state = DeviceDialect("cgminer").decode_state([kept(C + "devs.json")], now_ns=7)

    assert (state.step, state.detail) == (None, "it has no devices")
    assert BFGMINER.set_requests("off", state.seen, now_ns=9) == ()
    assert BFGMINER.set_requests("off", None, now_ns=9) == ()


def test_a_refusal_is_a_refusal_with_its_code() -> None:
    with pytest.raises(Refused) as caught:
        BFGMINER.decode_state([kept(C + "r-privileged.json")], now_ns=7)

    assert caught.value.code == 45


@pytest.mark.parametrize("raw", [b"", b"<html>", kept(B + "plus-only.json"), kept(B + "summary.json")])
def test_an_answer_without_devices_is_garbled(raw: bytes) -> None:
    with pytest.raises(Garbled):
        BFGMINER.decode_state([raw], now_ns=7)


@pytest.mark.parametrize(
    ("step", "file", "outcome"),
    [
        ("off", B + "pgadisable-0.json", "ok"),
        ("off", B + "pgadisable-0-again.json", "ok"),
        ("on", B + "pgaenable-0.json", "ok"),
        ("on", B + "pgaenable-0-again.json", "ok"),
        ("on", B + "pgadisable-0.json", "refused"),
        ("off", B + "pga-7.json", "refused"),
        ("off", B + "bogus.json", "refused"),
        ("off", C + "r-ascset.json", "refused"),
        ("off", C + "ascdisable-0.json", "refused"),
        ("off", B + "plus-only.json", "garbled"),
    ],
)
def test_an_answer_is_judged_by_its_code_and_already_so_is_good(step: str, file: str, outcome: str) -> None:
    assert BFGMINER.decode_answer(step, kept(file)).outcome == outcome


def test_an_answer_that_is_not_one_is_garbled_in_its_own_words() -> None:
    verdict = BFGMINER.decode_answer("off", b"Socket connect failed: Connection refused")

    assert verdict.outcome == "garbled"
    assert "Socket connect failed" in verdict.detail


@pytest.mark.parametrize(
    ("sent", "file"),
    [
        (asked_of(BFGMINER, [kept(B + "devs.json")])[0], "devs.json"),
        (BFGMINER.set_requests("off", Seen(devices=("pga0",)), 0)[0].raw, "pgadisable-0.json"),
        (BFGMINER.set_requests("on", Seen(devices=("pga0",)), 0)[0].raw, "pgaenable-0.json"),
    ],
)
def test_what_is_sent_is_what_the_recording_was_asked_with(sent: bytes, file: str) -> None:
    rows = dict(line.split("\t")[:2] for line in kept(B + "requests.tsv").decode().splitlines()[1:])

    assert rows[file].encode() == sent
    assert decode_reply(kept(B + file)).status is not None
