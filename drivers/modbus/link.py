"""A link: one Modbus endpoint, guarded. Everything that asks a device on it goes through here.

One request is in flight at a time, since devices and gateways answer in no other way reliably; fast requests go before
slow ones. A request's deadline counts from when it was asked for, so that time-outs do not add up in the queue.

What happens to the connection:

    down --(a request comes, and the back-off is over)--> connecting --> up --(lost, or given up)--> down

- A connection is opened by the first request that needs it, in one task that all requests share and that outlives their
  deadlines. Failures in a row set the back-off: the first retry after a loss is at once, then 0.1 s and up to 2 s, with
  jitter. Until then requests fail at once with the last cause. Any answer, even a refusal, sets it back.
- Two requests in a row without an understandable answer: the connection is given up. One unit that is dead behind a
  gateway whose others answer does not get that far; a half-open connection does.
- A refusal is an answer: the link is alive. Codes 5 and 6 (busy) are asked again after 50 to 100 ms, at most twice and
  within the deadline. Codes 10 and 11 come from a gateway: the unit is dead and the link is not. Codes 1 to 3 are the
  reader's business (drivers/modbus/meter.py): that block is not asked for again for minutes.

Errors are those of drivers.errors: Unreachable (certainly not read by the device), Silent, Refused, Garbled.
"""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from drivers.errors import DeviceError, Garbled, Refused, Silent, Unreachable
from drivers.modbus.codes import BUSY
from drivers.modbus.transport import Transport
from drivers.modbus.turns import Turns
from drivers.profile import Table

NS_PER_S = 1_000_000_000

REPLY_S = 0.25  # meters on TCP answer within a few ms; behind a 9600 baud gateway 40 registers take 107 ms
BACK_OFF_S = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)  # before the next attempt, by the failures in a row before it
MISSED_MAX = 2  # requests in a row without an understandable answer
BUSY_RETRIES = 2
BUSY_PAUSE_S = 0.05  # and as much again by jitter


def back_off_s(failures: int, jitter: float) -> float:
    """How long to leave an endpoint alone after so many failures in a row; jitter, in [0, 1), takes up to a quarter."""
    return BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1] * (1 - jitter / 4)


class Answer(Struct, frozen=True, gc=False):
    """The registers of one read, and when it was sent and answered (monotonic ns)."""

    registers: tuple[int, ...]
    asked_ns: int
    answered_ns: int


class LinkState(Struct, frozen=True):
    """A link as status shows it."""

    address: str
    connected: bool
    since_ns: int  # when we learned that it came up or went down
    error: str  # the newest failure, "" before the first
    error_ns: int | None
    missed: int  # requests in a row without an understandable answer
    answered: int
    silent: int
    refused: int
    garbled: int
    unreachable: int
    losses: int  # connections that were lost or given up


class Link:
    """One endpoint: one request in flight, fast before slow, own deadlines, own reconnecting."""

    def __init__(self, transport: Transport, clock_ns: Callable[[], int], jitter: Callable[[], float]) -> None:
        """`jitter` gives a random number in [0, 1) each time it is called."""
        self.address = transport.address
        self.clock_ns = clock_ns
        self._transport = transport
        self._jitter = jitter
        self._turns = Turns()
        self._connecting: asyncio.Task[None] | None = None
        self._up = False  # as far as we have noticed
        self._since_ns = clock_ns()
        self._failures = 0  # losses and failed attempts since the last answer
        self._retry_ns = self._since_ns
        self._cause = ""  # of the last of these
        self._missed = 0
        self._error = ""
        self._error_ns: int | None = None
        self._answered = 0
        self._failed = {Silent: 0, Refused: 0, Garbled: 0, Unreachable: 0}
        self._losses = 0

    async def read(
        self, unit: int, table: Table, at: int, count: int, *, fast: bool = False, within_s: float = REPLY_S
    ) -> Answer:
        """Registers, or a drivers.errors.DeviceError, at the latest within_s after the call."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        busy = 0
        while True:
            try:
                return await self._read_once(unit, table, at, count, fast, deadline)
            except DeviceError as error:
                self._note(error)
                pause_s = BUSY_PAUSE_S * (1 + self._jitter()) if _is_busy(error) else 0.0
                busy += 1
                if not _is_busy(error) or busy > BUSY_RETRIES or loop.time() + pause_s >= deadline:
                    raise
            await asyncio.sleep(pause_s)

    @property
    def state(self) -> LinkState:
        """What there is to show now."""
        self._notice_loss()
        return LinkState(
            address=self.address,
            connected=self._up,
            since_ns=self._since_ns,
            error=self._error,
            error_ns=self._error_ns,
            missed=self._missed,
            answered=self._answered,
            silent=self._failed[Silent],
            refused=self._failed[Refused],
            garbled=self._failed[Garbled],
            unreachable=self._failed[Unreachable],
            losses=self._losses,
        )

    async def close(self) -> None:
        """Drop the connection and the attempt at one."""
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.wait((connecting,))
        self._transport.close()
        self._up = False

    async def _read_once(self, unit: int, table: Table, at: int, count: int, fast: bool, deadline: float) -> Answer:
        await self._connect_by(deadline)
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.take(fast=fast)
        except TimeoutError as error:
            raise Unreachable(self.address, "its turn did not come in time; nothing was sent") from error
        try:
            await self._connect_by(deadline)  # it may have been lost while we waited
            return await self._exchange(unit, table, at, count, deadline)
        finally:
            self._turns.give()

    async def _exchange(self, unit: int, table: Table, at: int, count: int, deadline: float) -> Answer:
        asked_ns = self.clock_ns()
        try:
            async with asyncio.timeout_at(deadline):
                registers = await self._transport.read(unit, table, at, count)
            if len(registers) != count:
                raise Garbled(self.address, f"{len(registers)} registers in an answer to {count}")
        except TimeoutError as error:
            waited_ms = (self.clock_ns() - asked_ns) / 1e6
            self._miss()
            detail = f"unit {unit} did not answer a read of {count} registers at {at} within {waited_ms:.0f} ms"
            raise Silent(self.address, detail) from error
        except (Silent, Garbled):
            self._miss()
            raise
        except Refused:
            self._hear()
            raise
        self._hear()
        self._answered += 1
        return Answer(registers, asked_ns, self.clock_ns())

    def _hear(self) -> None:
        """The endpoint answered."""
        self._missed = 0
        self._failures = 0

    def _miss(self) -> None:
        """A request came to nothing: the connection is lost already, or given up when this goes on."""
        self._missed += 1
        if self._missed >= MISSED_MAX:
            self._transport.close()
        self._notice_loss()

    def _notice_loss(self) -> None:
        if self._up and not self._transport.connected:
            self._up = False
            self._missed = 0
            self._since_ns = self.clock_ns()
            self._losses += 1
            self._back_off("the connection was lost")

    def _back_off(self, cause: str) -> None:
        self._failures += 1
        self._cause = cause
        self._retry_ns = self.clock_ns() + int(back_off_s(self._failures, self._jitter()) * NS_PER_S)

    async def _connect_by(self, deadline: float) -> None:
        if self._transport.connected:
            return
        self._notice_loss()
        if self._connecting is None:
            wait_s = (self._retry_ns - self.clock_ns()) / NS_PER_S
            if wait_s > 0:
                raise Unreachable(self.address, f"{self._cause}; next attempt in {wait_s:.1f} s")
            self._connecting = asyncio.create_task(self._connect(), name=f"connect:{self.address}")
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(self._connecting)
        except TimeoutError as error:
            raise Unreachable(self.address, "still connecting") from error
        if not self._transport.connected:
            raise Unreachable(self.address, self._cause)

    async def _connect(self) -> None:
        """One attempt, for all who wait; its failure is told through _cause."""
        try:
            await self._transport.connect()
        except Unreachable as error:
            self._back_off(error.detail)
        else:
            self._up = True
            self._since_ns = self.clock_ns()
        finally:
            self._connecting = None

    def _note(self, error: DeviceError) -> None:
        self._error = str(error)
        self._error_ns = self.clock_ns()
        self._failed[type(error)] += 1


def _is_busy(error: DeviceError) -> bool:
    return isinstance(error, Refused) and error.code in BUSY
