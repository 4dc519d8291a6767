"""Whatsminer's API v2 (btminer), TCP 4028: cgminer's transport, verbs in an encrypted envelope.

    {"cmd":"get_token"}           -> Msg {"time":"6915","salt":"BQ5hoXV9","newsalt":"a5TtWui2"}, code 134
    key  = md5crypt(password, salt)          its last field
    sign = md5crypt(key + time, newsalt)     its last field: the token of every verb
    {"enc":1,"data":BASE64}       AES-256-ECB under sha256(key) of {"cmd":"power_off","respbefore":"true","token":sign}
    {"enc":BASE64}                the answer, or one in plain

A token lasts 30 minutes, and there are few (32 an address): a poll gets one, keeps it 25 minutes and has the verbs lie
ready with it, so that each is one round trip. A verb that is answered 135 had a dead one: `passes`.

`status` says whether it is off: `btmineroff` or `mineroff`, "true" means OFF. `summary` has watts and rates. Verbs
sent: power_off and power_on alone; none that restarts btminer or is kept in flash (adjust_power_limit, power modes).
More in WHATSMINER_QUIRKS.md. Sources: MicroBT API V1.3.8 and 2025-05; reference section 3.
"""

import base64
import hashlib
from collections.abc import Generator
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from drivers.errors import Garbled, Refused
from drivers.miners.cgminer import Reply, Section, decode_json, decode_reply, first_number, number
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
    maybe_read,
)
from drivers.miners.md5crypt import md5crypt
from drivers.miners.tolerant import Value

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import ECB

TOKEN_NS = 25 * 60 * 1_000_000_000  # of the 30 minutes that a token lasts
_TOKEN_AGAIN_NS = 60 * 1_000_000_000  # after "over max connect": tokens are few
_ENC_BYTES_MAX = 1 << 16
_MISSING_COMMAND, _OK, _TOKEN_OK, _TOKEN_DEAD, _TOKENS_OUT = 24, 131, 134, 135, 136
# Off: seconds, unverified. On: under a minute with fast boot, else 6 to 10 minutes (field reports).
_STEPS = (DialectStep("off", None, 15_000), DialectStep("on", 1.0, 600_000))
_VERBS = {"off": {"cmd": "power_off", "respbefore": "true"}, "on": {"cmd": "power_on"}}


class WhatsminerSeen(Seen, frozen=True):
    """The form it wants to be asked in, and a token."""

    form: str = "cmd"
    key: str = ""
    sign: str = ""
    token_until_ns: int = 0
    trouble: str = ""  # why there is no token

    def __repr__(self) -> str:
        return f"WhatsminerSeen(form={self.form!r}, token_until_ns={self.token_until_ns})"


class WhatsminerDialect(Guarded, frozen=True, kw_only=True):
    """Whatsminer, API v2."""

    name: str = "whatsminer"
    port: int = 4028
    verb_good_ns: int | None = None

    @property
    def steps(self) -> tuple[DialectStep, ...]:
        return READ_ONLY if self.account.password is None else _STEPS

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        known = seen if isinstance(seen, WhatsminerSeen) else WhatsminerSeen()
        status, known = yield from _status(known)
        heard = yield from maybe_read(_plain(known, "summary"))
        summary, repairs = _summary(heard)
        wants = self.account.writes and self.account.password is not None
        if wants and now_ns >= known.token_until_ns:
            known = yield from self._fetch(known, now_ns)
        off = _told_off(status)
        watts = first_number(summary, "Power_RT", "Power")
        rate = first_number(summary, "MHS 5s", "HS RT", "MHS 1m")
        return State(
            step=None if off is None else "off" if off else "on",
            watts=watts,
            measured=watts is not None and first_number(summary, "Power Current Input") is not None,
            hash_rate_ths=None if rate is None else rate / 1e6,
            temperature_c=_hottest(summary),
            detail=_detail(status, known),
            seen=known,
            repairs=repairs,
        )

    def _fetch(self, known: WhatsminerSeen, now_ns: int) -> Generator[Request, Heard, WhatsminerSeen]:
        heard = yield from maybe_read(_plain(known, "get_token"))
        key, sign, trouble = "", "", "it does not answer for a token"
        if heard is not None:
            key, sign, trouble = _token(heard.raw, self.account.password or "")
        until_ns = now_ns + (_TOKEN_AGAIN_NS if trouble else TOKEN_NS)
        return structs.replace(known, key=key, sign=sign, token_until_ns=until_ns, trouble=trouble)

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        if not isinstance(seen, WhatsminerSeen) or not seen.sign:
            return ()
        return (Request(envelope(_VERBS[step] | {"token": seen.sign}, seen.key)),)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            body = opened(reply, seen.key if isinstance(seen, WhatsminerSeen) else "")
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        status = _plain_status(body)
        if status is None:
            return Verdict("garbled", "no status in the answer")
        code, letter, words = status
        detail = f"code {code}: {words}"
        if code == _OK:
            return Verdict("ok", detail)
        if code == 45:
            detail += "; its write API is off, or its default password was never changed"
        elif code == 23:
            detail += "; a wrong password is answered so"
        return Verdict("refused" if letter in ("E", "F") else "garbled", detail, passes=code == _TOKEN_DEAD)


def envelope(body: dict[str, str], key: str) -> bytes:
    """A verb as it goes out."""
    plain = msgspec.json.encode(body)
    plain += b"\0" * (-len(plain) % 16)
    made = _cipher(key).encryptor()
    sealed = made.update(plain) + made.finalize()
    return msgspec.json.encode({"enc": 1, "data": base64.b64encode(sealed).decode()})


def opened(reply: bytes, key: str) -> Section:
    """An answer out of its envelope, or as it is when it has none; Garbled when it is no answer."""
    body, _ = decode_json(_text(reply))
    sealed = body.get("enc") if isinstance(body, dict) else None
    if isinstance(sealed, str) and key:
        if len(sealed) > _ENC_BYTES_MAX:
            raise Garbled("", "a sealed answer that is too long", reply[:4096])
        try:
            raw = base64.b64decode(sealed)
            made = _cipher(key).decryptor()
            plain = made.update(raw) + made.finalize()
        except ValueError as error:
            raise Garbled("", f"a sealed answer that does not open: {error}", reply[:4096]) from error
        body, _ = decode_json(_text(plain))
    if not isinstance(body, dict):
        raise Garbled("", "an array where an object must be", reply[:4096])
    return body


def token_of(time: str, salt: str, newsalt: str, password: str) -> tuple[str, str]:
    """Key and sign, from what get_token says."""
    key = md5crypt(password, salt)
    return key, md5crypt(key + time, newsalt)


def _cipher(key: str) -> "Cipher[ECB]":
    # Here, not at the top: who has no Whatsminer, and `ballast check`, do without it.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(hashlib.sha256(key.encode()).digest()), modes.ECB())


def _plain(known: WhatsminerSeen, command: str) -> Request:
    return Request(msgspec.json.encode({known.form: command}))


def _status(known: WhatsminerSeen) -> Generator[Request, Heard, tuple[Section, WhatsminerSeen]]:
    """What `status` says, in the form that this firmware understands."""
    for form in (known.form, "command" if known.form == "cmd" else "cmd"):
        known = structs.replace(known, form=form)
        heard = yield _plain(known, "status")
        body, _ = decode_json(_text(heard.raw))
        status = _plain_status(body)
        if status is None:
            raise Garbled("", "no status in an answer to status", heard.raw)
        code, letter, words = status
        if code != _MISSING_COMMAND:
            break
    if letter in ("E", "F"):
        raise Refused("", code or 0, words)
    said = body.get("Msg") if isinstance(body, dict) else None
    if not isinstance(said, dict):
        raise Garbled("", "no Msg in an answer to status", heard.raw)
    return said, known


def _plain_status(body: Value) -> tuple[int | None, str, str] | None:
    """Code, letter and words, whether they stand in the object itself or in a list as cgminer's do."""
    if not isinstance(body, dict):
        return None
    listed = body.get("STATUS")
    if isinstance(listed, list) and listed and isinstance(listed[0], dict):
        body = listed[0]
    code = number(body.get("Code"))
    letter = body.get("STATUS")
    if code is None and not isinstance(letter, str):
        return None
    words = body.get("Msg")
    return None if code is None else int(code), str(letter or ""), words if isinstance(words, str) else ""


def _summary(heard: Heard | None) -> tuple[Section, int]:
    if heard is None:
        return {}, 0
    try:
        reply: Reply = decode_reply(heard.raw)
    except Garbled:
        return {}, 0
    rows = reply.sections.get("SUMMARY", ())
    return (rows[0] if rows else {}), reply.repairs


def _token(raw: bytes, password: str) -> tuple[str, str, str]:
    """Key, sign and, when there are none, why."""
    try:
        body, _ = decode_json(_text(raw))
    except Garbled as fault:
        return "", "", fault.detail
    status = _plain_status(body)
    said = body.get("Msg") if isinstance(body, dict) else None
    if status is None or status[0] != _TOKEN_OK or not isinstance(said, dict):
        why = "no status" if status is None else f"code {status[0]}: {said if isinstance(said, str) else ''}"
        return "", "", why + (", too many tokens are out" if status and status[0] == _TOKENS_OUT else "")
    parts = [said.get(name) for name in ("time", "salt", "newsalt")]
    texts = [part for part in parts if isinstance(part, str) and 0 < len(part) <= 64]
    if len(texts) != len(parts):
        return "", "", "a token without time, salt and newsalt"
    key, sign = token_of(texts[0], texts[1], texts[2], password)
    return key, sign, ""


def _told_off(status: Section) -> bool | None:
    for key in ("btmineroff", "mineroff"):
        said = status.get(key)
        if isinstance(said, bool):
            return said
        if isinstance(said, str) and said.lower() in ("true", "false"):
            return said.lower() == "true"
    return None


def _hottest(summary: Section) -> float | None:
    hot = [first_number(summary, key) or 0.0 for key in ("Chip Temp Max", "Temperature")]
    return max((degrees for degrees in hot if degrees > 0), default=None)


def _detail(status: Section, known: WhatsminerSeen) -> str:
    reason, mode = status.get("mineroff_reason"), status.get("power_mode")
    words = [f"off: {reason}"] if isinstance(reason, str) and reason else []
    words += [f"power mode {mode}"] if isinstance(mode, str) and mode else []
    words += [f"cannot be told: {known.trouble}"] if known.trouble else []
    return ", ".join(words)


def _text(raw: bytes) -> str:
    text = raw.replace(b"\0", b"").strip().decode("utf-8", "replace")
    if text[:1] not in ("{", "["):
        raise Garbled("", f"not a miner's reply: {text[:80]!r}", raw[:4096])
    return text
