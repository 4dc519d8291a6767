"""Seam 2: one Modbus endpoint's wire. PymodbusTransport is the real one; the simulation replaces it and nothing else.

A transport sends one request at a time and checks that what came back answers it. It has no deadlines, no retries, no
queue and no back-off of its own: those are the link's (drivers/modbus/link.py).

What pymodbus 3.16 does by itself and must not do here (all seen with a scripted device):
- It tells nobody who waits that the connection was lost: a read ends when trace_connect reports the loss.
- It takes an answer with another function code, or with fewer or more registers than asked: checked here.
- An answer it cannot decode raises inside the event loop, which logs a traceback and drops the connection. So registers
  are decoded by a class of ours that never raises, in one struct call and without the text that it builds for its log.
- Reconnecting by itself leaks sockets and may wait 300 s: off. One client object for each connection, so that a late
  callback of an old connection cannot touch the new one.
TCP_NODELAY is set by asyncio and by uvloop on every connection.
"""

import asyncio
import logging
import struct
from typing import Protocol

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from drivers.errors import Garbled, Refused, Silent, Unreachable
from drivers.modbus.codes import refusal
from drivers.profile import Table

CONNECT_S = 1.5  # one lost SYN is sent again after 1.03 s
_NEVER_S = 3600.0  # pymodbus's own time-out: the deadline is the caller's
_FUNCTION = {"holding": 3, "input": 4}

# It logs each failure with a dump of its last frames; what there is to say is in our errors.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class Transport(Protocol):
    """One endpoint. Only one call at a time; the caller's deadline cancels a read, which keeps the connection."""

    @property
    def address(self) -> str:
        """What errors call it: "10.20.0.10:502"."""
        ...

    @property
    def connected(self) -> bool:
        """A connection is up; false as soon as its loss is known."""
        ...

    async def connect(self) -> None:
        """Open the connection; raises Unreachable within a bounded time."""
        ...

    async def read(self, unit: int, table: Table, at: int, count: int) -> tuple[int, ...]:
        """`count` registers from wire address `at`.

        Raises Unreachable (not connected), Silent (the connection was lost while waiting), Refused (a Modbus exception,
        with its code) or Garbled. Waits for ever for an answer that does not come: the deadline is the caller's.
        """
        ...

    def close(self) -> None:
        """Drop the connection at once; connect() may follow."""
        ...


class PymodbusTransport:
    """Modbus TCP over pymodbus."""

    def __init__(self, host: str, port: int = 502) -> None:
        self.address = f"{host}:{port}"
        self._host = host
        self._port = port
        self._client: AsyncModbusTcpClient | None = None
        self._heard = b""  # the newest bytes since the request went out
        self._nonsense: str | None = None  # why they are no answer
        self._waiting: asyncio.Timeout | None = None  # the read in progress

    @property
    def connected(self) -> bool:
        return self._client is not None

    async def connect(self) -> None:
        self.close()
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            timeout=_NEVER_S,
            retries=0,
            reconnect_delay=0,
            trace_connect=lambda up: None if up else self._lost(client),
            trace_packet=self._looked_at,
        )
        client.register(_HoldingRegisters)
        client.register(_InputRegisters)
        connected = False
        try:
            async with asyncio.timeout(CONNECT_S):
                connected = await client.connect()
        except TimeoutError as error:
            raise Unreachable(self.address, f"no connection within {CONNECT_S:g} s") from error
        finally:
            if not connected:
                client.close()
        if not connected:
            raise Unreachable(self.address, "connection refused, or no way there")
        self._client = client

    async def read(self, unit: int, table: Table, at: int, count: int) -> tuple[int, ...]:
        client = self._client
        if client is None:
            raise Unreachable(self.address, "not connected")
        self._heard, self._nonsense = b"", None
        ask = client.read_holding_registers if table == "holding" else client.read_input_registers
        try:
            async with asyncio.timeout(None) as self._waiting:
                reply = await ask(at, count=count, device_id=unit)
        except (TimeoutError, ModbusException) as error:
            raise self._no_answer() from error
        finally:
            self._waiting = None
        return self._checked(reply, unit, _FUNCTION[table], count)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
            self._end_read()

    def _lost(self, client: AsyncModbusTcpClient) -> None:
        """The connection went away under us; whoever waits must not wait any longer."""
        if self._client is client:
            self._client = None
            self._end_read()

    def _end_read(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.reschedule(0.0)  # a time long past: its await ends in the next turn of the loop

    def _looked_at(self, sending: bool, data: bytes) -> bytes:
        """Keep what was heard, and keep from pymodbus what its decoder would raise at: a frame is [tid pid length unit
        function ...], and a refusal is 3 long.
        """
        if sending or len(data) < 8:
            return data
        self._heard = data
        function = data[7]
        if function & 0x7F not in (3, 4) or (function > 0x80 and data[4:6] != b"\0\3"):
            self._nonsense = f"an answer with function code {function} that is none to a read of registers"
            self._end_read()
            return b""
        return data

    def _no_answer(self) -> Silent | Garbled:
        if self._nonsense is not None:
            return Garbled(self.address, self._nonsense, self._heard)
        if self._client is None and self._heard:
            return Garbled(self.address, f"closed after {len(self._heard)} bytes that are no answer", self._heard)
        if self._client is None:
            return Silent(self.address, "closed the connection before it answered")
        return Silent(self.address, "no answer")

    def _checked(self, reply: ModbusPDU, unit: int, function: int, count: int) -> tuple[int, ...]:
        """The registers, if they answer what was asked; pymodbus has compared the transaction and the unit."""
        if reply.function_code & 0x7F != function:
            wrong = f"an answer with function code {reply.function_code} to a request with {function}"
            raise Garbled(self.address, wrong, self._heard)
        if reply.isError():
            raise Refused(self.address, reply.exception_code, refusal(unit, reply.exception_code))
        if len(reply.registers) != count:
            wrong = f"{len(reply.registers)} whole registers in an answer to a request for {count}"
            raise Garbled(self.address, wrong, self._heard)
        return tuple(reply.registers)


class _HoldingRegisters(ModbusPDU):
    """The answer to function 3. A byte count that disagrees with the bytes leaves it without registers."""

    function_code = 3
    rtu_byte_count_pos = 2

    def decode(self, data: bytes) -> None:
        size = data[0] if data else 0
        whole = size % 2 == 0 and size + 1 == len(data)
        self.registers = struct.unpack_from(f">{size // 2}H", data, 1) if whole else ()

    def __str__(self) -> str:
        return "registers"  # built for a log line on every answer, even where nothing is logged


class _InputRegisters(_HoldingRegisters):
    """The answer to function 4."""

    function_code = 4
