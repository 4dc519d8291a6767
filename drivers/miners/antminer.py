"""Antminer with Bitmain's own firmware: read on TCP 4028, told over HTTP (digest) by writing its whole configuration.

    GET  /cgi-bin/get_miner_conf.cgi    `bitmain-work-mode`: "0" hashes, "1" sleeps ("254" on the T17+ and S17+)
    POST /cgi-bin/set_miner_conf.cgi    the mode, and all that was read: what is left out is lost, pools first

Two dialects of that write, told apart by what was read: JSON with `miner-mode` where there is a `bitmain-freq-level`,
else a form of `_ant_` fields with `_ant_work_mode`. A configuration that holds neither, or no pools, is not written.

It is slow: an S19j Pro took 21 s to answer and hashed on for a minute and more. So an answer is waited for 40 s, a
write is never repeated while it is out, and nothing faster than a contactor should be asked of it. Each write probably
goes to flash. `off` is believed when the configuration says sleep and the rate is 0.

A nonce is used again with a higher count, so that a write that lies ready is one round trip. The password is tried once
in five minutes when it is refused. More in ANTMINER_QUIRKS.md. Sources: the reference, section 2; recordings.
"""

from collections.abc import Generator
from urllib.parse import urlencode

import msgspec
from msgspec import structs

from drivers.errors import DeviceError, Garbled
from drivers.miners.bitmain import decode_stats, state_of
from drivers.miners.cgminer import Section, encode_request, first_number
from drivers.miners.dialect import (
    READ_ONLY,
    Conversation,
    DialectStep,
    Guarded,
    Heard,
    Poll,
    Request,
    Seen,
    Verdict,
)
from drivers.miners.digest import Challenge, authorization, read_with
from drivers.miners.http import FORM, JSON, HttpReply, decode_http, encode_http, json_object, rows, text, verdict

# Off: 21 s for the answer, the rate not fallen after 60 s more (field report). On: minutes.
_STEPS = (DialectStep("off", None, 180_000), DialectStep("on", 1.0, 600_000))
_READ, _WRITE = "/cgi-bin/get_miner_conf.cgi", "/cgi-bin/set_miner_conf.cgi"
_READ_NS = 4_000_000_000
_WRITE_NS = 40_000_000_000
_DENIED_NS = 300_000_000_000
_ASLEEP = {"1", "254"}
_FANS = ("bitmain-fan-ctrl", "bitmain-fan-pwm")


class AntminerSeen(Seen, frozen=True):
    """What a write needs."""

    challenge: Challenge | None = None
    form: bool = False  # the older dialect
    conf: tuple[tuple[str, object], ...] = ()  # what is echoed, less the mode
    awake: str = "0"  # the mode that it was in before it slept
    denied_until_ns: int = 0

    def __repr__(self) -> str:
        return f"AntminerSeen(form={self.form}, awake={self.awake!r})"  # pools hold passwords


class AntminerDialect(Guarded, frozen=True, kw_only=True):
    """Stock firmware; `proven` is False where nobody has seen that another's firmware takes the same writes."""

    name: str = "antminer"
    port: int = 4028
    control_port: int = 80
    verb_good_ns: int | None = None
    proven: bool = True

    @property
    def steps(self) -> tuple[DialectStep, ...]:
        allowed = self.account.password is not None and (self.proven or self.account.unverified)
        return _STEPS if allowed else READ_ONLY

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        known = seen if isinstance(seen, AntminerSeen) else AntminerSeen()
        heard = yield Request(encode_request("stats"))
        row, reply = decode_stats(heard.raw)
        state = state_of(row, reply)
        hashes = (state.hash_rate_ths or 0.0) > 0
        mode, trouble = None, ""
        if self.account.password is not None and self.steps is not READ_ONLY and now_ns >= known.denied_until_ns:
            mode, known, trouble = yield from self._configured(known, now_ns)
        elif known.denied_until_ns:
            trouble = "its password is refused"
        if first_number(row, "Mode") == 254:
            mode = "254"
        step = "on" if hashes else None
        if mode in _ASLEEP:
            trouble = trouble or ("told to sleep, and hashing" if hashes else "")
            step = "on" if hashes else "off"
        elif mode is not None:
            step = "on"
        return structs.replace(state, step=step, detail=trouble, seen=known)

    def _configured(
        self, known: AntminerSeen, now_ns: int
    ) -> Generator[Request, Heard, tuple[str | None, AntminerSeen, str]]:
        """Its mode, what a write needs, and what is wrong with that."""

        def get(line: str) -> Request:
            return encode_http("GET", _READ, *([line] if line else ()), port=self.control_port, answer_ns=_READ_NS)

        try:
            read = read_with(known.challenge, self.account, self._user, "GET", _READ, get)
            reply, challenge = yield from read
            known = structs.replace(known, challenge=challenge)
            if reply.status == 401:
                return None, structs.replace(known, denied_until_ns=now_ns + _DENIED_NS), "its password is refused"
            conf, _ = json_object(reply)
        except DeviceError as fault:
            return None, known, f"configuration: {fault.detail}"
        mode = _text(conf.get("bitmain-work-mode"))
        kept = _kept(conf)
        if not kept or not mode:
            return mode or None, structs.replace(known, conf=()), "its configuration is not as known, so it is not told"
        form = "bitmain-freq-level" not in conf
        awake = known.awake if mode in _ASLEEP else mode
        return mode, structs.replace(known, conf=kept, form=form, awake=awake, denied_until_ns=0), ""

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        if not isinstance(seen, AntminerSeen) or not seen.conf or seen.challenge is None or self.steps is READ_ONLY:
            return ()
        challenge = structs.replace(seen.challenge, count=seen.challenge.count + 1)
        line = authorization(challenge, self.account, self._user, "POST", _WRITE)
        conf = dict(seen.conf)
        body, kind = (_form(conf, step, seen), FORM) if seen.form else (_json(conf, step, seen), JSON)
        request = encode_http("POST", _WRITE, line, body=body, kind=kind, port=self.control_port, answer_ns=_WRITE_NS)
        return (structs.replace(request, hedge=False),)

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        try:
            answer = decode_http(reply)
            said = verdict(answer)
            if said is not None:
                return said
            return _judged(answer, form=isinstance(seen, AntminerSeen) and seen.form)
        except Garbled as fault:
            return Verdict("garbled", fault.detail)

    @property
    def _user(self) -> str:
        return self.account.user or "root"


def _judged(answer: HttpReply, *, form: bool) -> Verdict:
    """M000 is good; the older dialect has no words for it, so any 200 is, and the poll tells what came of it."""
    if form and not answer.body.strip().startswith(b"{"):
        return Verdict("ok", answer.words)
    body, _ = json_object(answer)
    code = text(body.get("code"))
    detail = f"{code}: {text(body.get('msg'))}"
    if code == "M000" or (not code and body.get("stats") == "success"):
        return Verdict("ok", detail)
    return Verdict("refused" if code or "stats" in body else "garbled", detail)


def _kept(conf: Section) -> tuple[tuple[str, object], ...]:
    """What has to be echoed; empty when that is not whole."""
    pools = [{key: text(pool.get(key)) for key in ("url", "user", "pass")} for pool in rows(conf.get("pools"))]
    if not pools or not any(pool["url"] for pool in pools):
        return ()
    names = [*_FANS, "bitmain-freq-level", "bitmain-freq", "bitmain-voltage"]
    plain = {name: conf[name] for name in names if isinstance(conf.get(name), str | bool | int | float)}
    if any(name in conf and name not in plain for name in names):
        return ()
    return (("pools", pools), *plain.items())


def _json(conf: dict[str, object], step: str, seen: AntminerSeen) -> bytes:
    mode = 1 if step == "off" else int(seen.awake) if seen.awake.isdigit() else 0
    body: dict[str, object] = {"freq-level": conf["bitmain-freq-level"], "miner-mode": mode}
    body |= {name: conf[name] for name in _FANS if name in conf}
    return msgspec.json.encode(body | {"pools": conf["pools"]})


def _form(conf: dict[str, object], step: str, seen: AntminerSeen) -> bytes:
    """The fields of the T17+ era, in the order in which its own page sends them."""
    pools = conf["pools"]
    assert isinstance(pools, list), "_kept() made it"
    fields: dict[str, str] = {}
    for at in range(3):
        pool = pools[at] if at < len(pools) else {}
        for name, key in (("url", "url"), ("user", "user"), ("pw", "pass")):
            fields[f"_ant_pool{at + 1}{name}"] = pool.get(key, "")
    custom = conf.get("bitmain-fan-ctrl") is True
    fields |= {"_ant_nobeeper": "false", "_ant_notempoverctrl": "false"}
    fields["_ant_fan_customize_switch"] = "true" if custom else "false"
    fields["_ant_fan_customize_value"] = _text(conf.get("bitmain-fan-pwm")) if custom else ""
    fields["_ant_freq"] = _text(conf.get("bitmain-freq"))
    fields["_ant_voltage"] = _text(conf.get("bitmain-voltage"))
    fields["_ant_work_mode"] = "254" if step == "off" else seen.awake
    return urlencode(fields).encode()


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(int(value)) if isinstance(value, int | float) else ""
