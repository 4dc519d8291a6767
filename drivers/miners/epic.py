"""ePIC PowerPlay: HTTP on port 4028, where others have the cgminer API. Reads are open, a verb carries the password.

    GET  /summary                                    -> Status."Operating State", watts (measured), rates
    POST /miner {"param":"Stop","password":".."}     -> {"result":true,"error":null}; "Autostart" resumes

HTTP says 200 whatever happened: the answer is in `result` and `error`. No token, nothing to keep warm.

No perpetualtune target is set: a new one tunes for a quarter of an hour. More in EPIC_QUIRKS.md. Sources: the vendor's
OpenAPI (the reference, section 9), a recording.
"""

from drivers.errors import Garbled, Refused
from drivers.miners.cgminer import number
from drivers.miners.dialect import READ_ONLY, Conversation, DialectStep, Guarded, Poll, Request, Seen, State, Verdict
from drivers.miners.http import decode_http, encode_http, encode_json, json_object, rows, text, verdict, within

# No times are published; waking goes through PreInitCooldown and AdjustingClockVoltage, minutes.
_STEPS = (DialectStep("off", None, 30_000), DialectStep("on", 1.0, 600_000))
_PARAMS = {"off": "Stop", "on": "Autostart"}
_STATES = {"Mining": "on", "Idling": "off"}


class EpicDialect(Guarded, frozen=True, kw_only=True):
    """ePIC PowerPlay."""

    name: str = "epic"
    port: int = 4028
    verb_good_ns: int | None = None

    @property
    def steps(self) -> tuple[DialectStep, ...]:
        return READ_ONLY if self.account.password is None else _STEPS

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        heard = yield encode_http("GET", "/summary")
        reply = decode_http(heard.raw)
        if reply.status != 200:
            raise Refused("", reply.status, reply.words)
        body, repairs = json_object(reply)
        told = text(within(body, "Status", "Operating State"))
        if not told:
            raise Garbled("", "no Operating State in a summary", reply.body[:4096])
        boards = rows(body.get("HBs"))
        rates = [number(within(board, "Hashrate", 0)) for board in boards]
        known = [rate for rate in rates if rate is not None]
        hot = [number(board.get("Temperature")) or 0.0 for board in boards]
        watts = number(within(body, "Power Supply Stats", "Input Power"))
        error = text(within(body, "Status", "Last Error"))
        words = ([] if told in _STATES else [told]) + ([f"last error: {error}"] if error else [])
        return State(
            step=_STATES.get(told),
            watts=watts,
            measured=watts is not None,
            hash_rate_ths=sum(known) / 1e6 if len(known) == len(rates) else None,
            temperature_c=max((degrees for degrees in hot if degrees > 0), default=None),
            detail=", ".join(words),
            repairs=repairs,
        )

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        """Known without a poll."""
        if self.account.password is None:
            return ()
        return (encode_json("POST", "/miner", {"param": _PARAMS[step], "password": str(self.account.password)}),)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            answer = decode_http(reply)
            said = verdict(answer)
            if said is not None:
                return Verdict(said.outcome, said.detail)  # its password does not get better by waiting
            body, _ = json_object(answer)
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        if body.get("result") is True:
            return Verdict("ok", answer.words)
        return Verdict("refused" if body.get("result") is False else "garbled", answer.words)
