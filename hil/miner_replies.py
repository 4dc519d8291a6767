"""What a stand-in miner answers: the cgminer API of one request per connection, in the form it was asked in.

Shapes, codes and texts are those recorded from cgminer 4.11.1, BFGMiner 5.5.0 and Canaan's firmware; the notes in
parentheses name the recording. JSON when the first byte is `{`, text otherwise; payload and one NUL, then the server
closes. A request is what one `recv` gave: split requests are refused with code 23, as the originals do.

Privileged verbs change the miner by `Miner.told`. `softoff`/`softon` name an instant of the miner's own clock. LuxOS
has replies of its own, in luxos_replies.py.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from hil import luxos_replies
from hil.luxos_replies import Answer, Value
from hil.miner import Miner

API_PORT = 4028
REQUEST_MAX = 4095  # cgminer reads at most this in its one recv; BFGMiner 8191, which no client needs


def reply(miner: Miner, dialect: str, request: bytes, now_ns: int) -> bytes:
    """The bytes that go back, NUL included."""
    as_json = request[:1] == b"{"
    command, parameter, wrong = _parse_json(request) if as_json else _parse_text(request)
    describe = _DESCRIPTION[dialect]
    if wrong is not None:
        return _encode([("", wrong)], describe, as_json)
    names = [name for name in dict.fromkeys(command.split("+")) if name] if "+" in command else [command]
    if not names:
        return b',"id":1}\0'
    answers = [(name, _one(miner, dialect, name, parameter, now_ns, joined=len(names) > 1)) for name in names]
    return _encode(answers, describe, as_json, joined="+" in command)


def is_write(request: bytes) -> bool:
    """Whether this request asks for anything else than a report: what an observing agent must never send."""
    command, _, wrong = _parse_json(request) if request[:1] == b"{" else _parse_text(request)
    return wrong is not None or not all(name in _REPORTS for name in command.split("+"))


def told_step(request: bytes) -> str | None:
    """ "off" or "on" when the request is a curtailing or a waking verb of any dialect, else None."""
    command, parameter, _ = _parse_json(request) if request[:1] == b"{" else _parse_text(request)
    if command in _SWITCHES:
        return _SWITCHES[command]
    if command == "curtail" and parameter is not None:
        return luxos_replies.ACTIONS.get(parameter.partition(",")[2].partition(",")[0])
    if command == "ascset" and parameter is not None:
        option, _, value = parameter.partition(",")[2].partition(",")
        if option == "hashpower":
            return "off" if value == "0" else None
        return {"softoff": "off", "softon": "on", "reboot": "on"}.get(option)
    return None


def _parse_json(request: bytes) -> tuple[str, str | None, Answer | None]:
    try:
        asked = json.loads(request)
    except ValueError:
        return "", None, Answer("E", 23, "Invalid JSON")
    command = asked.get("command")
    if not isinstance(command, str):
        missing = Answer("E", 24, "Missing JSON 'command'") if command is None else Answer("E", 14, "Invalid command")
        return "", None, missing
    parameter = asked.get("parameter")
    usable = isinstance(parameter, str | int | float) and not isinstance(parameter, bool)
    return command, str(parameter) if usable else None, None


def _parse_text(request: bytes) -> tuple[str, str | None, Answer | None]:
    command, bar, parameter = request.split(b"\0")[0].decode("utf-8", "replace").partition("|")
    return command, parameter if bar else None, None


def _one(miner: Miner, dialect: str, name: str, parameter: str | None, now_ns: int, *, joined: bool) -> Answer:
    if name in _REPORTS and name in _REPORTERS and dialect != "luxos":
        return _REPORTERS[name](miner, dialect, parameter, now_ns)
    if dialect == "luxos" and not (joined and name in luxos_replies.WRITES):
        return luxos_replies.answer(miner, name, parameter, now_ns)
    unit = _UNIT.get(dialect, "asc")
    if joined:
        known = name in _SWITCHES or name == "ascset" or name in luxos_replies.WRITES
        return Answer("E", 45, f"Access denied to '{name}' command") if known else Answer("E", 14, "Invalid command")
    if name in (f"{unit}disable", f"{unit}enable"):
        return _switch(miner, unit, name.endswith("enable"), parameter, now_ns)
    if name == "ascset" and dialect != "bfgminer":
        return _ascset(miner, dialect, parameter, now_ns)
    return Answer("E", 14, "Invalid command")


def _switch(miner: Miner, unit: str, on: bool, parameter: str | None, now_ns: int) -> Answer:
    """ascenable/ascdisable (codes 108-111) and pgaenable/pgadisable (61-64; bfgminer-5.5.0-local)."""
    first = 108 if unit == "asc" else 61
    if parameter is None:
        return Answer("E", 15, "Missing device id parameter")
    if parameter != "0":
        bad = 107 if unit == "asc" else 58
        return Answer("E", bad, f"Invalid {unit.upper()} id {parameter} - range is 0 - 0")
    already = miner.told_on is on
    miner.told(on, now_ns)
    if on:
        text = "already enabled" if already else "sent enable message"
        return Answer("I", first if already else first + 2, f"{unit.upper()} 0 {text}")
    text = "already disabled" if already else "set disable flag"
    return Answer("I", first + 1 if already else first + 3, f"{unit.upper()} 0 {text}")


def _ascset(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
    """Canaan's control (avalon-q-25052801, avalon-1066-19101244-text); plain cgminer has no option for this device."""
    unit, _, rest = (parameter or "").partition(",")
    option, _, value = rest.partition(",")
    if unit != "0":
        return Answer("E", 107, f"Invalid ASC id {unit} - range is 0 - 0")
    if dialect != "avalon":
        return Answer("E", 117, "ASC 0 does not support ascset")
    if option == "help":
        return Answer("I", 118, "ASC 0 set info: help|voltage|workmode|worklevel|reboot|softon|softoff|hashpower|")
    if option == "hashpower":
        if value == "0":
            miner.told(False, now_ns)
            return Answer("I", 118, "ASC 0 set info: Power off hash now ...")
        return Answer("I", 118, f"ASC 0 set info: {_power_supply(miner, now_ns)}")
    if option == "reboot":
        miner.told(True, now_ns)
        return Answer("S", 119, "ASC 0 set OK")
    kind, _, instant = value.partition(":")
    if option in ("softoff", "softon") and kind == "1" and instant.isdigit():
        delay_s = int(instant) - time.time()
        if delay_s <= 0:
            miner.told(option == "softon", now_ns)
        else:
            miner.due = (now_ns + round(delay_s * 1e9), option == "softon")
        return Answer("I", 118, f"ASC 0 set info: success {option}:{instant}")
    return Answer("E", 120, f"ASC 0 set failed: Unknown option: {option}")


def _version(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
    if dialect == "bfgminer":
        row: dict[str, Value] = {"Miner": "bfgminer 5.5.0-unknown", "CGMiner": "5.5.0-unknown", "API": "3.1"}
        return Answer("S", 22, "BFGMiner versions", "VERSION", (row,))
    row = {"CGMiner": "4.11.1", "API": "3.7"}
    if dialect == "avalon":
        row |= {"PROD": "AvalonMiner 1246", "MODEL": "1246", "HWTYPE": "MM3v2_X3", "SWTYPE": "MM310"}
        row |= {"LVERSION": "21072802_4ec6bb0", "BVERSION": "21072802_4ec6bb0", "CGVERSION": "21072802_211fc46"}
        row |= {"DNA": "02010000cbd2fd6d", "MAC": "b4a2eb000001"}
    return Answer("S", 22, "CGMiner versions", "VERSION", (row,))


def _summary(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
    mhs = round(miner.says_rate_ths(now_ns, lagging=True) * 1e6, 2)
    row: dict[str, Value] = {"Elapsed": now_ns // 10**9 % 10**6, "MHS av": mhs}
    row["MHS 20s" if dialect == "bfgminer" else "MHS 5s"] = mhs
    row |= {"Found Blocks": 0, "Getworks": 669, "Accepted": 1740, "Rejected": 2, "Hardware Errors": 10}
    row |= {"Utility": 5.8, "Total MH": 921456687985.0, "Work Utility": 716041.36, "Best Share": 459832747}
    return Answer("S", 11, "Summary", "SUMMARY", (row,))


def _devs(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
    unit = _UNIT[dialect].upper()
    mhs = round(miner.says_rate_ths(now_ns, lagging=True) * 1e6, 2)
    enabled = "Y" if dialect == "avalon" or miner.says_on() else "N"
    row: dict[str, Value] = {unit: 0, "Name": "AVALON" if dialect == "avalon" else "BTM", "ID": 0, "Enabled": enabled}
    row |= {"Status": "Alive", "Temperature": 0.0 if dialect == "avalon" else 61.5, "MHS av": mhs}
    row |= {"MHS 20s": mhs, "MHS rolling": mhs} if dialect == "bfgminer" else {"MHS 5s": mhs, "MHS 1m": mhs}
    row |= {"Accepted": 1740, "Rejected": 2, "Hardware Errors": 10, "Device Elapsed": now_ns // 10**9 % 10**6}
    return Answer("S", 9, f"1 {unit}(s)", "DEVS", (row,))


def _estats(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
    row: dict[str, Value] = {"STATS": 0, "ID": "POOL0", "Elapsed": now_ns // 10**9 % 10**6, "Calls": 0}
    if dialect == "avalon":
        row |= {"ID": "AVA100", "MM Count": 1, "MM ID0": _packed_state(miner, now_ns)}
    return Answer("S", 70, "BFGMiner stats" if dialect == "bfgminer" else "CGMiner stats", "STATS", (row,))


def _packed_state(miner: Miner, now_ns: int) -> str:
    """Canaan's state string (avalon-1246-21072802; the idle texts from avalon-q-25052801)."""
    on = miner.says_on()
    ghs = miner.says_rate_ths(now_ns, lagging=False) * 1000
    watts = round(miner.says_watts(now_ns))
    fan = 5344 if on else 0
    return (
        "Ver[1246-83-21072802_4ec6bb0_211fc46] DNA[02010000cbd2fd6d] MEMFREE[1201472.0] NETFAIL[0 0 0 0 0 0 0 0] "
        f"SYSTEMSTATU[Work: {'In Work' if on else 'In Idle'}, Hash Board: 3 ] Elapsed[{now_ns // 10**9 % 10**6}] "
        f"BOOTBY[0x08.00000000] LW[24558724] MH[999 697 1039] HW[2735] DH[2.732%] Temp[30] TMax[{77 if on else 0}] "
        f"TAvg[{65 if on else 0}] Fan1[{fan}] Fan2[{fan}] "
        f"FanR[{72 if on else 0}%] Vo[329] {_power_supply(miner, now_ns)} "
        f"GHSspd[{ghs:.2f}] DHspd[2.732%] GHSmm[83923.04] GHSavg[79656.63] WU[1112790.28] Freq[502.41] Led[0] "
        f"TA[360] Core[A3201] PING[443] POWS[0] SoftOFF[{0 if on else 4}] ECHU[0 0 0] ECMM[0] CRC[0 0 0] "
        f"WALLPOWER[{watts}] MPO[{round(miner.rated_w)}] WORKMODE[0] WORKLEVEL[0]"
    )


def _power_supply(miner: Miner, now_ns: int) -> str:
    """PS[error, control V, hash V, A, W out, set V, W at the wall]; volts in 10 mV."""
    wall_w = miner.says_watts(now_ns)
    on = miner.says_on()
    out_w = wall_w * 0.91 if on else 0.0  # 3,189 W out of 3,504 W (avalon-1246-21072802)
    return f"PS[0 1214 {1316 if on else 4} {round(out_w / 13.16)} {round(out_w)} 1320 {round(wall_w)}]"


def _count(unit: str) -> Callable[[Miner, str, str | None, int], Answer]:
    def counted(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
        count = 1 if _UNIT[dialect] == unit else 0
        code = 104 if unit == "asc" else 59
        return Answer("S", code, f"{unit.upper()} count", f"{unit.upper()}S", ({"Count": count},))

    return counted


def _check(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
    if parameter is None:
        return Answer("E", 71, "Missing check cmd")
    unit = _UNIT[dialect]
    known = parameter in _REPORTERS or parameter in (f"{unit}enable", f"{unit}disable")
    known = known or (parameter == "ascset" and dialect != "bfgminer")
    access = "Y" if known else "N"
    return Answer("S", 72, "Check command", "CHECK", ({"Exists": access, "Access": access},))


def _privileged(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
    return Answer("S", 46, "Privileged access OK")


def _pools(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
    row: dict[str, Value] = {"POOL": 0, "URL": "stratum+tcp://pool.example.com:4444", "Status": "Alive", "Priority": 0}
    return Answer("S", 7, "1 Pool(s)", "POOLS", (row,))


def _config(miner: Miner, dialect: str, parameter: str | None, now_ns: int) -> Answer:
    asics = 1 if _UNIT[dialect] == "asc" else 0
    row: dict[str, Value] = {"ASC Count": asics, "PGA Count": 1 - asics, "Pool Count": 1, "Strategy": "Failover"}
    return Answer("S", 33, "BFGMiner config" if dialect == "bfgminer" else "CGMiner config", "CONFIG", (row,))


_DESCRIPTION = {
    "luxos": luxos_replies.DESCRIPTION,
    "avalon": "cgminer 4.11.1",
    "cgminer": "cgminer 4.11.1",
    "bfgminer": "bfgminer 5.5.0",
}
DIALECTS = frozenset(_DESCRIPTION)
_UNIT = {"avalon": "asc", "cgminer": "asc", "bfgminer": "pga"}
_SWITCHES = {"ascdisable": "off", "ascenable": "on", "pgadisable": "off", "pgaenable": "on"}
_REPORTERS: dict[str, Callable[[Miner, str, str | None, int], Answer]] = {
    "version": _version,
    "summary": _summary,
    "devs": _devs,
    "edevs": _devs,
    "asc": _devs,
    "pga": _devs,
    "stats": _estats,
    "estats": _estats,
    "pools": _pools,
    "config": _config,
    "asccount": _count("asc"),
    "pgacount": _count("pga"),
    "check": _check,
    "privileged": _privileged,
}
_REPORTS = (
    frozenset(_REPORTERS)
    | luxos_replies.REPORTS
    | {"dbgstats", "devdetails", "notify", "coin", "usbstats", "lcd", "procs", "litestats"}
)


def _encode(answers: list[tuple[str, Answer]], describe: str, as_json: bool, *, joined: bool = False) -> bytes:
    if as_json:
        members = [_json_member(answer, describe) for _, answer in answers]
        if not joined:
            return _compact(members[0]) + b"\0"
        slots: dict[str, Any] = {name: [member] for (name, _), member in zip(answers, members, strict=True)}
        return _compact(slots | {"id": 1}) + b"\0"
    text = "".join((f"CMD={name}|" if joined else "") + _text_member(answer, describe) for name, answer in answers)
    return text.encode() + b"\0"


def _status(answer: Answer, describe: str) -> dict[str, Value]:
    """STATUS; cgminer leaves Description out with code 14 (cgminer-4.11.1-local bogus.json), BFGMiner does not."""
    row: dict[str, Value] = {
        "STATUS": answer.letter,
        "When": int(time.time()),
        "Code": answer.code,
        "Msg": answer.text,
    }
    if answer.code != 14 or describe.startswith("bfg"):
        row["Description"] = describe
    return row


def _json_member(answer: Answer, describe: str) -> dict[str, Any]:
    section = {answer.section: list(answer.rows)} if answer.section else {}
    return {"STATUS": [_status(answer, describe)], **section, "id": 1}


def _text_member(answer: Answer, describe: str) -> str:
    status = ",".join(f"{key}={value}" for key, value in _status(answer, describe).items())
    rows = [",".join(f"{key}={value}" for key, value in row.items()) for row in answer.rows]
    head = f"{answer.section}," if answer.section in ("VERSION", "SUMMARY", "CONFIG", "CHECK") else ""
    return "".join(f"{part}|" for part in [status, *(head + row for row in rows)])


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
