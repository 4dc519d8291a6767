"""Whatsminer's API v3, TCP 4433: frames with their length before them, a verb signed with a salted hash.

    {"cmd":"get.device.info"}                           -> msg {miner: {working: "true"}, salt: "uhCiDyVj", ..}
    {"cmd":"get.miner.status","param":"summary"}        -> msg {summary: {"power-realtime": 3156.0, ..}}
    {"cmd":"set.miner.service","param":"stop","ts":T,"token":K,"account":"super"}

K is the first 8 letters of base64(sha256(cmd + password + salt + ts)). The salt stays, so a verb is one round trip; ts
is the miner's own time (`when` of the poll, and what has passed since), for how far off it may be is not published:
verbs are made anew before they are 10 s old.

`working` is the string "true" or "false". Watts are as the firmware tells them; nothing shows that they are measured.
More in WHATSMINER_QUIRKS.md. Sources: MicroBT's v3 manual of 2025-05-09; reference section 4.
"""

import base64
import hashlib

import msgspec

from drivers.errors import Garbled, Refused
from drivers.miners.cgminer import Section, decode_json, first_number, number
from drivers.miners.dialect import (
    READ_ONLY,
    Conversation,
    DialectStep,
    Framing,
    Guarded,
    Poll,
    Request,
    Seen,
    State,
    Verdict,
    maybe_read,
)
from drivers.miners.http import rows, text, within

# Off: as v2. On: under a minute with fast boot, else 6 to 10 minutes (field reports).
_STEPS = (DialectStep("off", None, 15_000), DialectStep("on", 1.0, 600_000))
_VERB, _PARAMS = "set.miner.service", {"off": "stop", "on": "start"}
_BAD_TOKEN = -2
_WHY = {-1: "failed", _BAD_TOKEN: "invalid command or token", -3: "no parameter", -4: "no permission"}


class WhatsminerV3Seen(Seen, frozen=True):
    """What signs a verb."""

    salt: str = ""


class WhatsminerV3Dialect(Guarded, frozen=True, kw_only=True):
    """Whatsminer with firmware that has the v3 API switched on."""

    name: str = "whatsminer-v3"
    port: int = 4433
    verb_good_ns: int | None = 10_000_000_000

    @property
    def steps(self) -> tuple[DialectStep, ...]:
        return READ_ONLY if self.account.password is None else _STEPS

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        heard = yield framed({"cmd": "get.device.info"})
        body, repairs = _decode(heard.raw)
        info = body.get("msg")
        if not isinstance(info, dict):
            code = number(body.get("code"))
            if code is not None and code != 0:
                raise Refused("", int(code), _words(body, int(code)))
            raise Garbled("", "no msg in an answer to get.device.info", heard.raw[:4096])
        when = number(body.get("when"))
        more = yield from maybe_read(framed({"cmd": "get.miner.status", "param": "summary"}))
        summary: Section = {}
        if more is not None:
            try:
                found, mended = _decode(more.raw)
            except Garbled:
                found, mended = {}, 0
            inner = within(found, "msg", "summary")
            summary, repairs = (inner if isinstance(inner, dict) else {}), repairs + mended
        return State(
            step={"true": "on", "false": "off"}.get(str(within(info, "miner", "working")).lower()),
            watts=first_number(summary, "power-realtime", "power-5min"),
            measured=False,
            hash_rate_ths=first_number(summary, "hash-realtime", "hash-1min"),
            temperature_c=_hottest(summary),
            detail=_detail(info),
            seen=WhatsminerV3Seen(
                clock_s=None if when is None else int(when), heard_ns=heard.at_ns, salt=text(info.get("salt"))[:64]
            ),
            repairs=repairs,
        )

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        account = self.account
        if not isinstance(seen, WhatsminerV3Seen) or not seen.salt or seen.clock_s is None:
            return ()
        if account.password is None:
            return ()
        ts = seen.clock_s + max(0, now_ns - seen.heard_ns) // 1_000_000_000
        verb: dict[str, object] = {"cmd": _VERB, "param": _PARAMS[step], "ts": ts}
        token = token_of(_VERB, account.password, seen.salt, ts)
        return (framed(verb | {"token": token, "account": account.user or "super"}),)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            body, _ = _decode(reply)
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        code = number(body.get("code"))
        if code is None:
            return Verdict("garbled", "no code in the answer")
        detail = f"code {int(code)}: {_words(body, int(code))}"
        return Verdict("ok" if code == 0 else "refused", detail, passes=code == _BAD_TOKEN)


def framed(body: dict[str, object]) -> Request:
    """A request with its length before it."""
    raw = msgspec.json.encode(body)
    return Request(len(raw).to_bytes(4, "little") + raw, framing=Framing.LENGTH)


def token_of(command: str, password: str, salt: str, ts: int) -> str:
    """What signs one verb."""
    digest = hashlib.sha256(f"{command}{password}{salt}{ts}".encode()).digest()
    return base64.b64encode(digest).decode()[:8]


def _decode(raw: bytes) -> tuple[Section, int]:
    said = raw.strip(b"\0 \r\n\t").decode("utf-8", "replace")
    if said[:1] != "{":
        raise Garbled("", f"not a frame of this API: {said[:80]!r}", raw[:4096])
    body, repairs = decode_json(said)
    assert isinstance(body, dict), "it begins with a brace"
    return body, repairs


def _words(body: Section, code: int) -> str:
    said = body.get("msg")
    return said if isinstance(said, str) and said else _WHY.get(code, "")


def _hottest(summary: Section) -> float | None:
    boards = within(summary, "board-temperature")
    found = [number(one) for one in boards] if isinstance(boards, list) else []
    hot = [*found, first_number(summary, "chip-temp-max")]
    return max((degrees for degrees in hot if degrees and degrees > 0), default=None)


def _detail(info: Section) -> str:
    """What keeps it from being told, and its errors: each is an object whose key is the code."""
    words = ["cannot be told: its API's switch is off"] if str(within(info, "system", "apiswitch")) == "0" else []
    codes = [key for row in rows(info.get("error-code")) for key in row if key.isdigit()]
    return ", ".join(words + [f"error {code}" for code in codes[:5]])
