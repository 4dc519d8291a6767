"""Braiins OS: REST on port 80 (25.x and later), the cgminer API on 4028 for who has no password.

    POST /api/v1/auth/login {"username","password"}   -> {"token":"..","timeout_s":3600}, sliding
    GET  /api/v1/miner/details                        -> {"status": 2 hashes, 3 paused, ..}
    GET  /api/v1/miner/stats                          -> watts (estimated), rates
    PUT  /api/v1/actions/pause | resume               -> true or false: whether it was so already; both are good

The token goes into `Authorization` bare. Every read uses it, so a poll finds out that it died, logs on once and reads
again. Nothing can be read without one but 4028, which tells a rate and no state.

No power target is set: a new one may re-tune for hours where no profile has been tuned for it. More in
BRAIINS_QUIRKS.md. Sources: Braiins' REST documentation (the reference, section 5), recordings of 25.07 and 26.04.
"""

from collections.abc import Generator

from msgspec import structs

from drivers.errors import DeviceError, Garbled, Refused
from drivers.miners.cgminer import decode_reply, encode_request, first_number, number
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
from drivers.miners.http import HttpReply, decode_http, encode_http, encode_json, json_body, verdict, within
from drivers.miners.tolerant import Value

# Down in 2 s and up in 5 s with quick ramping (vendor, 25.07); without it nobody says.
_STEPS = (DialectStep("off", None, 10_000), DialectStep("on", 1.0, 120_000))
_API = "/api/v1"
_VERBS = {"off": "pause", "on": "resume"}
_STATUS = {1: "not started", 4: "suspended", 5: "restricted"}
_DENIED_NS = 300_000_000_000


class BraiinsSeen(Seen, frozen=True):
    """A token."""

    token: str = ""
    denied_until_ns: int = 0

    def __repr__(self) -> str:
        return "BraiinsSeen()"


class BraiinsDialect(Guarded, frozen=True, kw_only=True):
    """Braiins OS."""

    name: str = "braiins"
    port: int = 4028
    control_port: int = 80
    logs_on_to_read: bool = True
    verb_good_ns: int | None = None

    @property
    def steps(self) -> tuple[DialectStep, ...]:
        return READ_ONLY if self.account.password is None else _STEPS

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        known = seen if isinstance(seen, BraiinsSeen) else BraiinsSeen()
        if self.account.password is None or now_ns < known.denied_until_ns:
            heard = yield Request(encode_request("summary"))
            detail = "its password is refused" if known.denied_until_ns else ""
            return _from_summary(heard.raw, known, detail)
        details, known = yield from self._get("miner/details", known, now_ns)
        if details is None:
            heard = yield Request(encode_request("summary"))
            return _from_summary(heard.raw, known, "its password is refused")
        stats = yield from self._more("miner/stats", known)
        cooling = yield from self._more("cooling/state", known)
        status = number(within(details, "status"))
        rate = number(within(stats, "miner_stats", "real_hashrate", "last_5s", "gigahash_per_second"))
        hot = number(within(cooling, "highest_temperature", "temperature", "degree_c"))
        return State(
            step={2: "on", 3: "off"}.get(int(status)) if status is not None else None,
            watts=number(within(stats, "power_stats", "approximated_consumption", "watt")),
            measured=False,
            hash_rate_ths=None if rate is None else rate / 1000,
            temperature_c=hot if hot and hot > 0 else None,
            detail=_STATUS.get(int(status), "") if status is not None else "it does not tell a status",
            seen=known,
        )

    def _get(self, path: str, known: BraiinsSeen, now_ns: int) -> Generator[Request, Heard, tuple[Value, BraiinsSeen]]:
        """What stands at a path, logging on where that is needed; None when we are not let in."""
        for _ in range(2):
            if not known.token:
                known = yield from self._log_on(known, now_ns)
                if not known.token:
                    return None, known
            heard = yield self._read(path, known)
            reply = decode_http(heard.raw)
            if reply.status not in (401, 403):
                return _object(reply), known
            known = structs.replace(known, token="")
        raise Refused("", 401, "a token that it has just given is not taken")

    def _log_on(self, known: BraiinsSeen, now_ns: int) -> Generator[Request, Heard, BraiinsSeen]:
        who = {"username": self.account.user or "root", "password": str(self.account.password)}
        heard = yield encode_json("POST", f"{_API}/auth/login", who, port=self.control_port)
        reply = decode_http(heard.raw)
        if 400 <= reply.status < 500:
            return structs.replace(known, token="", denied_until_ns=now_ns + _DENIED_NS)
        token = within(_object(reply), "token")
        if not isinstance(token, str) or not 0 < len(token) <= 4096 or not token.isprintable() or " " in token:
            raise Garbled("", "a logon without a token", reply.body[:200])
        return structs.replace(known, token=token, denied_until_ns=0)

    def _read(self, path: str, known: BraiinsSeen) -> Request:
        return encode_http("GET", f"{_API}/{path}", f"Authorization: {known.token}", port=self.control_port)

    def _more(self, path: str, known: BraiinsSeen) -> Generator[Request, Heard, Value]:
        """What stands at a path that the state can do without."""
        try:
            heard = yield self._read(path, known)
            reply = decode_http(heard.raw)
            return _object(reply) if reply.status == 200 else None
        except DeviceError:
            return None

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        if not isinstance(seen, BraiinsSeen) or not seen.token:
            return ()
        path = f"{_API}/actions/{_VERBS[step]}"
        return (encode_http("PUT", path, f"Authorization: {seen.token}", port=self.control_port),)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            answer = decode_http(reply)
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        said = verdict(answer)
        if said is not None:
            return said
        words = answer.body.strip().decode("utf-8", "replace")
        if words in ("true", "false"):
            return Verdict("ok", "it was so already" if words == "true" else "accepted")
        return Verdict("garbled", answer.words)


def _object(reply: HttpReply) -> Value:
    if reply.status != 200:
        raise Refused("", reply.status, reply.words)
    value, _ = json_body(reply)
    return value


def _from_summary(raw: bytes, known: BraiinsSeen, detail: str) -> State:
    """What 4028 tells: a rate. One that is 0 may be paused, starting or broken."""
    reply = decode_reply(raw)
    rows = reply.sections.get("SUMMARY", ())
    if not rows:
        if reply.status is not None and reply.status.letter in ("E", "F"):
            raise Refused("", reply.status.code or 0, reply.status.words)
        raise Garbled("", "no SUMMARY in an answer to summary", raw[:4096])
    mhs = first_number(rows[0], "MHS 5s", "MHS 1m")
    return State(
        step="on" if mhs else None,
        watts=None,
        measured=False,
        hash_rate_ths=None if mhs is None else mhs / 1e6,
        temperature_c=None,
        detail=detail,
        seen=known,
        repairs=reply.repairs,
    )
