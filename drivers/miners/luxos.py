"""LuxOS: the cgminer API with verbs that need a session. Reads are plain; `curtail` puts a miner to sleep and wakes it.

    {"command":"logon"}                                        -> SESSION[{"SessionID":"yJN2nlj1"}], code 316
    {"command":"curtail","parameter":"yJN2nlj1,sleep"}         -> CURTAIL[{"Action":"sleep mode"}], code 335
    {"command":"logoff","parameter":"yJN2nlj1"}

A *session* is a lock against two who would change the miner at once, and no security: anybody may log on. There is one
per miner, it ends a minute after it was last used, and while it is open a second logon is turned away (402). So it is
opened for one verb, ended after it, and never kept (talks.py). `kill` would end somebody else's; it is never sent. Nor
is `atmset`: what moves profiles by temperature does not wake a sleeper.

State is `config`'s CurtailMode: "None" hashes, and any other word does not. What a sleeper says there no published
recording shows, hence the test is for "None". Watts are `power`'s, measured only where PSU is true; else they are the
firmware's model. `devs` gives rate and board temperature; a miner that refuses it or `power` (asleep, perhaps) is read
all the same. Sleep outlasts a reboot.

Sources: the reference, sections 1 and 6; the vendor's pages on sessions, curtail and power; recorded reports of an S19k
Pro with LuxOS 2025.4.8. More in LUXOS_QUIRKS.md.
"""

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct, field

from drivers.errors import Garbled, Refused
from drivers.miners.cgminer import Reply, Section, decode_reply, encode_request, first_number, number
from drivers.miners.dialect import (
    Conversation,
    DialectStep,
    Poll,
    Request,
    Seen,
    Session,
    State,
    Verdict,
    read_all,
)

_ACTIONS = {"off": "sleep", "on": "wakeup"}
_TAKEN = 335
_BUSY = 402
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # it goes into our next request, and a comma in it would be a parameter
_AWAKE = "none"
_LOGON = encode_request("logon")
_READS = (encode_request("config"), encode_request("power"), encode_request("devs"))


class _Id(Struct, gc=False):
    name: str = field(name="SessionID")


class _Letter(Struct, gc=False):
    letter: str = field(name="STATUS")


class _Opened(Struct, gc=False):
    """The answer to a logon as it is when nothing is wrong with it."""

    session: tuple[_Id] = field(name="SESSION")
    status: tuple[_Letter] = field(name="STATUS")


_OPENED = msgspec.json.Decoder(_Opened)


class LuxosTalk(Struct, frozen=True):
    """What follows a logon: one action of `curtail`, and a logoff."""

    action: str

    def opened(self, reply: bytes) -> Session | None:
        name = _session_name(reply)
        if not _ID.fullmatch(name):
            return None
        return Session(encode_request("curtail", f"{name},{self.action}"), encode_request("logoff", name))

    def again(self, reply: bytes) -> bool:
        if b'"E"' not in reply:  # most are no errors, and are read only when all verbs are out
            return False
        try:
            return _about_session(decode_reply(reply))
        except Garbled:
            return False


class LuxosDialect(Struct, frozen=True):
    """LuxOS on any miner that it runs on."""

    name: str = "luxos"
    port: int = 4028
    # Vendor: "25 W in < 5 s". "< 10 s" back takes ramp options that stress the boards and are not sent: a plain wakeup
    # ramps as after a reboot (page on curtail), whose start can take 5 minutes (page on events).
    steps: tuple[DialectStep, ...] = (DialectStep("off", None, 5_000), DialectStep("on", 1.0, 300_000))
    verb_good_ns: int | None = None

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        return read_all(_READS, self.decode_state)

    def decode_state(self, replies: Sequence[bytes], now_ns: int) -> State:
        """config must be there; power and devs tell what they can."""
        config = decode_reply(replies[0])
        row = _first(config, "CONFIG")
        if row is None:
            if config.status is not None and config.status.letter in ("E", "F"):
                raise Refused("", config.status.code or 0, config.status.words)
            raise Garbled("", "no CONFIG in an answer to config", replies[0])
        more = [_read(raw) for raw in replies[1:]]
        power = next((found for reply in more if (found := _first(reply, "POWER")) is not None), {})
        boards = [board for reply in more if reply is not None for board in reply.sections.get("DEVS", ())]
        return State(
            step=_step(row),
            watts=number(power.get("Watts")),
            measured=power.get("PSU") is True,
            hash_rate_ths=_rate_ths(boards),
            temperature_c=max(
                (hot for board in boards if (hot := number(board.get("Temperature")) or 0) > 0), default=None
            ),
            detail=_detail(row),
            repairs=config.repairs + sum(reply.repairs for reply in more if reply is not None),
        )

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        """The same for both steps, and known without a poll."""
        return (Request(_LOGON),)

    def conversation(self, step: str) -> Conversation | None:
        return LuxosTalk(_ACTIONS[step])

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        """The answer to `curtail`, or the one to `logon` where that gave no session."""
        try:
            answer = decode_reply(reply)
        except Garbled as fault:
            return Verdict("garbled", fault.detail)
        status = answer.status
        if status is None:
            return Verdict("garbled", "no status in the answer")
        detail = f"code {status.code}: {status.words}"
        if status.code == _TAKEN and status.letter != "E":
            return Verdict("ok", detail)
        if _about_session(answer):
            return Verdict("refused", detail, passes=True)
        if "already" in status.words.lower():
            return Verdict("ok", detail)
        return Verdict("refused" if status.letter in ("E", "F") else "garbled", detail)


def _session_name(reply: bytes) -> str:
    """The name of the session that this gives, empty when it gives none.

    A volley waits for thousands of these: 2 us each this way, 12 us by decode_reply(), which is for the odd ones.
    """
    try:
        opened = _OPENED.decode(reply.rstrip(b"\0"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = _read(reply)
        row = _first(answer, "SESSION")
        if answer is None or answer.status is None or answer.status.letter != "S" or row is None:
            return ""
        name = row.get("SessionID")
        return name if isinstance(name, str) else ""
    return opened.session[0].name if opened.status[0].letter == "S" else ""


def _about_session(answer: Reply) -> bool:
    """Whether it was refused for want of a session: somebody else has it, or ours is gone."""
    status = answer.status
    if status is None or status.letter != "E":
        return False
    return status.code == _BUSY or "session" in status.words.lower()


def _read(raw: bytes) -> Reply | None:
    try:
        return decode_reply(raw)
    except Garbled:
        return None


def _first(reply: Reply | None, name: str) -> Section | None:
    rows = () if reply is None else reply.sections.get(name, ())
    return rows[0] if rows else None


def _step(config: Section) -> str | None:
    mode = config.get("CurtailMode")
    if not isinstance(mode, str) or not mode.strip():
        return None
    return "on" if mode.strip().lower() == _AWAKE else "off"


def _rate_ths(boards: list[Section]) -> float | None:
    """The sum over 5 s, None as soon as one board does not tell it; it is in MH/s."""
    rates = [first_number(board, "MHS 5s") for board in boards]
    known = [rate for rate in rates if rate is not None]
    return sum(known) / 1e6 if known and len(known) == len(rates) else None


def _detail(config: Section) -> str:
    words = []
    mode, system = config.get("CurtailMode"), config.get("SystemStatus")
    if isinstance(mode, str) and mode.strip().lower() != _AWAKE:
        words.append(f"curtailed: {mode}")
    if isinstance(system, str) and system != "Normal":
        words.append(f"system: {system}")
    if config.get("IsPowerSupplyOn") is False:
        words.append("power supply off")
    return ", ".join(words)
