"""Miners of no family that is known, and those whose family the operator has not pinned: read, never told anything.

`unknown` reads what the cgminer API has everywhere: `summary` for a rate. `auto` asks for `version` as well and says in
its detail which family that points to, and what to write into site.toml; it changes nothing by itself, since what a
miner calls itself is not what its verbs are (old VNish and Hiveon call themselves Antminer).
"""

from drivers.errors import DeviceError, Garbled, Refused
from drivers.miners.cgminer import Section, decode_reply, encode_request, number
from drivers.miners.dialect import READ_ONLY, Conversation, DialectStep, Guarded, Poll, Request, Seen, State, Verdict
from drivers.miners.identify import UNKNOWN, identify

_RATES = {"MHS 5s": 1e-6, "MHS 20s": 1e-6, "GHS 5s": 1e-3, "MHS 1m": 1e-6, "GHS 1m": 1e-3}


class GenericDialect(Guarded, frozen=True, kw_only=True):
    """Read-only; `proposes` for auto."""

    name: str = "unknown"
    port: int = 4028
    proposes: bool = False
    verb_good_ns: int | None = None
    steps: tuple[DialectStep, ...] = READ_ONLY

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        detail = ""
        if self.proposes:
            heard = yield Request(encode_request("version"))
            detail = _proposal(identify(heard.raw))
        try:
            heard = yield Request(encode_request("summary"))
            reply = decode_reply(heard.raw)
        except DeviceError as fault:
            if not detail:
                raise
            return State(None, None, False, None, None, detail=f"{detail}; {fault.detail}")
        rows = reply.sections.get("SUMMARY", ())
        if not rows and not detail:
            if reply.status is not None and reply.status.letter in ("E", "F"):
                raise Refused("", reply.status.code or 0, reply.status.words)
            raise Garbled("", "no SUMMARY in an answer to summary", heard.raw[:4096])
        ths = _ths(rows[0]) if rows else None
        return State("on" if ths else None, None, False, ths, None, detail=detail, repairs=reply.repairs)

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        return ()

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        return Verdict("garbled", "nothing was asked of it")


def _proposal(family: str) -> str:
    if family == UNKNOWN:
        return "no family that is known; it is only read"
    return f'it calls itself {family}: write family = "{family}" to control it; until then it is only read'


def _ths(summary: Section) -> float | None:
    for key, per_ths in _RATES.items():
        rate = number(summary.get(key))
        if rate is not None:
            return rate * per_ths
    return None
