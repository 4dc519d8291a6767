"""Avalon: states from recordings of an A1246 and a Q, the A10 by examples of our own in the form of its manual."""

import pytest

from drivers.errors import Garbled, Refused
from drivers.miners.avalon import AvalonDialect, scan_unit
from drivers.miners.dialect import Request, Seen
from tests.drivers.miners.captures import kept

AVALON = AvalonDialect()
A1246 = kept("avalon-1246-21072802/stats.json")
Q_IDLE = kept("avalon-q-25052801/litestats.json")
INVALID = b'{"STATUS":[{"STATUS":"E","When":1,"Code":14,"Msg":"Invalid command"}],"id":1}\0'
S = 1_000_000_000


def _report(packed: str, when: object = 100) -> bytes:
    return b'{"STATUS":[{"STATUS":"S","When":%s,"Code":70}],"STATS":[{"ID":"AVA100","MM ID0":"%s"}],"id":1}\0' % (
        str(when).encode(),
        packed.encode(),
    )


def test_a_hashing_a1246_is_on_with_watts_measured_at_the_wall() -> None:
    state = AVALON.decode_state([A1246], now_ns=5 * S)

    assert (state.step, state.watts, state.measured, state.temperature_c) == ("on", 3504.0, True, 77.0)
    assert state.hash_rate_ths == pytest.approx(81.07268)
    assert state.seen == Seen(verbs="softoff", report="stats", clock_s=24701, heard_ns=5 * S)


def test_an_idle_q_is_off_although_its_averages_still_stand() -> None:
    state = AVALON.decode_state([Q_IDLE], now_ns=5 * S)

    assert (state.step, state.watts, state.measured, state.hash_rate_ths) == ("off", 146.0, True, 0.0)
    assert state.temperature_c == 27.0
    assert state.seen.report == "litestats"


def test_the_first_poll_asks_for_every_report_and_later_ones_for_the_one_that_answered() -> None:
    state = AVALON.decode_state([INVALID, INVALID, Q_IDLE], now_ns=0)

    assert AVALON.poll_requests(None) == (b'{"command":"estats"}', b'{"command":"stats"}', b'{"command":"litestats"}')
    assert AVALON.poll_requests(state.seen) == (b'{"command":"litestats"}',)
    assert AVALON.decode_state([Q_IDLE], now_ns=0).seen.report == "litestats"


def test_softoff_names_a_time_of_the_miner_s_own_clock_five_seconds_ahead() -> None:
    seen = AVALON.decode_state([A1246], now_ns=5 * S).seen

    assert AVALON.set_requests("off", seen, now_ns=5 * S) == (
        Request(b'{"command":"ascset","parameter":"0,softoff,1:24706"}'),
    )
    assert AVALON.set_requests("on", seen, now_ns=65 * S) == (
        Request(b'{"command":"ascset","parameter":"0,softon,1:24766"}'),
    )


def test_an_a10_is_cut_by_hashpower_and_woken_by_a_reboot() -> None:
    raw = _report("Ver[1066-19101244_fe411a8] SYSTEMSTATU[Work: In Work, Hash Board: 3 ] PS[0 1217 1279 221 2834 1280]")

    state = AVALON.decode_state([raw], now_ns=0)

    assert (state.step, state.watts, state.measured) == ("on", 2834.0, False)
    assert AVALON.set_requests("off", state.seen, 0) == (Request(b'{"command":"ascset","parameter":"0,hashpower,0"}'),)
    assert AVALON.set_requests("on", state.seen, 0) == (Request(b'{"command":"ascset","parameter":"0,reboot,0"}'),)


@pytest.mark.parametrize(
    ("packed", "when"),
    [
        ("Ver[7411706-3162860] GHSmm[6836.48]", 100),  # too old to know a verb
        ("Ver[1246] SoftOFF[0]", '"uptime"'),  # tells no clock
    ],
)
def test_a_miner_that_does_not_show_how_is_told_nothing(packed: str, when: object) -> None:
    seen = AVALON.decode_state([_report(packed, when)], now_ns=0).seen

    assert AVALON.set_requests("off", seen, 0) == ()
    assert AVALON.set_requests("off", None, 0) == ()


@pytest.mark.parametrize(
    ("packed", "step", "watts"),
    [
        # The supply gives the hash boards nothing, whatever the words say.
        ("SYSTEMSTATU[Work: In Work, Hash Board: 3 ] PS[0 1217 4 0 0 1280]", "off", 0.0),
        # A supply that is silent (A1047, POW_I2C[FAILED]) says nothing at all.
        ("SYSTEMSTATU[Work: In Work, Hash Board: 2 ] PS[0 0 0 0 0 0 0 0]", "on", None),
        ("SYSTEMSTATU[Work: In Idle, Hash Board: 2 ]", "off", None),
        ("SYSTEMSTATU[Work: In Init, Hash Board: 2 ] PS[0 1217 1279 2 20 1280]", None, 20.0),
        ("SYSTEMSTATU[Work: In Work] PS[0 1217 1279 2 20 1280] WALLPOWER[25] MPO[3000]", "on", 25.0),
        ("SYSTEMSTATU[Work: In Work] PS[0 1217 nan 2 20 1280] MPO[3000]", "on", None),
        ("Temp[30]", None, None),
    ],
)
def test_the_supply_is_believed_before_the_words(packed: str, step: str | None, watts: float | None) -> None:
    state = AVALON.decode_state([_report(packed)], now_ns=0)

    assert (state.step, state.watts) == (step, watts)


def test_faults_of_the_power_supply_are_named() -> None:
    state = AVALON.decode_state([_report("PS[2065 1217 1279 221 2834 1280]")], now_ns=0)

    assert state.detail == "power supply: input undervoltage, power supply: input overcurrent, power supply: fan"


def test_several_units_are_added_up_and_none_is_told_anything() -> None:
    unit = "Ver[1246] SoftOFF[0] SYSTEMSTATU[Work: In Work] GHSspd[1000] TMax[%d] WALLPOWER[100]"
    raw = b'{"STATUS":[{"STATUS":"S","When":5,"Code":70}],"STATS":[{"MM ID1":"%s","MM ID2":"%s"}],"id":1}' % (
        (unit % 70).encode(),
        (unit % 80).encode(),
    )

    state = AVALON.decode_state([raw], now_ns=0)

    assert (state.step, state.watts, state.measured, state.hash_rate_ths) == ("on", 200.0, True, 2.0)
    assert state.temperature_c == 80.0
    assert AVALON.set_requests("off", state.seen, 0) == ()


def test_the_state_string_is_scanned_and_what_looks_like_json_inside_it_is_text() -> None:
    unit = scan_unit("'STATS':{Ver[Q-1] SYSTEMSTATU[Work: \"In\" }{ Work] Nonce Mask[25] FACOPTS0[] A[1] A[2]}")

    assert unit == {"Ver": "Q-1", "SYSTEMSTATU": 'Work: "In" }{ Work', "Mask": "25", "FACOPTS0": "", "A": "1"}


def test_quotes_inside_the_state_string_do_not_hide_the_state() -> None:
    raw = _report('Ver[Q-1] SSID["home"] SYSTEMSTATU[Work: In Idle] SoftOFF[4] WALLPOWER[146]')

    state = AVALON.decode_state([raw], now_ns=0)

    assert (state.step, state.watts, state.repairs) == ("off", 146.0, 2)


def test_no_report_at_all_is_a_refusal_and_nonsense_is_garbled() -> None:
    with pytest.raises(Refused):
        AVALON.decode_state([INVALID, INVALID, INVALID], now_ns=0)
    with pytest.raises(Garbled):
        AVALON.decode_state([INVALID, b"<html>", INVALID], now_ns=0)
    with pytest.raises(Garbled, match="state string"):
        AVALON.decode_state([kept("bfgminer-5.5.0-local/stats.json")], now_ns=0)


@pytest.mark.parametrize(
    ("step", "raw", "outcome"),
    [
        ("off", kept("avalon-q-25052801/ascset_softoff.json"), "ok"),
        ("on", kept("avalon-q-25052801/ascset_softon.json"), "ok"),
        ("off", kept("avalon-q-25052801/ascset_workmode.json"), "ok"),
        ("off", kept("avalon-q-25052801/ascset_help.json"), "refused"),
        ("off", b"STATUS=I,When=20159,Code=118,Msg=ASC 0 set info: Power off hash now ...,Description=x|\0", "ok"),
        (
            "off",
            b"STATUS=E,When=20159,Code=120,Msg=ASC 0 set failed: Unknown option: softoff,Description=x|\0",
            "refused",
        ),
        ("off", INVALID, "refused"),
        ("off", b'{"id":1}', "garbled"),
        ("off", b"", "garbled"),
    ],
)
def test_an_answer_to_a_verb_is_judged_by_code_and_words(step: str, raw: bytes, outcome: str) -> None:
    assert AVALON.decode_answer(step, raw).outcome == outcome
