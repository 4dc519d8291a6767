"""What a LuxOS stand-in answers beside the common reports: sessions, curtail, and its own reports.

Codes and texts of logon, session, curtail and power are the vendor's (docs.luxor.tech), the shapes of reports those of
an S19k Pro (luxos-s19kpro-2025.4.8). Guesses, marked below: what logoff answers, how a wrong session is refused, and
the word that CurtailMode has asleep.

One session a miner; it lapses a minute after its last use. While it is open a logon is refused with 402.
"""

from typing import NamedTuple

from hil.miner import Miner

Value = str | float | bool
DESCRIPTION = "LUXminer 2025.4.8.220305-57b389c7"
ACTIONS = {"sleep": "off", "wakeup": "on"}
REPORTS = frozenset({"power", "temps", "fans", "session", "limits", "profiles", "events", "atm"})
WRITES = frozenset({"logon", "logoff", "curtail"})
_BOARDS = 3


class Answer(NamedTuple):
    """One command's outcome: status letter, code, text, and the section that a report has."""

    letter: str
    code: int
    text: str
    section: str = ""
    rows: tuple[dict[str, Value], ...] = ()


def answer(miner: Miner, name: str, parameter: str | None, now_ns: int) -> Answer:
    """What it answers to one command."""
    session = miner.session
    if name == "logon":
        if session.active(now_ns):
            return Answer("E", 402, "Another session is active")
        return Answer("S", 316, "Session created", "SESSION", ({"SessionID": session.open(now_ns)},))
    if name == "session":
        shown = session.name if session.active(now_ns) else ""
        return Answer("S", 319, "Session information", "SESSION", ({"SessionID": shown},))
    if name in ("logoff", "curtail"):
        who, _, rest = (parameter or "").partition(",")
        if not session.use(who, now_ns):
            return Answer("E", 401, "Invalid session")  # a guess
        if name == "logoff":
            session.end()
            return Answer("S", 317, "Session terminated")  # a guess
        return _curtail(miner, rest, now_ns)
    return _report(miner, name, now_ns)


def _curtail(miner: Miner, action: str, now_ns: int) -> Answer:
    if miner.session.forgets:
        miner.session.end()
        miner.session.forgets = False
        return Answer("E", 401, "Invalid session")  # a guess
    if miner.session.refuses:
        return Answer("E", 433, "Curtailment is not allowed")  # a guess
    if action not in ACTIONS:
        return Answer("E", 433, f"Invalid curtail action '{action}'")  # a guess
    miner.told(ACTIONS[action] == "on", now_ns)
    said = "sleep mode" if action == "sleep" else "wake up"
    return Answer("S", 335, "Curtailment command sent", "CURTAIL", ({"Action": said},))


def _report(miner: Miner, name: str, now_ns: int) -> Answer:
    ghs = round(miner.says_rate_ths(now_ns, lagging=True) * 1000, 2)
    elapsed = now_ns // 10**9 % 10**6
    on = miner.says_on()
    if name == "version":
        row: dict[str, Value] = {"API": "3.7", "LUXminer": "2025.4.8.220305-57b389c7", "Type": "Antminer S19k Pro"}
        return Answer("S", 22, "LUXminer versions", "VERSION", (row,))
    if name == "config":
        row = {"ASC Count": _BOARDS, "CurtailMode": "None" if on else "Sleep", "IsAtmEnabled": True}  # asleep: a guess
        row |= {"IsPowerSupplyOn": on, "Model": "Antminer S19k Pro", "OS": "LuxOS", "SystemStatus": "Normal"}
        return Answer("S", 33, "LUXminer config", "CONFIG", (row,))
    if name == "power":
        row = {"PSU": True, "Watts": round(miner.says_watts(now_ns))}
        return Answer("S", 311, "Power usage", "POWER", (row,))
    if name == "summary":
        row = {"Accepted": 1483, "Elapsed": elapsed, "GHS 5s": ghs, "GHS av": ghs, "Hardware Errors": 0, "Rejected": 1}
        return Answer("S", 11, "Summary", "SUMMARY", (row,))
    if name == "devs":
        mhs = round(ghs * 1000 / _BOARDS, 2)
        boards: tuple[dict[str, Value], ...] = tuple(
            {"ASC": at, "Enabled": "Y", "Status": "Alive", "MHS 5s": mhs, "Temperature": 47.0 if on else 28.0}
            for at in range(_BOARDS)
        )
        return Answer("S", 9, f"{_BOARDS} ASC(s)", "DEVS", boards)
    return Answer("E", 14, "Invalid command")
