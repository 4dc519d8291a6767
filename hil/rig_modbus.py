"""A small Modbus TCP client of the rig's own: it reads real meters and switches real relays.

Written from the Modbus Application Protocol V1.1b3 and the Messaging on TCP/IP guide; it shares nothing with the driver
under test. One request at a time on one connection, which is made anew when it broke; several threads may ask.
"""

import socket
import struct
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from hil.meter import Layout

_READS = {"holding": 3, "input": 4}
_WRITE_COIL = 5
_COIL_ON, _COIL_OFF = 0xFF00, 0x0000
_HEADER = struct.Struct(">HHHB")  # transaction, protocol, length of what follows, unit


class ModbusRefused(OSError):
    """The device answered with an exception code."""


class ModbusClient:
    """One unit at one endpoint."""

    def __init__(self, at: str, unit_id: int, wait_s: float = 1.0) -> None:
        host, _, port = at.removeprefix("tcp://").rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{at!r} is no address; write tcp://HOST:PORT")
        self._where = (host, int(port))
        self._unit = unit_id
        self._wait_s = wait_s
        self._transaction = 0
        self._socket: socket.socket | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """The connection is gone; the next request makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def read_registers(self, table: str, at: int, count: int) -> tuple[int, ...]:
        """Registers of a table ("holding" or "input")."""
        answer = self.ask(struct.pack(">BHH", _READS[table], at, count))
        if len(answer) != 2 + 2 * count or answer[1] != 2 * count:
            self.close()
            raise OSError(f"{self._where}: {len(answer)} bytes where {2 + 2 * count} belong")
        return struct.unpack(f">{count}H", answer[2:])

    def write_coil(self, at: int, on: bool) -> None:
        """One coil; the answer must be the request again."""
        request = struct.pack(">BHH", _WRITE_COIL, at, _COIL_ON if on else _COIL_OFF)
        if self.ask(request) != request:
            self.close()
            raise OSError(f"{self._where}: another answer than the request to a coil's write")

    def ask(self, pdu: bytes) -> bytes:
        """The answer's PDU; ModbusRefused on an exception, another OSError when there is none."""
        with self._turn:
            try:
                answer = self._exchange(pdu)
            except OSError:
                self.close()
                raise
        if answer[0] == pdu[0] | 0x80 and len(answer) == 2:
            raise ModbusRefused(f"{self._where} refuses function {pdu[0]} with code {answer[1]}")
        return answer

    def _exchange(self, pdu: bytes) -> bytes:
        if self._socket is None:
            self._socket = socket.create_connection(self._where, self._wait_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transaction = (self._transaction + 1) % 0x1_0000
        self._socket.sendall(_HEADER.pack(self._transaction, 0, len(pdu) + 1, self._unit) + pdu)
        transaction, protocol, length, unit = _HEADER.unpack(self._receive(_HEADER.size))
        if (transaction, protocol, unit) != (self._transaction, 0, self._unit) or not 2 <= length <= 254:
            raise OSError(f"{self._where}: an answer to something else")
        return self._receive(length - 1)

    def _receive(self, count: int) -> bytes:
        assert self._socket is not None
        held = b""
        while len(held) < count:
            data = self._socket.recv(count - len(held))
            if not data:
                raise OSError(f"{self._where}: closed in the middle of an answer")
            held += data
        return held


def read_quantities(client: ModbusClient, layout: Layout, names: Sequence[str]) -> dict[str, float]:
    """Float quantities of a meter by its layout (hil/meters), each from the first place that shows it."""
    values: dict[str, float] = {}
    for name in names:
        places = layout.value[name]
        at = places if isinstance(places, int) else places[0]
        words = client.read_registers(layout.tables[0], at, 2)
        (values[name],) = struct.unpack(">f", struct.pack(">HH", *words))
    return values
