"""Auradine Teraflux (FluxOS): the cgminer API on 4028 for rates, HTTP on 8080 with a token for state, watts and verbs.

    POST /token {"command":"token","user":"admin","password":".."}  -> {"Token":[{"Token":".."}]}
    GET  /mode    header `Token: ..`   -> Mode[{"Sleep":"off","Power":2000}]; Power is a target
    GET  /psu                          -> PSU[{"PowerIn":"58.94W",..}], measured
    POST /mode {"command":"mode","sleep":"on"|"off"}

401 means a new token, once. State is the field Sleep, not the words beside it, which have said another thing. More in
AURADINE_QUIRKS.md. Sources: the vendor's aura-agents (the reference, section 10), recordings that look like examples.
"""

from collections.abc import Generator

from msgspec import structs

from drivers.errors import DeviceError, Garbled, Refused
from drivers.miners.cgminer import Reply, Section, decode_reply, encode_request, first_number, number
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
from drivers.miners.http import decode_http, encode_http, encode_json, text, verdict

# No times are published.
_STEPS = (DialectStep("off", None, 30_000), DialectStep("on", 1.0, 300_000))
_SLEEP = {"off": "on", "on": "off"}  # our step -> their sleep
_DENIED_NS = 300_000_000_000


class AuradineSeen(Seen, frozen=True):
    """A token."""

    token: str = ""
    denied_until_ns: int = 0

    def __repr__(self) -> str:
        return "AuradineSeen()"


class AuradineDialect(Guarded, frozen=True, kw_only=True):
    """FluxOS."""

    name: str = "auradine"
    port: int = 4028
    control_port: int = 8080
    logs_on_to_read: bool = True
    verb_good_ns: int | None = None

    @property
    def steps(self) -> tuple[DialectStep, ...]:
        return READ_ONLY if self.account.password is None else _STEPS

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        known = seen if isinstance(seen, AuradineSeen) else AuradineSeen()
        heard = yield Request(encode_request("devs"))
        reply = decode_reply(heard.raw)
        boards = reply.sections.get("DEVS", ())
        if not boards:
            if reply.status is not None and reply.status.letter in ("E", "F"):
                raise Refused("", reply.status.code or 0, reply.status.words)
            raise Garbled("", "no DEVS in an answer to devs", heard.raw[:4096])
        mode: Section = {}
        supply: Section = {}
        trouble = "its password is refused" if known.denied_until_ns else ""
        if self.account.password is not None and now_ns >= known.denied_until_ns:
            mode, known, trouble = yield from self._get("mode", "Mode", known, now_ns)
            if known.token:
                supply, known, _ = yield from self._get("psu", "PSU", known, now_ns)
        rates = [first_number(board, "MHS 5s") for board in boards]
        told = [rate for rate in rates if rate is not None]
        hot = [number(board.get("Temperature")) or 0.0 for board in boards]
        watts = number(supply.get("PowerIn"))
        ths = sum(told) / 1e6 if len(told) == len(rates) else None
        step = {"on": "off", "off": "on"}.get(text(mode.get("Sleep")).lower())
        return State(
            step=step or ("on" if ths and not mode else None),
            watts=watts,
            measured=watts is not None,
            hash_rate_ths=ths,
            temperature_c=max((degrees for degrees in hot if degrees > 0), default=None),
            detail=trouble,
            seen=known,
            repairs=reply.repairs,
        )

    def _get(
        self, path: str, section: str, known: AuradineSeen, now_ns: int
    ) -> Generator[Request, Heard, tuple[Section, AuradineSeen, str]]:
        """The row that stands at a path, the token that was used, and what is wrong when there is none."""
        try:
            for _ in range(2):
                if not known.token:
                    known = yield from self._fetch(known, now_ns)
                    if not known.token:
                        return {}, known, "its password is refused"
                heard = yield encode_http("GET", f"/{path}", f"Token: {known.token}", port=self.control_port)
                reply = decode_http(heard.raw)
                if reply.status == 200:
                    rows = decode_reply(reply.body).sections.get(section, ())
                    return (rows[0] if rows else {}), known, "" if rows else f"no {section} at /{path}"
                if reply.status not in (401, 403):
                    return {}, known, reply.words
                known = structs.replace(known, token="")
        except DeviceError as fault:
            return {}, known, f"/{path}: {fault.detail}"
        return {}, known, "a token that it has just given is not taken"

    def _fetch(self, known: AuradineSeen, now_ns: int) -> Generator[Request, Heard, AuradineSeen]:
        who = {"command": "token", "user": self.account.user or "admin", "password": str(self.account.password)}
        heard = yield encode_json("POST", "/token", who, port=self.control_port)
        reply = decode_http(heard.raw)
        token = ""
        if reply.status == 200:
            rows = decode_reply(reply.body).sections.get("Token", ())
            token = text(rows[0].get("Token")) if rows else ""
        if not 0 < len(token) <= 4096 or not token.isprintable() or " " in token:
            return structs.replace(known, token="", denied_until_ns=now_ns + _DENIED_NS)
        return AuradineSeen(token=token)

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        if not isinstance(seen, AuradineSeen) or not seen.token:
            return ()
        body = {"command": "mode", "sleep": _SLEEP[step]}
        return (encode_json("POST", "/mode", body, f"Token: {seen.token}", port=self.control_port),)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            answer = decode_http(reply)
            said = verdict(answer)
            if said is not None:
                return said
            body: Reply = decode_reply(answer.body)
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        if body.status is None:
            return Verdict("garbled", "no status in the answer")
        detail = f"code {body.status.code}: {body.status.words}"
        return Verdict(
            {"S": "ok", "I": "ok", "E": "refused", "F": "refused"}.get(body.status.letter, "garbled"), detail
        )
