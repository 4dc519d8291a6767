"""A serial line: RTU over pymodbus's serial client. One line, one owner: the port is opened for exclusive use.

Timing (Modbus over Serial Line 1.02, 2.5.1.1): a frame ends with 3.5 characters of silence, 1.75 ms above 19200 baud,
and 11 bits make a character. A request is sent that long after the last byte heard, and whatever lies in the buffer by
then (noise, an answer given twice) is thrown away.
"""

import asyncio
import termios
from typing import Literal

from msgspec import Struct
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.client.base import ModbusBaseClient

from drivers.errors import Unreachable
from drivers.modbus.transport import LATE_S, NEVER_S, PymodbusTransport

CHARACTER_BITS = 11
_GAP_CHARACTERS = 3.5
_GAP_S_MIN = 0.00175
_TICK_S = 0.001  # uvloop's clock moves in steps of this


class Line(Struct, frozen=True):
    """A serial port and how it is set."""

    port: str
    baudrate: int = 19200
    parity: Literal["N", "E", "O"] = "E"
    stopbits: Literal[1, 2] = 1

    @property
    def byte_s(self) -> float:
        """How long one character takes."""
        return CHARACTER_BITS / self.baudrate


class SerialTransport(PymodbusTransport):
    """Modbus RTU on a serial line."""

    def __init__(self, line: Line, *, late_s: float = LATE_S) -> None:
        super().__init__(line.port, rtu=True, late_s=late_s)
        self.address = line.port
        self._line = line
        self._gap_s = max(_GAP_S_MIN, _GAP_CHARACTERS * line.byte_s) + _TICK_S
        self._free_at = 0.0  # loop time when the line will have been silent for long enough

    @property
    def quiet_s(self) -> float:
        return max(super().quiet_s, self._free_at - asyncio.get_running_loop().time(), 0.0)

    def settle(self) -> None:
        self._owed_until = None  # what it owed is thrown away before the next request goes out

    async def connect(self) -> None:
        # Opening a port takes no time, but pymodbus cancelled in the middle of it keeps the port open and forgets it.
        opening = asyncio.ensure_future(self._open())
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            await asyncio.wait((opening,))
            self.close()
            raise

    async def _open(self) -> None:
        try:
            await super().connect()
        except termios.error as error:
            line = self._line
            wrong = f"the port cannot be set to {line.baudrate} baud, parity {line.parity}, {line.stopbits} stop bits"
            raise Unreachable(self.address, wrong) from error

    def _make_client(self) -> ModbusBaseClient:
        client: ModbusBaseClient = AsyncModbusSerialClient(
            self._line.port,
            framer=FramerType.RTU,
            baudrate=self._line.baudrate,
            parity=self._line.parity,
            stopbits=self._line.stopbits,
            timeout=NEVER_S,
            retries=0,
            reconnect_delay=0,
            trace_connect=lambda up: None if up else self._lost(client),
            trace_packet=self._looked_at,
            trace_pdu=self._understood,
        )
        return client

    def _unconnected(self) -> str:
        return "no such port, no permission (group dialout), or another program has it"

    def _before_sending(self) -> None:
        port = getattr(self._client.ctx.transport, "sync_serial", None) if self._client is not None else None
        if port is not None:
            try:
                port.reset_input_buffer()
            except (OSError, termios.error):
                self.close()  # the adapter was pulled out

    def _looked_at(self, sending: bool, data: bytes) -> bytes:
        self._free_at = asyncio.get_running_loop().time() + self._gap_s
        return super()._looked_at(sending, data)
