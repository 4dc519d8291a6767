"""LuxOS: states, verbs and answers, from reports of an S19k Pro with LuxOS 2025.4.8 and the vendor's pages."""

import pytest

from drivers.errors import Garbled, Refused
from drivers.miners.dialect import Request
from drivers.miners.luxos import LuxosDialect
from tests.drivers.miners.captures import kept
from tests.drivers.miners.polled import asked_of

LUXOS = LuxosDialect()
S19 = "luxos-s19kpro-2025.4.8/"
CONFIG, POWER, DEVS = (kept(f"{S19}{name}.json") for name in ("config", "power", "devs"))
DENIED = b'{"STATUS":[{"STATUS":"E","When":1,"Code":45,"Msg":"Access denied"}],"id":1}\0'


def _answer(code: int, words: str, letter: str = "S", section: str = "") -> bytes:
    status = f'"STATUS":[{{"STATUS":"{letter}","When":1,"Code":{code},"Msg":"{words}","Description":"LUXminer"}}]'
    return f'{{{section}{status},"id":1}}\0'.encode()


def _config(**changes: str) -> bytes:
    raw = CONFIG.decode()
    for key, value in changes.items():
        before = next(line for line in raw.splitlines() if f'"{key}"' in line)
        raw = raw.replace(before, f'      "{key}": {value},')
    return raw.encode()


def test_a_hashing_miner_is_on_and_its_watts_are_a_model_without_a_telling_supply() -> None:
    state = LUXOS.decode_state([CONFIG, POWER, DEVS], now_ns=7)

    assert (state.step, state.watts, state.measured, state.temperature_c) == ("on", 1051.0, False, 47.0)
    assert state.hash_rate_ths == pytest.approx(59.756, abs=0.001)
    assert (state.detail, state.repairs) == ("", 0)


def test_watts_are_measured_where_the_supply_tells_them() -> None:
    state = LUXOS.decode_state([CONFIG, POWER.replace(b"false", b"true"), DEVS], now_ns=7)

    assert (state.watts, state.measured) == (1051.0, True)


@pytest.mark.parametrize(
    ("mode", "step"),
    [
        ('"None"', "on"),
        ('"none"', "on"),
        ('"Sleep"', "off"),
        ('"Idle"', "off"),
        ('""', None),
        ("null", None),
        ("7", None),
    ],
)
def test_any_curtail_mode_but_none_is_off_and_none_told_is_no_state(mode: str, step: str | None) -> None:
    assert LUXOS.decode_state([_config(CurtailMode=mode), POWER, DEVS], now_ns=7).step == step


def test_what_is_out_of_the_ordinary_is_told_in_words() -> None:
    raw = _config(CurtailMode='"Sleep"', SystemStatus='"Initializing"', IsPowerSupplyOn="false")

    state = LUXOS.decode_state([raw, POWER, DEVS], now_ns=7)

    assert state.detail == "curtailed: Sleep, system: Initializing, power supply off"


@pytest.mark.parametrize("other", [DENIED, b"", b"<html>", kept(f"{S19}version.json")])
def test_a_miner_that_tells_no_watts_or_boards_is_read_all_the_same(other: bytes) -> None:
    state = LUXOS.decode_state([CONFIG, other, other], now_ns=7)

    assert (state.step, state.watts, state.measured) == ("on", None, False)
    assert (state.hash_rate_ths, state.temperature_c) == (None, None)


def test_a_rate_that_one_board_does_not_tell_is_no_total() -> None:
    devs = DEVS.replace(b'"MHS 5s": 19773825.71692016,', b"")

    assert LUXOS.decode_state([CONFIG, POWER, devs], now_ns=7).hash_rate_ths is None


def test_without_its_config_there_is_no_state() -> None:
    with pytest.raises(Refused) as caught:
        LUXOS.decode_state([DENIED, POWER, DEVS], now_ns=7)
    with pytest.raises(Garbled):
        LUXOS.decode_state([POWER, POWER, DEVS], now_ns=7)

    assert caught.value.code == 45


def test_it_is_asked_for_reports_alone() -> None:
    asked = [b'{"command":"config"}', b'{"command":"power"}', b'{"command":"devs"}']

    assert asked_of(LUXOS, [CONFIG, POWER, DEVS]) == asked


@pytest.mark.parametrize(("step", "action"), [("off", "sleep"), ("on", "wakeup")])
def test_a_step_is_a_logon_then_the_action_with_the_session_first_then_a_logoff(step: str, action: str) -> None:
    talk = LUXOS.conversation(step)
    assert talk is not None

    session = talk.opened(_answer(316, "Session created", section='"SESSION":[{"SessionID":"yJN2nlj1"}],'))

    assert LUXOS.set_requests(step, None, 0) == (Request(b'{"command":"logon"}'),)
    assert session is not None
    assert session.verb == f'{{"command":"curtail","parameter":"yJN2nlj1,{action}"}}'.encode()
    assert session.close == b'{"command":"logoff","parameter":"yJN2nlj1"}'


@pytest.mark.parametrize(
    "session",
    [
        "",
        '"SESSION":[],',
        '"SESSION":[{}],',
        '"SESSION":[{"SessionID":""}],',
        '"SESSION":[{"SessionID":null}],',
        '"SESSION":[{"SessionID":"a,wakeup"}],',
        '"SESSION":[{"SessionID":"a b"}],',
        f'"SESSION":[{{"SessionID":"{"x" * 65}"}}],',
    ],
)
def test_a_session_whose_name_could_not_stand_in_a_request_is_none(session: str) -> None:
    talk = LUXOS.conversation("off")
    raw = _answer(316, "Session created", section=session)

    assert talk is not None
    assert talk.opened(raw) is None
    assert not talk.again(raw)
    assert LUXOS.decode_answer("off", raw).outcome == "garbled"


@pytest.mark.parametrize(
    ("raw", "outcome", "passes", "again"),
    [
        (_answer(335, "Curtailment command sent", section='"CURTAIL":[{"Action":"sleep mode"}],'), "ok", False, False),
        (_answer(335, "Curtailment command sent", "I"), "ok", False, False),
        (_answer(440, "Miner is already in sleep mode", "E"), "ok", False, False),
        (_answer(440, "Already curtailed", "W"), "ok", False, False),
        (_answer(402, "Another session is active", "E"), "refused", True, True),
        (_answer(402, "", "E"), "refused", True, True),
        (_answer(400, "Session in use already", "E"), "refused", True, True),
        (_answer(401, "Invalid session", "E"), "refused", True, True),
        (_answer(433, "Not supported", "E"), "refused", False, False),
        (_answer(335, "Curtailment command failed", "E"), "refused", False, False),
        (_answer(316, "Session created", "S"), "garbled", False, False),
        (kept(f"{S19}config.json"), "garbled", False, False),
        (b'{"SESSION":[{}]}\0', "garbled", False, False),
        (b'"E" <html>', "garbled", False, False),
        (b"", "garbled", False, False),
    ],
)
def test_an_answer_is_ok_refused_for_good_refused_for_now_or_garbled(
    raw: bytes, outcome: str, passes: bool, again: bool
) -> None:
    talk = LUXOS.conversation("off")
    verdict = LUXOS.decode_answer("off", raw)

    assert talk is not None
    assert (verdict.outcome, verdict.passes, talk.again(raw)) == (outcome, passes, again)


def test_a_refusal_keeps_its_code_and_words() -> None:
    detail = LUXOS.decode_answer("on", _answer(402, "Another session is active", "E")).detail

    assert detail == "code 402: Another session is active"
