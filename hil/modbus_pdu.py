"""What a Modbus server answers to one request: pure, bytes in, bytes out.

Terms: a *PDU* is function code and data, without transport header. A *bank* is what one unit holds: coils and discrete
inputs (bits), holding and input registers (16-bit words). Addresses are 0-based, as on the wire.

Source: MODBUS Application Protocol Specification V1.1b3, sections 6.1-6.6, 6.11, 6.12 (functions 1-6, 15, 16) and 7
(exceptions). Written from it alone: the driver under test uses another implementation, so that an
error in one shows against the other.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Protocol

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
TARGET_SILENT = 11  # a gateway's answer for a unit that it cannot reach

_BITS = {1: "coils", 2: "inputs"}
_REGISTERS = {3: "holding", 4: "input"}
WRITING = frozenset({5, 6, 15, 16, 22, 23})  # functions that can change something; 22 and 23 are refused here


class RefusedPdu(Exception):
    """The request is answered with this exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Bank(Protocol):
    """One unit's data. Each method raises RefusedPdu(ILLEGAL_ADDRESS) outside of what the unit has."""

    def read_bits(self, table: str, at: int, count: int) -> Sequence[bool]: ...

    def read_registers(self, table: str, at: int, count: int) -> Sequence[int]: ...

    def write_bits(self, at: int, values: Sequence[bool]) -> None: ...

    def write_registers(self, at: int, values: Sequence[int]) -> None: ...


def answer(bank: Bank, pdu: bytes) -> bytes:
    """The response PDU, an exception where the specification asks for one."""
    function = pdu[0]
    try:
        return _answer(bank, function, pdu[1:])
    except RefusedPdu as refused:
        return exception(function, refused.code)


def exception(function: int, code: int) -> bytes:
    """The exception response to a function."""
    return bytes([function | 0x80, code])


def _answer(bank: Bank, function: int, data: bytes) -> bytes:
    if function in _BITS:
        at, count = _range(data, 2000)
        packed = _pack_bits(bank.read_bits(_BITS[function], at, count))
        return bytes([function, len(packed)]) + packed
    if function in _REGISTERS:
        at, count = _range(data, 125)
        return struct.pack(f">BB{count}H", function, 2 * count, *bank.read_registers(_REGISTERS[function], at, count))
    if function == 5:
        at, value = _two(data)
        if value not in (0x0000, 0xFF00):
            raise RefusedPdu(ILLEGAL_VALUE)
        bank.write_bits(at, [value == 0xFF00])
        return bytes([function]) + data
    if function == 6:
        at, value = _two(data)
        bank.write_registers(at, [value])
        return bytes([function]) + data
    if function == 15:
        at, count, body = _write_body(data, 1968, lambda bits: (bits + 7) // 8)
        bank.write_bits(at, [bool(body[bit // 8] >> (bit % 8) & 1) for bit in range(count)])
        return bytes([function]) + data[:4]
    if function == 16:
        at, count, body = _write_body(data, 123, lambda registers: 2 * registers)
        bank.write_registers(at, struct.unpack(f">{count}H", body))
        return bytes([function]) + data[:4]
    raise RefusedPdu(ILLEGAL_FUNCTION)


def _two(data: bytes) -> tuple[int, int]:
    if len(data) != 4:
        raise RefusedPdu(ILLEGAL_VALUE)
    at, value = struct.unpack(">HH", data)
    return at, value


def _range(data: bytes, count_max: int) -> tuple[int, int]:
    """Start and count of a read, within the protocol's limits."""
    at, count = _two(data)
    if not 1 <= count <= count_max:
        raise RefusedPdu(ILLEGAL_VALUE)
    if at + count > 0x1_0000:
        raise RefusedPdu(ILLEGAL_ADDRESS)
    return at, count


def _write_body(data: bytes, count_max: int, size: Callable[[int], int]) -> tuple[int, int, bytes]:
    """Start, count and values of a multiple write whose byte count agrees with both."""
    if len(data) < 5:
        raise RefusedPdu(ILLEGAL_VALUE)
    at, count = _range(data[:4], count_max)
    body = data[5:]
    if data[4] != size(count) or len(body) != size(count):
        raise RefusedPdu(ILLEGAL_VALUE)
    return at, count, body


def _pack_bits(bits: Sequence[bool]) -> bytes:
    packed = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        if bit:
            packed[index // 8] |= 1 << (index % 8)
    return bytes(packed)
