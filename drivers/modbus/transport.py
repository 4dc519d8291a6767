"""Seam 2: one Modbus endpoint's wire. PymodbusTransport is the real one; the simulation replaces it and nothing else.

A transport sends one request at a time and checks that what came back answers it. It has no deadlines, no retries, no
queue and no back-off of its own: those are the link's (drivers/modbus/link.py).

Three framings. MBAP (TCP) numbers its requests, so that a late answer is told from the right one. RTU, on a serial line
or inside a TCP connection, does not; nor do gateways that answer with a number of their own (`ignore_tid`). There, an
answer that comes after its request was given up would be taken for the next request's, and pymodbus takes it (19 of 200
reads in a trial). So after a request that ended without its answer nothing may be sent (`quiet_s`) until that answer
has been heard whole, or LATE_S have passed since the request; then settle() drops the connection, or empties the line's
buffer. Dropping it at once would not do: a gateway that passes bytes on hands the late ones to the next connection.

What pymodbus 3.16 does by itself and must not do here (all seen with a scripted device):
- It tells nobody who waits that the connection was lost: a request ends when trace_connect reports the loss.
- It takes an answer of another function, address or length: checked here (drivers/modbus/answers.py).
- It waits by asyncio.wait_for, which in Python 3.11 forgets a cancellation that comes in the same turn of the loop as
  the answer: a poller that is told to stop would go on for ever. Seen at the end of saturated runs; made up for here.
- Reconnecting by itself leaks sockets and may wait 300 s: off. One client object for each connection, so that a late
  callback of an old connection cannot touch the new one.
TCP_NODELAY is set by asyncio and by uvloop on every connection.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, TypeVar

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from drivers.errors import Garbled, Refused, Silent, Unreachable
from drivers.modbus.answers import (
    ANSWERS,
    FUNCTIONS,
    READS,
    WRITE_COIL,
    WRITE_COILS,
    WRITE_REGISTER,
    WRITE_REGISTERS,
    Kept,
    check_echo,
    values_of,
)
from drivers.modbus.codes import refusal
from drivers.profile import AnyTable

CONNECT_S = 1.5  # one lost SYN is sent again after 1.03 s
LATE_S = 1.0  # the longest that a device may take for an answer: four times what a link waits for one
NEVER_S = 3600.0  # pymodbus's own time-out: the deadline is the caller's

WriteTable = Literal["coil", "holding"]
T = TypeVar("T")

# It logs each failure with a dump of its last frames; what there is to say is in our errors.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class Transport(Protocol):
    """One endpoint. Only one call at a time; the caller's deadline cancels a request, which keeps the connection."""

    @property
    def address(self) -> str:
        """What errors call it: "10.20.0.10:502"."""
        ...

    @property
    def connected(self) -> bool:
        """A connection is up; false as soon as its loss is known."""
        ...

    @property
    def quiet_s(self) -> float:
        """How long nothing may be sent yet, since an earlier request's answer may still come."""
        ...

    def settle(self) -> None:
        """The silence is over: make sure that nothing of an earlier request can be heard any more. May disconnect."""
        ...

    async def connect(self) -> None:
        """Open the connection; raises Unreachable within a bounded time."""
        ...

    async def read(self, unit: int, table: AnyTable, at: int, count: int) -> tuple[int, ...]:
        """`count` registers, or bits as 0 and 1, from wire address `at`.

        Raises Unreachable (not connected), Silent (the connection was lost while waiting), Refused (a Modbus exception,
        with its code) or Garbled. Waits for ever for an answer that does not come: the deadline is the caller's.
        """
        ...

    async def write(self, unit: int, table: WriteTable, at: int, values: Sequence[int]) -> None:
        """Set registers, or coils by 0 and 1, from wire address `at` on; raises as read(). After Silent and Garbled it
        is unknown whether the device did it.
        """
        ...

    def close(self) -> None:
        """Drop the connection at once; connect() may follow."""
        ...


class PymodbusTransport:
    """Modbus TCP, or RTU inside a TCP connection, over pymodbus."""

    def __init__(
        self, host: str, port: int = 502, *, rtu: bool = False, ignore_tid: bool = False, late_s: float = LATE_S
    ) -> None:
        """`ignore_tid`: for gateways that answer with a transaction number of their own."""
        self.address = f"{host}:{port}"
        self.framer = FramerType.RTU if rtu else FramerType.SOCKET
        self._host = host
        self._port = port
        self._ignore_tid = ignore_tid and not rtu
        self._late_s = late_s if rtu or ignore_tid else 0.0
        self._client: ModbusBaseClient | None = None
        self._heard = b""  # the newest bytes since the request went out
        self._nonsense: str | None = None  # why they are no answer
        self._waiting: asyncio.Timeout | None = None  # the request in progress
        self._owed_until: float | None = None  # loop time until when the answer to a request given up may come ...
        self._owed_by: ModbusBaseClient | None = None  # ... and on which connection that was asked for

    @property
    def connected(self) -> bool:
        return self._client is not None

    @property
    def quiet_s(self) -> float:
        if self._owed_until is None:
            return 0.0
        return max(0.0, self._owed_until - asyncio.get_running_loop().time())

    def settle(self) -> None:
        if self._owed_until is not None and self._owed_by is self._client:
            self.close()
        self._owed_until = self._owed_by = None

    async def connect(self) -> None:
        self.close()
        client = self._make_client()
        for answer in ANSWERS:
            client.register(answer)
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
            raise Unreachable(self.address, self._unconnected())
        self._client = client

    async def read(self, unit: int, table: AnyTable, at: int, count: int) -> tuple[int, ...]:
        def ask(client: ModbusBaseClient) -> Awaitable[ModbusPDU]:
            match table:
                case "holding":
                    return client.read_holding_registers(at, count=count, device_id=unit)
                case "input":
                    return client.read_input_registers(at, count=count, device_id=unit)
                case "coil":
                    return client.read_coils(at, count=count, device_id=unit)
                case "discrete":
                    return client.read_discrete_inputs(at, count=count, device_id=unit)

        return await self._exchange(READS[table], unit, ask, lambda said: values_of(said, table, count))

    async def write(self, unit: int, table: WriteTable, at: int, values: Sequence[int]) -> None:
        numbers = list(values)
        bits = list(map(bool, values))
        single = len(values) == 1

        def ask(client: ModbusBaseClient) -> Awaitable[ModbusPDU]:
            if table == "coil":
                if single:
                    return client.write_coil(at, bits[0], device_id=unit)
                return client.write_coils(at, bits, device_id=unit)
            if single:
                return client.write_register(at, numbers[0], device_id=unit)
            return client.write_registers(at, numbers, device_id=unit)

        if table == "coil":
            function = WRITE_COIL if single else WRITE_COILS
        else:
            function = WRITE_REGISTER if single else WRITE_REGISTERS
        await self._exchange(function, unit, ask, lambda said: check_echo(said, function, at, numbers))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
            self._end_request()

    def _make_client(self) -> ModbusBaseClient:
        client: ModbusBaseClient = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            framer=self.framer,
            timeout=NEVER_S,
            retries=0,
            reconnect_delay=0,
            trace_connect=lambda up: None if up else self._lost(client),
            trace_packet=self._looked_at,
            trace_pdu=self._understood,
        )
        return client

    def _unconnected(self) -> str:
        return "connection refused, or no way there"

    def _before_sending(self) -> None:
        """The request is about to go out."""

    async def _exchange(
        self,
        function: int,
        unit: int,
        ask: Callable[[ModbusBaseClient], Awaitable[ModbusPDU]],
        take: Callable[[bytes], T],
    ) -> T:
        client = self._client
        if client is None:
            raise Unreachable(self.address, "not connected")
        self._heard, self._nonsense = b"", None
        sent = asyncio.get_running_loop().time()
        self._before_sending()
        try:
            try:
                async with asyncio.timeout(None) as self._waiting:
                    reply = await _uncancelled(ask(client))
            except (TimeoutError, ModbusException) as error:
                raise self._no_answer() from error
            finally:
                self._waiting = None
            return self._taken(reply, unit, function, take)
        except Refused:
            raise
        except BaseException:
            if self._late_s:
                self._owed_until, self._owed_by = sent + self._late_s, client
            raise

    def _lost(self, client: ModbusBaseClient) -> None:
        """The connection went away under us; whoever waits must not wait any longer."""
        if self._client is client:
            self._client = None
            self._end_request()

    def _end_request(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.reschedule(0.0)  # a time long past: its await ends in the next turn of the loop

    def _looked_at(self, sending: bool, data: bytes) -> bytes:
        """Keep what was heard, and keep from pymodbus what its decoder would raise at: an MBAP frame is [tid pid length
        unit function ...], and a refusal is 3 long. A tid of 0 is taken for any.
        """
        if sending:
            return data
        self._heard = data
        if self.framer is FramerType.RTU or len(data) < 8:
            return data
        function = data[7]
        if function & 0x7F not in FUNCTIONS or (function > 0x80 and data[4:6] != b"\0\3"):
            self._nonsense = f"an answer with function code {function} that is none to a request of ours"
            self._end_request()
            return b""
        return b"\0\0" + data[2:] if self._ignore_tid else data

    def _understood(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """A whole frame was heard: if nobody waits for one, it is the answer that was still owed."""
        if not sending and self._waiting is None:
            self._owed_until = None
        return pdu

    def _no_answer(self) -> Silent | Garbled:
        if self._nonsense is not None:
            return Garbled(self.address, self._nonsense, self._heard)
        if self._client is None and self._heard:
            return Garbled(self.address, f"closed after {len(self._heard)} bytes that are no answer", self._heard)
        if self._client is None:
            return Silent(self.address, "closed the connection before it answered")
        return Silent(self.address, "no answer")

    def _taken(self, reply: ModbusPDU, unit: int, function: int, take: Callable[[bytes], T]) -> T:
        """What the answer says, if it answers what was asked; pymodbus has compared the transaction and the unit."""
        if reply.function_code & 0x7F != function:
            wrong = f"an answer with function code {reply.function_code} to a request with {function}"
            raise Garbled(self.address, wrong, self._heard)
        if not isinstance(reply, Kept):
            raise Refused(self.address, reply.exception_code, refusal(unit, reply.exception_code))
        try:
            return take(reply.said)
        except ValueError as error:
            raise Garbled(self.address, str(error), self._heard) from error


async def _uncancelled(answer: Awaitable[T]) -> T:
    """The answer, unless we were cancelled while it came."""
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    came = await answer
    if task.cancelling() > before:
        raise asyncio.CancelledError
    return came
