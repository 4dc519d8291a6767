"""Bitaxe (AxeOS), HTTP 80, no password: it answers private addresses alone.

    GET  /api/system/info             -> power W (measured), hashRate GH/s, temp
    POST /api/system/pause | resume   from 2.14 on; older firmware says 404, which is a refusal

State is the rate: 0 is off. Frequency and voltage are kept in flash and never sent. More in BITAXE_QUIRKS.md. Sources:
bitaxeorg/ESP-Miner (the reference, section 11), a recording that reads like documentation.
"""

from drivers.errors import Garbled, Refused
from drivers.miners.cgminer import first_number, number
from drivers.miners.dialect import Conversation, DialectStep, Guarded, Poll, Request, Seen, State, Verdict
from drivers.miners.http import decode_http, encode_http, json_object, text, verdict

_STEPS = (DialectStep("off", None, 15_000), DialectStep("on", 1.0, 30_000))  # seconds, unverified
_VERBS = {"off": "pause", "on": "resume"}


class BitaxeDialect(Guarded, frozen=True, kw_only=True):
    """AxeOS."""

    name: str = "bitaxe"
    port: int = 80
    verb_good_ns: int | None = None
    steps: tuple[DialectStep, ...] = _STEPS

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        heard = yield encode_http("GET", "/api/system/info")
        reply = decode_http(heard.raw)
        if reply.status != 200:
            raise Refused("", reply.status, reply.words)
        body, repairs = json_object(reply)
        ghs = first_number(body, "hashRate", "hashRate_1m")
        if ghs is None and "ASICModel" not in body:
            raise Garbled("", "not what this firmware tells of itself", reply.body[:4096])
        watts = number(body.get("power"))
        hot = number(body.get("temp"))
        overheated = number(body.get("overheat_mode"))
        return State(
            step=None if ghs is None else "on" if ghs > 0 else "off",
            watts=watts,
            measured=watts is not None,
            hash_rate_ths=None if ghs is None else ghs / 1000,
            temperature_c=hot if hot and hot > 0 else None,
            detail=", ".join([text(body.get("ASICModel"))] + (["overheated"] if overheated else [])),
            repairs=repairs,
        )

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        """Known without a poll."""
        return (encode_http("POST", f"/api/system/{_VERBS[step]}"),)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            answer = decode_http(reply)
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        said = verdict(answer)
        return Verdict("ok", answer.words) if said is None else Verdict(said.outcome, said.detail)
