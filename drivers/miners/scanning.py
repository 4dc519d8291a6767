"""What stands at an address: asked a little on each of the ports that miners have, told by the answers, read by its
family's dialect. Sends nothing that changes anything.

    version on 4028, /  on 80, get.device.info on 4433      side by side; most addresses of a range answer nowhere
    what they point to     identify.py for 4028; a web server says it by one more read each
    one poll               of that family, which shows rate, watts and state

Old VNish and Hiveon call themselves Antminer on 4028, so the web's word counts more. A vendor's default password is
tried only when that is asked for, once a miner, and by a logon alone: a miner that takes it is everybody's.
"""

import asyncio
import re
from collections.abc import Callable

from msgspec import Struct, structs

from drivers.errors import DeviceError, Garbled
from drivers.miners.cgminer import Section, decode_reply, encode_request
from drivers.miners.dialect import Account, Dialect, Request, Secret, State
from drivers.miners.families import speak
from drivers.miners.http import HttpReply, decode_http, encode_http, json_object, text, within
from drivers.miners.identify import UNKNOWN, identify
from drivers.miners.polls import Ask, run_poll, shot_of
from drivers.miners.whatsminer_v3 import framed

# By what each vendor ships; ePIC's and Whatsminer's are told by a verb alone, so those are not tried.
DEFAULT_PASSWORDS = {"antminer": "root", "auradine": "admin", "braiins": "root", "mara": "root", "vnish": "admin"}
_FIRMWARE = ("LVERSION", "BOSer", "BOSminer+", "LUXminer", "GCMiner", "CompileTime", "Miner", "BFGMiner", "CGMiner")
_MODEL = ("Type", "PROD", "MODEL", "Model")
_PLAIN = re.compile(r"[^\x20-\x7e]")
_TEXT_MAX = 60


class Ports(Struct, frozen=True):
    """Where miners listen."""

    api: int = 4028
    web: int = 80
    v3: int = 4433


class Found(Struct, frozen=True):
    """One miner."""

    address: str
    family: str
    model: str
    firmware: str
    port: int
    state: State | None
    note: str = ""


class Scan:
    """Looks at addresses."""

    def __init__(self, ask: Ask, clock_ns: Callable[[], int], ports: Ports, *, try_passwords: bool) -> None:
        self._ask = ask
        self._clock_ns = clock_ns
        self._ports = ports
        self._try_passwords = try_passwords

    async def look(self, address: str) -> Found | None:
        """What is there, None when nothing answers."""
        ports = self._ports
        said, page, v3 = await asyncio.gather(
            self._read(address, Request(encode_request("version"), ports.api)),
            self._read(address, encode_http("GET", "/", port=ports.web)),
            self._read(address, structs.replace(framed({"cmd": "get.device.info"}), port=ports.v3)),
        )
        if said == b"":  # somebody listens and does not know what to say to this: PowerPlay
            said = await self._read(address, encode_http("GET", "/summary", port=ports.api))
        if not (said or page or v3):
            return None
        family = identify(said) if said else UNKNOWN
        model, firmware = _named(said) if said else ("", "")
        port = ports.api
        if v3 and v3.startswith(b"{") and family in ("whatsminer", UNKNOWN):
            family, port = "whatsminer-v3", ports.v3
            model, firmware = _named_v3(v3)
        elif page and family in ("antminer", "vnish", UNKNOWN):
            told = await self._by_web(address, page)
            if told is not None:
                family, model, firmware = told[0], told[1] or model, told[2] or firmware
        if family in ("vnish", "bitaxe", "mara"):
            port = ports.web
        return await self._polled(address, family, port, _shown(model), _shown(firmware))

    async def _polled(self, address: str, family: str, port: int, model: str, firmware: str) -> Found:
        password = DEFAULT_PASSWORDS.get(family) if self._try_passwords else None
        # What only looks has no verbs to prepare, but VNish shows by nothing else than a token that a password is good.
        account = Account("", None if password is None else Secret(password), writes=family == "vnish")
        dialect: Dialect = speak(family, account, self._ports.web if family != "auradine" else None)
        note = ""
        state: State | None = None
        try:
            poll = dialect.poll(None, self._clock_ns())
            state = await run_poll(poll, self._ask, self._clock_ns, address, address, port)
        except DeviceError as fault:
            note = fault.detail
        if state is not None:
            note = state.detail
        if password is not None and state is not None and "refused" not in note:
            note = f"takes the vendor's default password: change it{'; ' if note else ''}{note}"
        return Found(address, family, model, firmware, port, state, _shown(note, 200))

    async def _by_web(self, address: str, page: bytes) -> tuple[str, str, str] | None:
        """Family, model and firmware as a web server shows them."""
        first = _http(page)
        if first is None:
            return None
        realm = " ".join(first.header("www-authenticate"))
        if "antMiner" in realm:
            return "antminer", "", ""
        if "kaonsu" in realm.lower() or b"kaonsu" in first.body.lower():
            return "mara", "", ""
        for path, tell in _PAGES:
            raw = await self._read(address, encode_http("GET", path, port=self._ports.web))
            reply = _http(raw) if raw else None
            if reply is None or reply.status != 200:
                continue
            try:
                body, _ = json_object(reply)
            except Garbled:
                continue
            told = tell(body)
            if told is not None:
                return told
        return None

    async def _read(self, address: str, request: Request) -> bytes | None:
        """What is answered; empty where somebody listens and says nothing, None where nobody does."""
        key = f"{address}:{request.port}"
        answer = await self._ask(shot_of(request, key, address, request.port))
        return answer.reply if answer.outcome == "ok" else b"" if answer.outcome == "silent" else None


def _vnish(body: Section) -> tuple[str, str, str] | None:
    if "vnish" not in text(body.get("fw_name")).lower():
        return None
    return "vnish", text(body.get("miner")), text(body.get("fw_version"))


def _bitaxe(body: Section) -> tuple[str, str, str] | None:
    return ("bitaxe", text(body["ASICModel"]), text(body.get("version"))) if "ASICModel" in body else None


def _braiins(body: Section) -> tuple[str, str, str] | None:
    return ("braiins", "", "") if {"major", "minor", "patch"} <= body.keys() else None


_PAGES: tuple[tuple[str, Callable[[Section], tuple[str, str, str] | None]], ...] = (
    ("/api/v1/info", _vnish),
    ("/api/system/info", _bitaxe),
    ("/api/v1/version/", _braiins),
)


def _http(raw: bytes) -> HttpReply | None:
    try:
        return decode_http(raw)
    except Garbled:
        return None


def _named(said: bytes) -> tuple[str, str]:
    """Model and firmware, as an answer to `version` has them."""
    try:
        reply = decode_reply(said)
    except Garbled:
        return "", ""
    rows = reply.sections.get("VERSION", ())
    row = rows[0] if rows else {}
    model = next((text(row[key]) for key in _MODEL if text(row.get(key))), "")
    firmware = next((text(row[key]) for key in _FIRMWARE if text(row.get(key))), "")
    return model, firmware or ("" if reply.status is None else reply.status.description)


def _named_v3(said: bytes) -> tuple[str, str]:
    try:
        reply = decode_reply(said)
    except Garbled:
        return "", ""
    row = (reply.sections.get("msg") or ({},))[0]
    return text(within(row, "miner", "type")), text(within(row, "system", "fwversion"))


def _shown(said: str, most: int = _TEXT_MAX) -> str:
    return _PLAIN.sub("", said)[:most].strip()
