"""A small Modbus client for measuring: one request at a time, every byte checked, timed and kept in the dump.

Sources: MODBUS Application Protocol V1.1b3 (functions 1 to 4, 6 and 43/14), Messaging on TCP/IP V1.0b 3.1.3 (MBAP),
MODBUS over Serial Line V1.02 2.5.1 (RTU). An RTU reply has no length: where it ends is told by its function code and
byte count, or by silence.

A reply that comes after its time-out is recognised by its transaction number and dropped, over TCP; on a line there is
none, so that a line is left to fall silent before the next request.
"""

import struct
import time

from msgspec import Struct

from hil.probe.dump import Dump
from hil.probe.failures import Failure, Silent
from hil.probe.place import Place
from hil.probe.wire import Wire, nonsense

READ = {"holding": 3, "input": 4, "coil": 1, "discrete": 2}
TEXTS = {
    1: "no such function",
    2: "no such register",
    3: "not so many at once",
    4: "device fault",
    5: "accepted, still busy",
    6: "busy",
    10: "the gateway has no path to this unit",
    11: "the gateway's unit does not answer",
}
_HEADER = struct.Struct(">HHHB")
_QUIET_S = 0.05  # longer than 3.5 characters at 1200 baud (32 ms)


class Answer(Struct, frozen=True):
    """A reply's PDU and its two instants."""

    pdu: bytes
    asked_ns: int  # before its first byte was handed over
    answered_ns: int

    @property
    def ms(self) -> float:
        """From the first byte out to the last byte in."""
        return (self.answered_ns - self.asked_ns) / 1e6

    @property
    def taken_ns(self) -> int:
        """When its values were so, as near as can be told."""
        return (self.asked_ns + self.answered_ns) // 2

    @property
    def code(self) -> int:
        """The exception code; 0: a good answer."""
        return self.pdu[1] if self.pdu[0] & 0x80 else 0

    @property
    def words(self) -> str:
        """The exception in words."""
        return f"exception {self.code} ({TEXTS.get(self.code, 'a code of its own')})"

    def registers(self) -> tuple[int, ...]:
        """The registers of a read."""
        return struct.unpack(f">{self.pdu[1] // 2}H", self.pdu[2:])

    def bits(self, count: int) -> tuple[bool, ...]:
        """The first bits of a read of bits."""
        return tuple(bool(self.pdu[2 + at // 8] >> at % 8 & 1) for at in range(count))


class ModbusClient:
    """One connection to a device."""

    def __init__(self, place: Place, unit: int, dump: Dump, timeout_s: float) -> None:
        self.place = place
        self.unit = unit
        self.timeout_s = timeout_s
        self.wire = Wire(place)
        self._dump = dump
        self._transaction = 0
        self._late: set[int] = set()  # given up, and may still come
        self._held = b""

    def read(self, table: str, at: int, count: int) -> Answer:
        """Asks for registers or bits; an exception is an answer."""
        answer = self.ask(struct.pack(">BHH", READ[table], at, count))
        expected = 2 * count if table in ("holding", "input") else (count + 7) // 8
        if not answer.code and (answer.pdu[1] != expected or len(answer.pdu) != 2 + expected):
            raise nonsense(self.place, f"{count} of {table} asked for, {len(answer.pdu) - 2} bytes answered")
        return answer

    def write(self, at: int, value: int) -> Answer:
        """Writes one holding register (function 6)."""
        return self.ask(struct.pack(">BHH", 6, at, value))

    def ask(self, pdu: bytes, unit: int | None = None) -> Answer:
        """One request and its answer."""
        unit = self.unit if unit is None else unit
        sent, asked_ns = self._send(pdu, unit)
        until_ns = asked_ns + round(self.timeout_s * 1e9)
        try:
            answer = self._rtu(unit, pdu[0], until_ns) if self.place.rtu else self._mbap(unit, pdu[0], until_ns)
        except Failure as failure:
            self._dump.exchange(sent, self._held, asked_ns, type(failure).__name__.lower())
            self._held = b""
            if self.place.rtu:
                self._fall_silent()
            raise
        self._dump.exchange(sent, answer, asked_ns)
        reply = answer[1:-2] if self.place.rtu else answer[_HEADER.size :]
        return Answer(reply, asked_ns, time.monotonic_ns())

    def ask_two(self, first: bytes, second: bytes) -> tuple[Answer, Answer]:
        """Two requests in one segment, then both answers (TCP alone). Garbled when they come in another order."""
        frames = b""
        for pdu in (first, second):
            self._transaction = (self._transaction + 1) % 0x1_0000
            frames += _HEADER.pack(self._transaction, 0, len(pdu) + 1, self.unit) + pdu
        asked_ns = time.monotonic_ns()
        self.wire.send(frames)
        until_ns = asked_ns + round(self.timeout_s * 1e9)
        last = self._transaction
        answers = []
        for transaction, pdu in ((last - 1, first), (last, second)):
            self._transaction = transaction
            reply = self._mbap(self.unit, pdu[0], until_ns)
            answers.append(Answer(reply[_HEADER.size :], asked_ns, time.monotonic_ns()))
        return answers[0], answers[1]

    def close(self, *, reset: bool = False) -> None:
        """Ends the connection."""
        self.wire.close(reset=reset)

    def _send(self, pdu: bytes, unit: int) -> tuple[bytes, int]:
        if self.place.rtu:
            body = bytes([unit]) + pdu
            frame = body + crc(body)
        else:
            self._transaction = (self._transaction + 1) % 0x1_0000
            frame = _HEADER.pack(self._transaction, 0, len(pdu) + 1, unit) + pdu
        asked_ns = time.monotonic_ns()
        self.wire.send(frame)
        return frame, asked_ns

    def _mbap(self, unit: int, function: int, until_ns: int) -> bytes:
        while True:
            frame = self._cut(until_ns)
            transaction, protocol, _, answered_unit = _HEADER.unpack_from(frame)
            if transaction in self._late:
                self._late.discard(transaction)
                continue
            if transaction != self._transaction:
                raise nonsense(self.place, f"transaction {self._transaction} asked, {transaction} answered")
            if protocol != 0:
                raise nonsense(self.place, f"protocol {protocol} in the header, which Modbus has 0 in")
            if answered_unit != unit:
                raise nonsense(self.place, f"unit {unit} asked, unit {answered_unit} answered")
            self._check_function(function, frame[_HEADER.size])
            return frame

    def _cut(self, until_ns: int) -> bytes:
        """The next whole frame of the stream."""
        while True:
            if len(self._held) >= 6:
                length = int.from_bytes(self._held[4:6], "big")
                if not 3 <= length <= 254:
                    raise nonsense(self.place, f"a header that says {length} bytes: {self._held[:16].hex(' ')}")
                if len(self._held) >= 6 + length:
                    frame, self._held = self._held[: 6 + length], self._held[6 + length :]
                    return frame
            data = self.wire.receive(until_ns)
            if not data:
                self._late.add(self._transaction)
                raise self._silent()
            self._held += data

    def _rtu(self, unit: int, function: int, until_ns: int) -> bytes:
        held = b""
        while (whole := _rtu_size(held)) is None or len(held) < whole:
            quiet_ns = time.monotonic_ns() + round(_QUIET_S * 1e9)
            data = self.wire.receive(min(until_ns, quiet_ns) if held and whole is None else until_ns)
            self._held = held = held + data
            if not data:
                break
        if not held:
            raise self._silent()
        self._held = b""
        if len(held) < 5 or crc(held[:-2]) != held[-2:]:
            raise nonsense(self.place, f"no whole frame, or a wrong check sum: {held[:16].hex(' ')}")
        if held[0] != unit:
            raise nonsense(self.place, f"unit {unit} asked, unit {held[0]} answered")
        self._check_function(function, held[1])
        return held

    def _check_function(self, asked: int, answered: int) -> None:
        if answered & 0x7F != asked:
            raise nonsense(self.place, f"function {asked} asked, function {answered} answered")

    def _fall_silent(self) -> None:
        """Waits until a line has said nothing for a while, so that a late reply is not taken for the next one."""
        end_ns = time.monotonic_ns() + round(self.timeout_s * 1e9)
        while self.wire.receive(min(end_ns, time.monotonic_ns() + round(2 * _QUIET_S * 1e9))):
            if time.monotonic_ns() > end_ns:
                return

    def _silent(self) -> Silent:
        if self._held:
            what = f"only {len(self._held)} bytes of an answer came within {self.timeout_s:g} s"
            return Silent(
                f"{self.place}, unit {self.unit}: {what}", "check the line's settings, or give --timeout more"
            )
        what = f"{self.place}, unit {self.unit}: asked, and no answer for {self.timeout_s:g} s"
        line = "check baudrate, parity and wiring, and" if self.place.device else "check"
        return Silent(what, f"{line} the unit id (--unit); behind a gateway the meter itself may be off")


def _rtu_size(held: bytes) -> int | None:
    """How long the reply at the beginning is; None while that cannot be told."""
    if len(held) < 3:
        return None
    if held[1] & 0x80:
        return 5
    if held[1] in (1, 2, 3, 4):
        return 5 + held[2]
    return 8 if held[1] in (5, 6, 15, 16) else None


def crc(frame: bytes) -> bytes:
    """CRC-16 as it follows an RTU frame: polynomial 0x8005 reflected, from 0xFFFF, low byte first."""
    remainder = 0xFFFF
    for byte in frame:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0xA001 if remainder & 1 else 0)
    return remainder.to_bytes(2, "little")
