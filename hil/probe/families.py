"""Miner families as far as a probe knows them: how to tell one, read its state, put it to sleep and wake it.

A family is one row of FAMILIES; one that is named in SIGNS alone is recognised and measured, but not switched. Sources:
the recordings in tests/captures/miners and the vendors' documents (Canaan's softoff; docs.luxor.tech: logon, curtail).
Written by itself, without a look at the agent's dialects.
"""

import re
from collections.abc import Callable, Sequence

from msgspec import Struct, structs

from hil.probe.miner_reply import MinerReply, number, read_reply
from hil.probe.miner_wire import MinerLink, Said, json_request

UNKNOWN = "unknown"
SIGNS = (
    ("braiins", r"BOSMINER|BOSER"),
    ("whatsminer", r"BTMINER|BITMICRO|WHATSMINER"),
    ("luxos", r"LUXMINER|LUXOS"),
    ("hiveon", r"HIVEON"),
    ("mara", r"KAONSU"),
    ("avalon", r"AVALON|\bMM3V"),
    ("auradine", r"GCMINER|FLUXOS"),
    ("vnish", r"VNISH"),
    ("antminer", r"ANTMINER"),
    ("bfgminer", r"BFGMINER"),
    ("epic", r"^HTTP/"),
    ("cgminer", r"CGMINER"),
)
AVALON_LEAD_S = 5  # every known client names an instant this far ahead


class State(Struct, frozen=True):
    """What a miner says of itself; None is "it does not say"."""

    on: bool | None
    watts: float | None
    rate_ths: float | None


class Told(Struct, frozen=True):
    """One verb and its answer."""

    asked_ns: int  # its last byte was handed over
    answered_ns: int
    taken: bool
    words: str
    lead_s: float = 0.0  # it names an instant so far ahead


class Family(Struct, frozen=True):
    """One row."""

    name: str
    reports: tuple[str, ...]  # what tells its state
    state: Callable[[Sequence[MinerReply]], State]
    tell: Callable[[MinerLink, bool], list[Told]]


def family_name(version: str) -> str:
    """What an answer to `version` points to."""
    said = version.upper()
    return next((name for name, sign in SIGNS if re.search(sign, said)), UNKNOWN)


def read_state(link: MinerLink, family: Family) -> State:
    """Asks for its reports."""
    return family.state([read_reply(link.ask(json_request(report)).body) for report in family.reports])


def _enabled(replies: Sequence[MinerReply]) -> State:
    """cgminer and BFGMiner: `Enabled` is what is intended, and watts are not told."""
    devices = [row for row in replies[0].rows if "Enabled" in row]
    on = all(row["Enabled"] == "Y" for row in devices) if devices else None
    mhs = replies[0].total("MHS 5s")
    mhs = replies[0].total("MHS 20s") if mhs is None else mhs
    return State(on, None, None if mhs is None else mhs / 1e6)


def _tell_devices(link: MinerLink, on: bool) -> list[Told]:
    devices = read_reply(link.ask(json_request("devs")).body)
    names = [(unit.lower(), row[unit]) for row in devices.rows for unit in ("ASC", "PGA") if unit in row]
    verb = "enable" if on else "disable"
    return [_told(link.ask(json_request(f"{unit}{verb}", str(at)))) for unit, at in names]


def _avalon(replies: Sequence[MinerReply]) -> State:
    """One string of Key[values]; the seventh value of PS is the wall's watts."""
    text = next((reply.text for reply in replies if "SYSTEMSTATU" in reply.text), "")
    work = re.search(r"SYSTEMSTATU\[Work: In (\w+)", text)
    supply = re.search(r" PS\[([\d\s.-]*)\]", text)
    values = supply[1].split() if supply else []
    speed = re.search(r"GHSspd\[([\d.]+)\]", text)
    return State(
        on=None if work is None else work[1] == "Work",
        watts=number(values[6]) if len(values) > 6 else None,
        rate_ths=float(speed[1]) / 1000 if speed else None,
    )


def _tell_avalon(link: MinerLink, on: bool) -> list[Told]:
    """softoff and softon name an instant of the miner's own clock, which its replies tell to the second."""
    said = link.ask(json_request("version"))
    when_s = read_reply(said.body).when_s
    if when_s is None:
        return [structs.replace(_told(said), taken=False, words="it does not tell its clock")]
    verb = "softon" if on else "softoff"
    said = link.ask(json_request("ascset", f"0,{verb},1:{when_s + AVALON_LEAD_S}"))
    return [_told(said, AVALON_LEAD_S)]


def _luxos(replies: Sequence[MinerReply]) -> State:
    config, power, devices = replies
    mode, watts, mhs = config.first("CurtailMode"), number(power.first("Watts")), devices.total("MHS 5s")
    on = None if mode is None else mode == "None"
    return State(on, watts, None if mhs is None else mhs / 1e6)


def _tell_luxos(link: MinerLink, on: bool) -> list[Told]:
    """A session of its own for each verb, ended at once; it would lapse a minute after its last use."""
    said = link.ask(json_request("logon"))
    session = read_reply(said.body).first("SessionID")
    if not isinstance(session, str) or not re.fullmatch(r"[\w-]{1,64}", session):
        return [structs.replace(_told(said), taken=False)]
    try:
        return [_told(link.ask(json_request("curtail", f"{session},{'wakeup' if on else 'sleep'}")))]
    finally:
        link.ask(json_request("logoff", session))


def _told(said: Said, lead_s: float = 0.0) -> Told:
    answer = read_reply(said.body)
    words = f"{answer.letter} {answer.code} {answer.words}" if said.reply else f"no answer ({said.ending})"
    return Told(said.asked_ns, said.answered_ns, answer.taken, words, lead_s)


FAMILIES = {
    row.name: row
    for row in (
        Family("avalon", ("estats", "litestats"), _avalon, _tell_avalon),
        Family("bfgminer", ("devs",), _enabled, _tell_devices),
        Family("cgminer", ("devs",), _enabled, _tell_devices),
        Family("luxos", ("config", "power", "devs"), _luxos, _tell_luxos),
    )
}
