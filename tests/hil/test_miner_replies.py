"""Stand-in replies beside the recordings of the programs they stand in for (tests/captures/miners)."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from hil.miner import Lie, Miner, load_families
from hil.miner_replies import is_write, reply, told_step

_CAPTURES = Path(__file__).parent.parent / "captures" / "miners"
_FAMILIES = load_families()
_S = 1_000_000_000


def _miner(dialect: str) -> Miner:
    return Miner("127.9.9.1", _FAMILIES[dialect], 3300.0, "seed")


def _asked(dialect: str, request: bytes, miner: Miner | None = None) -> Any:
    raw = reply(miner or _miner(dialect), dialect, request, _S)
    assert raw.endswith(b"\0")
    return json.loads(raw[:-1])


def _shape(value: Any) -> Any:
    """A reply without what changes from one to the next."""
    if isinstance(value, dict):
        return {key: _shape(member) for key, member in value.items() if key not in ("When",)}
    return [_shape(member) for member in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("dialect", "folder", "capture", "request_bytes"),
    [
        ("cgminer", "cgminer-4.11.1-local", "version.json", b'{"command":"version"}'),
        ("cgminer", "cgminer-4.11.1-local", "bogus.json", b'{"command":"bogus"}'),
        ("cgminer", "cgminer-4.11.1-local", "bad-json.json", b'{"command":"summary"'),
        ("cgminer", "cgminer-4.11.1-local", "no-command.json", b'{"parameter":"0"}'),
        ("cgminer", "cgminer-4.11.1-local", "check-summary.json", b'{"command":"check","parameter":"summary"}'),
        ("cgminer", "cgminer-4.11.1-local", "check-bogus.json", b'{"command":"check","parameter":"bogus"}'),
        ("cgminer", "cgminer-4.11.1-local", "check-noparam.json", b'{"command":"check"}'),
        ("cgminer", "cgminer-4.11.1-local", "privileged.json", b'{"command":"privileged"}'),
        ("cgminer", "cgminer-4.11.1-local", "pgacount.json", b'{"command":"pgacount"}'),
        ("bfgminer", "bfgminer-5.5.0-local", "version.json", b'{"command":"version"}'),
        ("bfgminer", "bfgminer-5.5.0-local", "pgacount.json", b'{"command":"pgacount"}'),
        ("bfgminer", "bfgminer-5.5.0-local", "bogus.json", b'{"command":"bogus"}'),
        ("bfgminer", "bfgminer-5.5.0-local", "pgadisable-0.json", b'{"command":"pgadisable","parameter":"0"}'),
    ],
)
def test_a_reply_is_the_recorded_one_but_for_its_clock(
    dialect: str, folder: str, capture: str, request_bytes: bytes
) -> None:
    recorded = json.loads((_CAPTURES / folder / capture).read_bytes().rstrip(b"\0"))

    assert _shape(_asked(dialect, request_bytes)) == _shape(recorded)


def test_a_disabled_bfgminer_answers_as_the_recorded_one() -> None:
    miner = _miner("bfgminer")
    folder = _CAPTURES / "bfgminer-5.5.0-local"

    def said(verb: str) -> Any:
        return _asked("bfgminer", b'{"command":"%s","parameter":"0"}' % verb.encode(), miner)

    for verb, capture in (
        ("pgadisable", "pgadisable-0.json"),
        ("pgadisable", "pgadisable-0-again.json"),
        ("pgaenable", "pgaenable-0.json"),
        ("pgaenable", "pgaenable-0-again.json"),
    ):
        recorded = json.loads((folder / capture).read_bytes().rstrip(b"\0"))
        assert _shape(said(verb)) == _shape(recorded)


@pytest.mark.parametrize("capture", ["devs.json", "summary.json"])
def test_a_report_has_only_members_that_were_recorded(capture: str) -> None:
    recorded = json.loads((_CAPTURES / "bfgminer-5.5.0-local" / capture).read_bytes().rstrip(b"\0"))
    section = capture.removesuffix(".json").upper()

    said = _asked("bfgminer", b'{"command":"%s"}' % capture.removesuffix(".json").encode())

    assert set(said[section][0]) <= set(recorded[section][0]) | {"Temperature"}  # a CPU has none; ASIC drivers do


def test_the_text_form_is_answered_in_text() -> None:
    recorded = (_CAPTURES / "cgminer-4.11.1-local" / "version.txt").read_bytes()

    said = reply(_miner("cgminer"), "cgminer", b"version", _S)

    assert said.split(b",", 2)[2] == recorded.split(b",", 2)[2]  # behind STATUS=S and When=...


def test_a_join_refuses_a_verb_in_its_own_slot() -> None:
    said = _asked("cgminer", b'{"command":"version+ascdisable+bogus"}')

    assert said["version"][0]["STATUS"][0]["Code"] == 22
    assert said["ascdisable"][0]["STATUS"][0]["Code"] == 45
    assert said["bogus"][0]["STATUS"][0]["Code"] == 14


def test_an_avalon_stops_at_the_time_it_was_given_and_not_before() -> None:
    miner = _miner("avalon")
    stop_s = int(time.time()) + 5

    said = _asked("avalon", b'{"command":"ascset","parameter":"0,softoff,1:%d"}' % stop_s, miner)

    assert said["STATUS"][0]["Code"] == 118
    assert said["STATUS"][0]["Msg"] == f"ASC 0 set info: success softoff:{stop_s}"
    assert miner.hashing
    assert miner.due is not None
    assert miner.due[1] is False
    assert 4 * _S < miner.due[0] <= 6 * _S


def test_an_avalon_shows_what_it_draws_and_that_it_idles() -> None:
    miner = _miner("avalon")
    miner.told(False, 0)

    packed = reply(miner, "avalon", b'{"command":"estats"}', 60 * _S)

    for piece in (b"SYSTEMSTATU[Work: In Idle", b"GHSspd[0.00]", b"SoftOFF[4]", b"WALLPOWER[146]"):
        assert piece in packed


def test_a_liar_says_that_it_is_off_and_draws_on() -> None:
    miner = _miner("cgminer")
    miner.lie = Lie.LIAR

    _asked("cgminer", b'{"command":"ascdisable","parameter":"0"}', miner)

    assert _asked("cgminer", b'{"command":"devs"}', miner)["DEVS"][0]["Enabled"] == "N"
    assert miner.watts(60 * _S) == 3300.0


def test_a_deaf_one_acknowledges_and_says_that_it_is_still_on() -> None:
    miner = _miner("cgminer")
    miner.lie = Lie.DEAF

    said = _asked("cgminer", b'{"command":"ascdisable","parameter":"0"}', miner)

    assert said["STATUS"][0]["Code"] == 111
    assert _asked("cgminer", b'{"command":"devs"}', miner)["DEVS"][0]["Enabled"] == "Y"


@pytest.mark.parametrize(
    ("request_bytes", "write", "step"),
    [
        (b'{"command":"estats"}', False, None),
        (b"summary+devs", False, None),
        (b'{"command":"ascdisable","parameter":"0"}', True, "off"),
        (b"pgaenable|0", True, "on"),
        (b'{"command":"ascset","parameter":"0,softoff,1:1753434821"}', True, "off"),
        (b"ascset|0,hashpower,0", True, "off"),
        (b"ascset|0,reboot,0", True, "on"),
        (b'{"command":"summary+quit"}', True, None),
        (b"\x00\x01rubbish", True, None),
    ],
)
def test_what_is_not_a_report_counts_as_a_write(request_bytes: bytes, write: bool, step: str | None) -> None:
    assert is_write(request_bytes) is write
    assert told_step(request_bytes) == step


def _lux(command: str, parameter: str | None = None) -> bytes:
    return json.dumps({"command": command} | ({"parameter": parameter} if parameter else {})).encode()


def test_luxos_has_one_session_and_it_is_had_by_logon_used_by_curtail_and_ended_by_logoff() -> None:
    miner = _miner("luxos")
    opened = _asked("luxos", _lux("logon"), miner)
    name = opened["SESSION"][0]["SessionID"]

    turned_away = _asked("luxos", _lux("logon"), miner)
    slept = _asked("luxos", _lux("curtail", f"{name},sleep"), miner)
    mode = _asked("luxos", _lux("config"), miner)["CONFIG"][0]["CurtailMode"]
    ended = _asked("luxos", _lux("logoff", name), miner)
    too_late = _asked("luxos", _lux("curtail", f"{name},wakeup"), miner)
    again = _asked("luxos", _lux("logon"), miner)

    codes = [said["STATUS"][0]["Code"] for said in (opened, turned_away, slept, ended, too_late, again)]
    assert codes == [316, 402, 335, 317, 401, 316]
    assert slept["CURTAIL"] == [{"Action": "sleep mode"}]
    assert mode == "Sleep"
    assert not miner.told_on
    assert again["SESSION"][0]["SessionID"] != name


def test_a_luxos_session_lapses_a_minute_after_its_last_use() -> None:
    miner = _miner("luxos")
    name = miner.session.open(0)

    used = [miner.session.use(name, at_s * _S) for at_s in (59, 118)]

    assert used == [True, True]
    assert miner.session.active(177 * _S)
    assert not miner.session.active(178 * _S)
    assert not miner.session.use(name, 178 * _S)


@pytest.mark.parametrize("report", ["config", "power", "devs", "summary", "version"])
def test_a_luxos_report_has_no_keys_or_codes_that_the_recorded_one_has_not(report: str) -> None:
    recorded = json.loads((_CAPTURES / "luxos-s19kpro-2025.4.8" / f"{report}.json").read_bytes())
    said = _asked("luxos", _lux(report))

    assert said["STATUS"][0]["Code"] == recorded["STATUS"][0]["Code"]
    assert said["STATUS"][0]["Msg"] == recorded["STATUS"][0]["Msg"]
    assert set(said) == set(recorded)
    for name in set(said) - {"STATUS", "id"}:
        assert set(said[name][0]) <= set(recorded[name][0])


def test_luxos_sessions_and_verbs_are_writes_and_its_reports_are_none() -> None:
    assert all(is_write(_lux(name)) for name in ("logon", "logoff", "curtail"))
    assert not any(is_write(_lux(name)) for name in ("config", "power", "devs", "summary", "version", "session"))
    assert [told_step(_lux("curtail", f"x,{action}")) for action in ("sleep", "wakeup", "dance")] == ["off", "on", None]
    assert told_step(_lux("logon")) is None
