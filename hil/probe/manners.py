"""How a Modbus device behaves when it is asked for what it does not have, or by more than one.

A server that does not know a function may not know how long the request is either: libmodbus then takes the rest of it
for the next one, and what is asked on that connection from there on is not understood. So after such a function it is
looked whether the connection still works, and a new one is taken where not.

Everything here reads. The function that no meter has is 24 (read FIFO queue), which can only read where somebody has
it; free numbers such as 19 were once used by makers to reset things.
"""

import struct
import time

from hil.probe.failures import Failure, Garbled, HungUp, Silent
from hil.probe.limits import Block
from hil.probe.modbus import READ, Answer, ModbusClient
from hil.probe.report import Report
from hil.probe.session import Session, answers, opened
from hil.probe.spread import short, spread

_CONNECTIONS_MAX = 10
_RECONNECTS = 10
_UNITS = (247, 99)  # one of them is not the unit that is probed
_FAR = 0xFFF0  # where hardly any device has registers
_FIFO = struct.pack(">BH", 24, _FAR)
_IDENTIFY = bytes([0x2B, 0x0E, 1, 0])  # read device identification, basic, from the first object
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, NO_PATH, NO_TARGET = 1, 2, 10, 11


def device_name(session: Session) -> str:
    """Vendor, product and revision where the device tells them (function 43/14); "" where not."""
    answer = _asked(session, _IDENTIFY)
    _deaf(session, "holding", 0)
    if isinstance(answer, Failure) or answer.code or len(answer.pdu) < 7:
        return ""
    texts, rest = [], answer.pdu[7:]
    while len(rest) >= 2 and len(rest) >= 2 + rest[1]:
        texts.append(rest[2 : 2 + rest[1]].decode("latin-1").strip())
        rest = rest[2 + rest[1] :]
    return " ".join(text for text in texts if text.isprintable())


def look_at_refusals(session: Session, report: Report, block: Block) -> None:
    """Unknown unit, address and function."""
    session.progress.stage("questions that it cannot answer")
    _unknown_unit(session, report, block)
    answer = _asked(session, struct.pack(">BHH", READ[block.table], _FAR, 2))
    if isinstance(answer, Failure):
        said = f"a register that is not there: {_unanswered(answer)}"
        report.find("illegal address", "note", said, "each wrong address in a profile costs a time-out")
    elif answer.code == ILLEGAL_ADDRESS:
        report.find("illegal address", "good", "is refused with exception 2")
    elif answer.code:
        report.find("illegal address", "note", f"is refused with {answer.words}, where exception 2 is meant")
    else:
        said = f"registers that hardly exist ({_FAR}) are answered with numbers"
        report.find("illegal address", "note", said, "a wrong address in a profile will not be told as such")
    answer = _asked(session, _FIFO)
    deaf = _deaf(session, block.table, block.at)
    if deaf:
        report.find(
            "illegal function", "note", "after one the connection understands nothing more", "never send it any"
        )
    elif isinstance(answer, Failure):
        report.find("illegal function", "note", _unanswered(answer))
    elif answer.code == ILLEGAL_FUNCTION:
        report.find("illegal function", "good", "is refused with exception 1")
    else:
        report.find("illegal function", "note", answer.words if answer.code else "answered as if it were known")


def look_at_connections(session: Session, report: Report, block: Block) -> None:
    """Two requests at once, how many clients at once, and how soon again."""
    session.progress.stage("two requests at once, several connections")
    ask = struct.pack(">BHH", READ[block.table], block.at, block.count)
    try:
        first, second = session.client.ask_two(ask, ask)
        good = not first.code and not second.code
        report.find("two at once", "good" if good else "note", "both answered, in their order" if good else first.words)
    except Failure as failure:
        session.again()
        report.find("two at once", "note", f"not both answered: {failure.what}", "the agent asks one after the other")
    held: list[ModbusClient] = []
    while len(held) < _CONNECTIONS_MAX and (client := opened(session)) is not None:
        held.append(client)
        if not answers(client, block.table, block.at, block.count):
            break
    count = sum(answers(client, block.table, block.at, block.count) for client in held)
    count += answers(session.client, block.table, block.at, block.count)
    for client in held:
        client.close()
    report.measured["connections"] = count
    at_least = " or more" if count > _CONNECTIONS_MAX else ""
    if count >= 2:
        report.find("connections", "good", f"{count}{at_least} at once are answered")
    else:
        mend = "nothing else may be connected to it beside the agent, and a PLC's verbs share the one of its reads"
        report.find("connections", "note" if report.kind == "meter" else "bad", "one at a time is answered", mend)
    if count <= len(held):  # it gave up an older one for a newer, or refused the newest
        session.again()
    _reconnect(session, report, block)


class IdleWatch:
    """A second connection that says nothing, looked at now and then: how long does the device keep it?"""

    def __init__(self, session: Session, block: Block) -> None:
        self._client = opened(session)
        self._block = block
        self._start_ns = time.monotonic_ns()
        self.closed_s: float | None = None
        if self._client is not None and not answers(self._client, block.table, block.at, block.count):
            self._client.close()
            self._client = None

    def look(self) -> None:
        """Cheap enough for every round."""
        if self._client is None or self.closed_s is not None:
            return
        try:
            self._client.wire.receive(0)
        except HungUp:
            self.closed_s = (time.monotonic_ns() - self._start_ns) / 1e9

    def end(self, report: Report) -> None:
        """The finding."""
        if self._client is None:
            return
        idle_s = (time.monotonic_ns() - self._start_ns) / 1e9
        alive = self.closed_s is None and answers(self._client, self._block.table, self._block.at, self._block.count)
        self._client.close()
        if alive:
            report.find("idle connection", "good", f"still answered after {idle_s:.0f} s of silence")
        else:
            closed_s = idle_s if self.closed_s is None else self.closed_s
            report.measured["idle_s"] = round(closed_s, 1)
            said = f"closed after {closed_s:.0f} s of silence"
            report.find("idle connection", "note", said, f"poll more often than every {max(1.0, closed_s / 2):.0f} s")


def _reconnect(session: Session, report: Report, block: Block) -> None:
    session.progress.stage("connecting again")
    times: list[float] = []
    for number in range(_RECONNECTS):
        reset = number % 2 == 1
        session.client.close(reset=reset)
        start_ns = time.monotonic_ns()
        try:
            session.client = session.connect()
            session.client.read(block.table, block.at, block.count)
        except Failure as failure:
            after = "a reset" if reset else "a close"
            report.find(
                "reconnect", "bad", f"no answer right after {after}: {failure.what}", "ask its maker, or poll less"
            )
            time.sleep(1.0)  # some devices need it; then go on with what is left
            session.again()
            return
        times.append((time.monotonic_ns() - start_ns) / 1e6)
    taken = spread(times)
    if taken is not None:
        said = f"{_RECONNECTS} times: {short(taken.p50)} ms to the first answer, at most {short(taken.max)}"
        report.find("reconnect", "good", said)


def _unknown_unit(session: Session, report: Report, block: Block) -> None:
    unit = next(unit for unit in _UNITS if unit != session.unit)
    answer = _asked(session, struct.pack(">BHH", READ[block.table], block.at, 1), unit)
    mend = "a wrong unit_id in site.toml will not be noticed"
    if isinstance(answer, Silent):
        report.find("unknown unit", "good", f"unit {unit} is not answered")
    elif isinstance(answer, Failure):
        report.find("unknown unit", "note", answer.what, mend)
    elif answer.code in (NO_PATH, NO_TARGET):
        report.find("unknown unit", "good", f"unit {unit}: {answer.words}")
    elif answer.code:
        report.find("unknown unit", "note", f"unit {unit}: {answer.words}, where 10 or 11 is meant")
    else:
        report.find("unknown unit", "note", f"unit {unit} is answered like unit {session.unit}", mend)


def _deaf(session: Session, table: str, at: int) -> bool:
    """Whether a plain read is not answered any more; then the connection is a new one."""
    if answers(session.client, table, at, 1):
        return False
    session.again()
    return True


def _asked(session: Session, pdu: bytes, unit: int | None = None) -> Answer | Failure:
    """The answer, or why there was none that is one."""
    try:
        return session.client.ask(pdu, unit)
    except Silent as failure:
        return failure
    except (HungUp, Garbled) as failure:
        session.again()
        return failure


def _unanswered(failure: Failure) -> str:
    return "not answered" if isinstance(failure, Silent) else failure.what
