"""What answers a request: pymodbus's classes for it that keep the bytes, and the checks that make values of these.

pymodbus 3.16 decodes an answer inside the event loop, where what it cannot decode raises, is logged with a traceback
and drops the connection; it builds a text of every answer for a log that nobody reads; and it takes any answer that
decodes. So its decoders are replaced: an answer is kept as its bytes, and held against the request here.

Layouts: Modbus Application Protocol 1.1b3, sections 6.1 to 6.6, 6.11 and 6.12.
"""

import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pymodbus.pdu import ModbusPDU

from drivers.profile import AnyTable

READS: Mapping[AnyTable, int] = MappingProxyType({"coil": 1, "discrete": 2, "holding": 3, "input": 4})
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
FUNCTIONS = frozenset({*READS.values(), WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS})

COIL_ON = 0xFF00


class Kept(ModbusPDU):
    """An answer as its bytes behind the function code."""

    said = b""

    def decode(self, data: bytes) -> None:
        self.said = data

    def __str__(self) -> str:
        return "an answer"  # built for a log line on every one, even where nothing is logged


def _kept(function: int) -> type[ModbusPDU]:
    size = {"rtu_byte_count_pos": 2} if function in READS.values() else {"rtu_frame_size": 8}
    return type(f"Kept{function}", (Kept,), {"function_code": function, **size})


ANSWERS = tuple(_kept(function) for function in sorted(FUNCTIONS))


def values_of(said: bytes, table: AnyTable, count: int) -> tuple[int, ...]:
    """The registers, or the bits as 0 and 1, of an answer to a read of `count`; raises ValueError when it is none."""
    size = said[0] if said else -1
    expected = (count + 7) // 8 if table in ("coil", "discrete") else 2 * count
    if size != expected or len(said) != size + 1:
        raise ValueError(f"{size} bytes announced and {len(said) - 1} there in an answer of {expected}")
    if table in ("coil", "discrete"):
        bits = int.from_bytes(said[1:], "little")
        return tuple(bits >> place & 1 for place in range(count))
    return struct.unpack_from(f">{count}H", said, 1)


def check_echo(said: bytes, function: int, at: int, values: Sequence[int]) -> None:
    """A write's answer repeats where, and what or how many; raises ValueError when this one does not."""
    if function == WRITE_COIL:
        second = COIL_ON if values[0] else 0
    elif function == WRITE_REGISTER:
        second = values[0]
    else:
        second = len(values)
    expected = struct.pack(">2H", at, second)
    if said != expected:
        raise ValueError(f"{said.hex()} in an answer that should repeat {expected.hex()}")
