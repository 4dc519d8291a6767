"""VNish (AnthillOS), HTTP 80: reads are open, verbs need a token that its password unlocks.

    POST /api/v1/unlock {"pw":".."}         -> {"token":".."}; 403 wrong password, 429 too many tries
    GET  /api/v1/summary                    -> miner.miner_status.miner_state, power_usage W, hr_realtime GH/s
    POST /api/v1/mining/stop | start        -> 200 and nothing

A token is fetched by a poll and kept until a verb is answered 401. After a refusal the password is not tried for five
minutes: this firmware counts the tries. Watts are measured where the power supply says that it meters.

Presets and throttling are not sent: a preset restarts mining and may tune for hours. More in VNISH_QUIRKS.md. Sources:
the vendor's OpenAPI 1.2.6 to 1.3.4 (the reference, section 8), a recording of 1.2.7.
"""

from collections.abc import Generator

from msgspec import structs

from drivers.errors import DeviceError, Garbled, Refused
from drivers.miners.cgminer import Section, first_number, number
from drivers.miners.dialect import (
    READ_ONLY,
    Conversation,
    DialectStep,
    Guarded,
    Heard,
    Poll,
    Request,
    Seen,
    State,
    Verdict,
)
from drivers.miners.http import decode_http, encode_http, encode_json, json_object, text, verdict, within

# No times are published; waking is minutes.
_STEPS = (DialectStep("off", None, 30_000), DialectStep("on", 1.0, 600_000))
_API = "/api/v1"
_VERBS = {"off": "stop", "on": "start"}
_STATES = {"mining": "on", "auto-tuning": "on", "stopped": "off"}
_DENIED_NS = 300_000_000_000


class VnishSeen(Seen, frozen=True):
    """A token."""

    token: str = ""
    denied_until_ns: int = 0
    trouble: str = ""

    def __repr__(self) -> str:
        return f"VnishSeen(trouble={self.trouble!r})"


class VnishDialect(Guarded, frozen=True, kw_only=True):
    """VNish 1.2 and later; 3.x is read as Antminer."""

    name: str = "vnish"
    port: int = 80
    verb_good_ns: int | None = None

    @property
    def steps(self) -> tuple[DialectStep, ...]:
        return READ_ONLY if self.account.password is None else _STEPS

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        known = seen if isinstance(seen, VnishSeen) else VnishSeen()
        wants = self.account.password is not None and self.account.writes
        if wants and not known.token and now_ns >= known.denied_until_ns:
            known = yield from self._unlock(known, now_ns)
        heard = yield encode_http("GET", f"{_API}/summary", *_bearer(known))
        reply = decode_http(heard.raw)
        if reply.status in (401, 403) and known.token:
            known = structs.replace(known, token="")
            heard = yield encode_http("GET", f"{_API}/summary")
            reply = decode_http(heard.raw)
        if reply.status != 200:
            raise Refused("", reply.status, reply.words)
        body, repairs = json_object(reply)
        miner = body.get("miner")
        if not isinstance(miner, dict):
            raise Garbled("", "no miner in a summary", reply.body[:4096])
        return _state(miner, known, repairs)

    def _unlock(self, known: VnishSeen, now_ns: int) -> Generator[Request, Heard, VnishSeen]:
        denied = structs.replace(known, token="", denied_until_ns=now_ns + _DENIED_NS)
        try:
            heard = yield encode_json("POST", f"{_API}/unlock", {"pw": str(self.account.password)})
            reply = decode_http(heard.raw)
            if reply.status in (401, 403):
                return structs.replace(denied, trouble="its password is refused")
            if reply.status != 200:
                return structs.replace(denied, trouble=f"unlock: {reply.words}")
            body, _ = json_object(reply)
        except DeviceError as fault:
            return structs.replace(known, trouble=f"unlock: {fault.detail}")
        token = text(body.get("token"))
        if not 0 < len(token) <= 4096 or not token.isprintable() or " " in token:
            return structs.replace(denied, trouble="unlock: no token")
        return VnishSeen(token=token)

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        if not isinstance(seen, VnishSeen) or not seen.token:
            return ()
        return (encode_http("POST", f"{_API}/mining/{_VERBS[step]}", *_bearer(seen)),)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            answer = decode_http(reply)
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        said = verdict(answer)
        if said is not None and answer.status == 500 and b'"err"' in answer.body:
            return Verdict("refused", answer.words)
        return said or Verdict("ok", answer.words)


def _bearer(known: VnishSeen) -> tuple[str, ...]:
    return (f"Authorization: Bearer {known.token}",) if known.token else ()


def _state(miner: Section, known: VnishSeen, repairs: int) -> State:
    told = text(within(miner, "miner_status", "miner_state")).lower()
    watts = first_number(miner, "power_usage", "power_consumption")
    ghs = first_number(miner, "hr_realtime")
    hot = number(within(miner, "chip_temp", "max"))
    words = [] if told in ("mining", "stopped") else [told or "no state"]
    failure = number(within(miner, "miner_status", "failure_code"))
    words += [f"failure {int(failure)}"] if failure is not None else []
    words += [f"cannot be told: {known.trouble}"] if known.trouble else []
    return State(
        step=_STATES.get(told),
        watts=watts,
        measured=watts is not None and within(miner, "psu", "psu_power_metering") is True,
        hash_rate_ths=None if ghs is None else ghs / 1000,
        temperature_c=hot if hot and hot > 0 else None,
        detail=", ".join(words),
        seen=known,
        repairs=repairs,
    )
