"""A small Modbus TCP server with faults: MBAP framing around modbus_pdu, one bank per unit.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3 (MBAP: transaction, protocol 0, length, unit).
mbpoll and a libmodbus client judge it in tests/e2e/hil.

Faults (LinkFault), of the whole endpoint:

    silent     connections are accepted and requests read; nothing is answered
    late       every answer comes `ms` later
    reset      each request is answered by a TCP reset
    garbage    the answer is bytes that are no Modbus
    exception  every request gets exception 4 (device failure)
    refuse     nobody listens; open connections are reset
"""

import asyncio
import random
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Mapping
from enum import StrEnum

from hil.modbus_pdu import TARGET_SILENT, WRITING, Bank, answer, exception

_HEADER = struct.Struct(">HHHB")  # transaction, protocol, length of what follows (unit and PDU), unit
_LENGTH_MAX = 254  # unit and a PDU of at most 253 bytes
_WRITES_KEPT = 10_000


class LinkFault(StrEnum):
    """What is wrong with the endpoint."""

    NONE = "none"
    SILENT = "silent"
    LATE = "late"
    RESET = "reset"
    GARBAGE = "garbage"
    EXCEPTION = "exception"
    REFUSE = "refuse"


class ModbusServer:
    """One TCP endpoint. Units that it does not have are answered as a gateway does (exception 11).

    `functions` counts the requests by function code and `writes` keeps when, the unit and the PDU of those that could
    change something: what a judge of an observing agent looks at.
    """

    def __init__(self, banks: Mapping[int, Bank], host: str = "127.0.0.1", port: int = 0, seed: int = 0) -> None:
        self.banks = dict(banks)
        self.host = host
        self.port = port
        self.fault = LinkFault.NONE
        self.late_ms = 0.0
        self.functions: Counter[int] = Counter()
        self.writes: deque[tuple[int, int, bytes]] = deque(maxlen=_WRITES_KEPT)
        self.connections: set[_Connection] = set()
        self.random = random.Random(seed)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens; with port 0 the port that was free is in `port` afterwards."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port, backlog=64)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Nobody listens any more and every connection is reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.reset()

    async def set_fault(self, fault: LinkFault, ms: float = 0.0) -> None:
        """From now on this is wrong; NONE mends it."""
        self.fault = fault
        self.late_ms = ms
        if fault is LinkFault.REFUSE:
            await self.stop()
        elif self._server is None:
            await self.start()


class _Connection(asyncio.Protocol):
    """Cuts the stream into requests and answers them in order."""

    def __init__(self, server: ModbusServer) -> None:
        self._server = server
        self._held = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._held += data
        while self._transport is not None and len(self._held) >= _HEADER.size:
            transaction, protocol, length, unit = _HEADER.unpack_from(self._held)
            if protocol != 0 or not 2 <= length <= _LENGTH_MAX:
                self.reset()  # the stream cannot be cut into requests any more
                return
            if len(self._held) < 6 + length:
                return
            pdu, self._held = self._held[_HEADER.size : 6 + length], self._held[6 + length :]
            self._request(transaction, unit, pdu)

    def reset(self) -> None:
        """Ends the connection by RST."""
        if self._transport is not None:
            endpoint = self._transport.get_extra_info("socket")
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def _request(self, transaction: int, unit: int, pdu: bytes) -> None:
        server = self._server
        server.functions[pdu[0]] += 1
        if pdu[0] in WRITING:
            server.writes.append((time.monotonic_ns(), unit, pdu))
        if server.fault is LinkFault.SILENT:
            return
        if server.fault is LinkFault.RESET:
            self.reset()
            return
        if server.fault is LinkFault.GARBAGE:
            self._send(server.random.randbytes(server.random.randint(1, 64)))
            return
        reply = self._reply(unit, pdu)
        frame = _HEADER.pack(transaction, 0, len(reply) + 1, unit) + reply
        if server.fault is LinkFault.LATE:
            asyncio.get_running_loop().call_later(server.late_ms / 1000, self._send, frame)
        else:
            self._send(frame)

    def _reply(self, unit: int, pdu: bytes) -> bytes:
        if self._server.fault is LinkFault.EXCEPTION:
            return exception(pdu[0], 4)
        bank = self._server.banks.get(unit)
        return exception(pdu[0], TARGET_SILENT) if bank is None else answer(bank, pdu)

    def _send(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)
