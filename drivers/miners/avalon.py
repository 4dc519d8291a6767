"""Canaan's Avalon miners: a cgminer 4.11.1 fork with its state packed into one string, and switched through `ascset`.

*MM* is a control unit; its string is `Key[values] Key[values] ..`, found under "MM ID0" (estats, stats) or
"MM ID0:Summary" (litestats, the Q). Values may hold spaces, colons, quotes and braces: the string is scanned for
`Name[...]`, never parsed.

Two ways of switching it off, told apart by what the firmware shows, and none for a firmware that shows neither:

    softoff,1:T   softon,1:T   firmware that has a SoftOFF key (A12, Q). T is a time of the MINER's clock, which on some
                               models counts from its start. We take the clock from the poll's `When` and ask for 5 s
                               from now, which is what every known client does; so the bytes go stale.
    hashpower,0   reboot,0     A10 (Ver[10..-..]). Waking is a reboot.

Whether it is off is believed in this order: the power supply says that it gives the hash boards nothing; SYSTEMSTATU
says idle; SYSTEMSTATU says "In Work". Rates and averages lag or never fall. Rejected: the SoftOFF number, which can be
a schedule that is still to come.

Power: WALLPOWER, else the seventh PS value, are sensors at the wall. The fifth PS value is what the supply gives out,
some 9 % less: told, but not as measured. MPO is a target and never told. Sources: the reference, section 7; recordings
of A1246 and Q; Canaan's A10 manual. More in AVALON_QUIRKS.md.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from drivers.errors import DeviceError, Garbled, Refused
from drivers.miners.cgminer import Reply, Status, decode_reply, encode_request, number
from drivers.miners.dialect import Conversation, DialectStep, Poll, Request, Seen, State, Verdict, read_all

_LEAD_S = 5
_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\[([^\]]*)\]")
_A10 = re.compile(r"10\d\d\b")
_REPORTS = ("estats", "stats", "litestats")
_HOT = ("TMax", "TAvg", "Temp", "ITemp", "HBITemp", "HBOTemp")
_PS_FAULTS = {
    1: "input undervoltage",
    2: "overtemperature",
    4: "overtemperature",
    8: "overtemperature",
    16: "input overcurrent",
    32: "output undervoltage",
    64: "output overcurrent",
    2048: "fan",
}
_HASH_V_MIN = 1.0  # hash boards run at 12 to 15 V; an idle Q shows 0.04 V

Unit = dict[str, str]


class AvalonDialect(Struct, frozen=True):
    """A10, A12 and Q; older ones are read but cannot be told anything."""

    name: str = "avalon"
    port: int = 4028
    # Off: 5 s ahead, then a ramp that nobody publishes. On: a restart of the hash boards, minutes [unproven].
    steps: tuple[DialectStep, ...] = (DialectStep("off", None, 15_000), DialectStep("on", 1.0, 300_000))
    verb_good_ns: int | None = 2_000_000_000  # of the 5 s ahead at least 3 s are left

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        return read_all(self.poll_requests(seen), self.decode_state)

    def poll_requests(self, seen: Seen | None) -> tuple[bytes, ...]:
        """The report that it is known to answer; until then all three that hold the string."""
        known = seen.report if seen else ""
        return tuple(encode_request(report) for report in ((known,) if known else _REPORTS))

    def decode_state(self, replies: Sequence[bytes], now_ns: int) -> State:
        faults: list[DeviceError] = []
        repairs = 0
        for raw in replies:
            try:
                reply = decode_reply(raw)
            except Garbled as fault:
                faults.append(fault)
                continue
            repairs += reply.repairs
            units = _units(reply)
            if units:
                return _state(units, reply.status, _report(reply), now_ns, repairs)
            faults.append(_without_units(reply.status, raw))
        raise next((fault for fault in faults if isinstance(fault, Garbled)), faults[0])

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        if seen is None:
            return ()
        if seen.verbs == "hashpower":
            return (Request(encode_request("ascset", "0,hashpower,0" if step == "off" else "0,reboot,0")),)
        if seen.verbs == "softoff" and seen.clock_s is not None:
            passed_s = -(-max(0, now_ns - seen.heard_ns) // 1_000_000_000)
            return (Request(encode_request("ascset", f"0,soft{step},1:{seen.clock_s + passed_s + _LEAD_S}")),)
        return ()

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        """119 says done. 118 is information, and also how an unknown option is answered: with the list of options."""
        try:
            status = decode_reply(reply).status
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        if status is None:
            return Verdict("garbled", "no status in the answer")
        words = status.words.lower()
        told = not ("|" in words or "fail" in words or "invalid" in words or "error" in words)
        taken = status.code == 119 or (status.code == 118 and told)
        return Verdict("ok" if taken else "refused", f"code {status.code}: {status.words}")


def scan_unit(packed: str) -> Unit:
    """The keys of one packed state string; of a key that comes twice, the first."""
    found: Unit = {}
    for match in _KEY.finditer(packed):
        found.setdefault(match.group(1), match.group(2).strip())
    return found


def _units(reply: Reply) -> list[Unit]:
    return [
        scan_unit(value)
        for section in reply.sections.values()
        for row in section
        for key, value in row.items()
        if key.startswith("MM ID") and isinstance(value, str) and "[" in value
    ]


def _report(reply: Reply) -> str:
    """Which of the reports this is: litestats names its string otherwise, stats tells of the pools as well."""
    keys = {key for section in reply.sections.values() for row in section for key in row}
    if any(key.startswith("MM ID") and key.endswith(":Summary") for key in keys):
        return "litestats"
    return "stats" if any(key.startswith("Pool ") for key in keys) else "estats"


def _without_units(status: Status | None, raw: bytes) -> DeviceError:
    if status is not None and status.letter in ("E", "F"):
        return Refused("", status.code or 0, status.words)
    return Garbled("", "no state string (MM ID) in a report", raw)


def _state(units: list[Unit], status: Status | None, report: str, now_ns: int, repairs: int) -> State:
    steps = {_unit_step(unit) for unit in units}
    watts, measured = _watts(units)
    rates = [_first(unit, "GHSspd", "GHSmm") for unit in units]
    hot = [degrees for unit in units for key in _HOT if (degrees := _first(unit, key) or 0) > 0]
    return State(
        step=steps.pop() if len(steps) == 1 else None,
        watts=watts,
        measured=measured,
        hash_rate_ths=None if None in rates else sum(rate for rate in rates if rate is not None) / 1000,
        temperature_c=max(hot, default=None),
        detail="; ".join(words for unit in units if (words := _detail(unit))),
        seen=Seen(
            verbs=_verbs(units),
            report=report,
            clock_s=None if status is None else status.when_s,
            heard_ns=now_ns,
        ),
        repairs=repairs,
    )


def _unit_step(unit: Unit) -> str | None:
    supply = _supply(unit)
    if supply and supply[2] / 100 < _HASH_V_MIN and supply[4] == 0:
        return "off"
    work = unit.get("SYSTEMSTATU", "").lower()
    if "idle" in work:
        return "off"
    return "on" if "in work" in work else None


def _supply(unit: Unit) -> list[float]:
    """PS[error, control V, hash V, A, W out, set V (, W at the wall)]; empty when the supply is silent (all 0)."""
    values = [number(value) for value in unit.get("PS", "").split()]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) >= 6 and known[1] > 0 else []


def _watts(units: list[Unit]) -> tuple[float | None, bool]:
    """The watts of all units, and whether all of them were measured at the wall."""
    total, measured = 0.0, True
    for unit in units:
        supply = _supply(unit)
        at_wall = _first(unit, "WALLPOWER")
        if at_wall is None and len(supply) > 6:
            at_wall = supply[6]
        if at_wall is None and not supply:
            return None, False
        total += supply[4] if at_wall is None else at_wall
        measured = measured and at_wall is not None
    return total, measured


def _verbs(units: list[Unit]) -> str:
    """What switches it: only what the firmware itself shows that it knows, and only where there is one unit to tell."""
    if len(units) != 1:
        return ""
    if "SoftOFF" in units[0]:
        return "softoff"
    return "hashpower" if _A10.match(units[0].get("Ver", "")) else ""


def _detail(unit: Unit) -> str:
    supply = _supply(unit)
    faults = int(supply[0]) if supply and 0 <= supply[0] < 1 << 31 else 0
    names = dict.fromkeys(name for bit, name in _PS_FAULTS.items() if faults & bit)
    words = [unit["SYSTEMSTATU"]] if "SYSTEMSTATU" in unit else []
    return ", ".join(words + [f"power supply: {name}" for name in names])


def _first(unit: Unit, *keys: str) -> float | None:
    return next((found for key in keys if (found := number(unit.get(key))) is not None), None)
