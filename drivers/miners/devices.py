"""Plain cgminer and BFGMiner: what hashes is a list of devices, each switched by a verb of its own.

*ASC* and *PGA* are the two kinds of device. cgminer answers to `ascdisable`, BFGMiner to `pgadisable` alone; which one
a device takes is what `devs` calls it, so one dialect does for both. A verb names one device and a request holds one
verb: a miner with three devices takes three requests.

State is read from `Enabled`, which says what the miner intends: it flips at once, while `Status` stays "Alive" and
`MHS rolling` keeps its last value (BFGMiner 5.5.0, measured: the load is gone after 1-5 s, in 3 of 11 cycles not within
15 s). There is no power figure at all. More in CGMINER_QUIRKS.md.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from drivers.errors import Garbled, Refused
from drivers.miners.cgminer import Section, decode_reply, encode_request, number
from drivers.miners.dialect import Conversation, DialectStep, Poll, Request, Seen, State, Verdict, read_all

# Per verb, the codes that say the device is, or was already, as asked (reference 1.4).
_TAKEN = {"off": {64, 62, 111, 109}, "on": {63, 61, 110, 108}}
_VERBS = {"off": "disable", "on": "enable"}
_NO_DEVICES = 10
_SHORT_RATE = re.compile(r"([MGT]HS) (\d+)s")
_PER_THS = {"MHS": 1e-6, "GHS": 1e-3, "THS": 1.0}


class DeviceDialect(Struct, frozen=True):
    """cgminer or BFGMiner, as upstream publishes them."""

    name: str
    port: int = 4028
    # Off: 1.0-5.3 s in 8 of 11 measured cycles, over 15 s in 3. On: at most 0.25 s.
    steps: tuple[DialectStep, ...] = (DialectStep("off", None, 15_000), DialectStep("on", 1.0, 1_000))
    verb_good_ns: int | None = None

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        return read_all((encode_request("devs"),), self.decode_state)

    def decode_state(self, replies: Sequence[bytes], now_ns: int) -> State:
        reply = decode_reply(replies[0])
        rows = [row for section in reply.sections.values() for row in section if _device(row)]
        if not rows:
            status = reply.status
            if status is None or status.letter != "E":
                raise Garbled("", "no device in an answer to devs", replies[0])
            if status.code != _NO_DEVICES:
                raise Refused("", status.code or 0, status.words)
            return State(None, None, False, None, None, detail="it has no devices", repairs=reply.repairs)
        return State(
            step=_step(rows),
            watts=None,
            measured=False,
            hash_rate_ths=_total([_rate_ths(row) for row in rows]),
            temperature_c=max((hot for row in rows if (hot := number(row.get("Temperature")) or 0) > 0), default=None),
            detail=", ".join(
                f"{_device(row)} {row['Status']}" for row in rows if row.get("Status", "Alive") != "Alive"
            ),
            seen=Seen(devices=tuple(_device(row) for row in rows), verbs="enable"),
            repairs=reply.repairs,
        )

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        devices = seen.devices if seen else ()
        return tuple(Request(encode_request(device[:3] + _VERBS[step], device[3:])) for device in devices)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            status = decode_reply(reply).status
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        if status is None:
            return Verdict("garbled", "no status in the answer")
        return Verdict("ok" if status.code in _TAKEN[step] else "refused", f"code {status.code}: {status.words}")


def _device(row: Section) -> str:
    """ "asc0", "pga1"; empty for what is no device that can be switched."""
    for kind in ("ASC", "PGA"):
        found = number(row.get(kind))
        if found is not None and found >= 0 and "Enabled" in row:
            return f"{kind.lower()}{int(found)}"
    return ""


def _step(rows: list[Section]) -> str | None:
    """On or off when every device says the same."""
    said = {str(row["Enabled"]).upper() for row in rows}
    return {"Y": "on", "N": "off"}.get(said.pop()) if len(said) == 1 else None


def _rate_ths(row: Section) -> float | None:
    """The rate over the shortest time that the device tells: the average since the start says nothing of now."""
    spans = [(int(match.group(2)), key, match.group(1)) for key in row if (match := _SHORT_RATE.fullmatch(key))]
    for _, key, unit in sorted(spans):
        rate = number(row[key])
        if rate is not None:
            return rate * _PER_THS[unit]
    return None


def _total(rates: list[float | None]) -> float | None:
    """The sum, None as soon as one of them is not known."""
    known = [rate for rate in rates if rate is not None]
    return sum(known) if len(known) == len(rates) else None
