"""MARA firmware (Kaonsu), HTTP 80 with digest. Read; told only where the operator allows what no device has proven.

    GET  /kaonsu/v1/brief            -> power_consumption_estimated W, hashrate_realtime
    GET  /kaonsu/v1/miner_config     -> mode.work-mode-selector: "Sleep", or "Auto", "Fixed", "Stock"
    POST /kaonsu/v1/miner_config     the whole configuration with another selector -> {"error":false,"msg":"success"}

Waking writes back the selector that was read before it slept, "Stock" where none was. The figure of `brief` has TH/s in
releases that do not name a unit. All of this is from clients' code: unverified. More in MARA_QUIRKS.md.
"""

from collections.abc import Generator

import msgspec
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
from drivers.miners.digest import Challenge, authorization, read_with
from drivers.miners.http import HttpReply, decode_http, encode_http, json_object, text, verdict, within

_STEPS = (DialectStep("off", None, 60_000), DialectStep("on", 1.0, 600_000))  # nobody says
_API = "/kaonsu/v1"
_CONFIG = f"{_API}/miner_config"
_ASLEEP = "Sleep"
_DENIED_NS = 300_000_000_000


class MaraSeen(Seen, frozen=True):
    """What a write needs."""

    challenge: Challenge | None = None
    config: str = ""  # the whole of it, as JSON
    awake: str = "Stock"
    denied_until_ns: int = 0

    def __repr__(self) -> str:
        return f"MaraSeen(awake={self.awake!r})"  # a configuration holds pools' passwords


class MaraDialect(Guarded, frozen=True, kw_only=True):
    """Kaonsu."""

    name: str = "mara"
    port: int = 80
    logs_on_to_read: bool = True
    verb_good_ns: int | None = None

    @property
    def steps(self) -> tuple[DialectStep, ...]:
        allowed = self.account.password is not None and self.account.unverified
        return _STEPS if allowed else READ_ONLY

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        known = seen if isinstance(seen, MaraSeen) else MaraSeen()
        if self.account.password is None:
            raise Refused("", 401, "it tells nothing without a password: add password to its [[miners]]")
        if now_ns < known.denied_until_ns:
            return State(None, None, False, None, None, detail="its password is refused", seen=known)
        reply, known = yield from self._get(f"{_API}/brief", known)
        if reply.status == 401:
            denied = structs.replace(known, denied_until_ns=now_ns + _DENIED_NS)
            return State(None, None, False, None, None, detail="its password is refused", seen=denied)
        brief, repairs = _object(reply)
        try:
            reply, known = yield from self._get(_CONFIG, known)
            config, _ = _object(reply)
        except DeviceError:
            config = {}
        mode = text(within(config, "mode", "work-mode-selector"))
        awake = mode if mode and mode != _ASLEEP else known.awake
        kept = msgspec.json.encode(config).decode() if mode else ""
        hot = number(brief.get("temperature_chip_max"))
        return State(
            step=None if not mode else "off" if mode == _ASLEEP else "on",
            watts=number(brief.get("power_consumption_estimated")),
            measured=False,
            hash_rate_ths=_ths(brief),
            temperature_c=hot if hot and hot > 0 else None,
            detail=f"mode {mode}" if mode else "its mode is not told",
            seen=structs.replace(known, config=kept, awake=awake),
            repairs=repairs,
        )

    def _get(self, path: str, known: MaraSeen) -> Generator[Request, Heard, tuple[HttpReply, MaraSeen]]:
        def get(line: str) -> Request:
            return encode_http("GET", path, *([line] if line else ()))

        reply, challenge = yield from read_with(known.challenge, self.account, self._user, "GET", path, get)
        return reply, structs.replace(known, challenge=challenge)

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        if self.steps is READ_ONLY or not isinstance(seen, MaraSeen) or not seen.config or seen.challenge is None:
            return ()
        config: Section = msgspec.json.decode(seen.config)
        mode = config["mode"]
        assert isinstance(mode, dict), "the poll has read its selector"
        mode["work-mode-selector"] = _ASLEEP if step == "off" else seen.awake
        challenge = structs.replace(seen.challenge, count=seen.challenge.count + 1)
        line = authorization(challenge, self.account, self._user, "POST", _CONFIG)
        request = encode_http("POST", _CONFIG, line, body=msgspec.json.encode(config))
        return (structs.replace(request, hedge=False),)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            answer = decode_http(reply)
            said = verdict(answer)
            if said is not None:
                return said
            body, _ = json_object(answer)
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        if body.get("error") is False:
            return Verdict("ok", answer.words)
        return Verdict("refused" if body.get("error") is True else "garbled", answer.words)

    @property
    def _user(self) -> str:
        return self.account.user or "root"


def _object(reply: HttpReply) -> tuple[Section, int]:
    if reply.status != 200:
        raise Refused("", reply.status, reply.words)
    return json_object(reply)


def _ths(brief: Section) -> float | None:
    rate = first_number(brief, "hashrate_realtime")
    unit = text(brief.get("hashrate_unit")).upper()
    per_ths = {"": 1.0, "TH/S": 1.0, "GH/S": 1e-3, "MH/S": 1e-6}.get(unit)
    return None if rate is None or per_ths is None else rate * per_ths
