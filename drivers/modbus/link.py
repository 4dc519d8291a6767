"""A link: one Modbus endpoint, guarded. Everything that asks a device on it goes through here.

One request is in flight at a time, since devices and gateways answer in no other way reliably; writes go before fast
reads, and these before slow ones. A request's deadline counts from when it was asked for, so that time-outs do not add
up in the queue; where the line has to be silent first (RTU, drivers/modbus/transport.py), from the end of the silence.

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
- A unit that does not answer is left alone for a while where there are others (drivers/modbus/units.py). Writes are
  tried all the same: what must be told is not withheld because a read came to nothing.

Errors are those of drivers.errors: Unreachable (certainly not read by the device), Silent, Refused, Garbled. What a
write that ended in Silent or Garbled did is unknown: read it back. Every write sets a state, so repeating it is safe.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from drivers.errors import DeviceError, Garbled, Refused, Silent, Unreachable
from drivers.modbus.codes import BUSY, UNIT_DEAD
from drivers.modbus.transport import LATE_S, Transport, WriteTable
from drivers.modbus.turns import Rank, Turns
from drivers.modbus.units import Units
from drivers.profile import AnyTable

NS_PER_S = 1_000_000_000

REPLY_S = 0.25  # meters on TCP answer within a few ms; behind a 9600 baud gateway 40 registers take 107 ms
BACK_OFF_S = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)  # before the next attempt, by the failures in a row before it
MISSED_MAX = 2  # requests in a row without an understandable answer
BUSY_RETRIES = 2
BUSY_PAUSE_S = 0.05  # and as much again by jitter
REGISTERS_MAX = 125  # of one read
QUIET_LOOK_S = 0.01  # how often a line that is kept silent is looked at: what it owed may have come
FRAME_BYTES = 13  # of an RTU request and answer without what is read or written


def back_off_s(failures: int, jitter: float) -> float:
    """How long to leave an endpoint alone after so many failures in a row; jitter, in [0, 1), takes up to a quarter."""
    return BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1] * (1 - jitter / 4)


def write_wait_s_max(byte_s: float, *, alone: bool, late: bool) -> float:
    """The longest that a write waits for its turn: for the request in flight, and on RTU for the silence after it.

    `alone`: the connection is for writes; `late`: its framing does not number answers.
    """
    registers = 1 if alone else REGISTERS_MAX
    return max(REPLY_S + (FRAME_BYTES + 2 * registers) * byte_s, LATE_S if late else 0.0)


class Answer(Struct, frozen=True, gc=False):
    """The registers of one read, or what was written, and when it was sent and answered (monotonic ns)."""

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
    silent_units: tuple[int, ...]  # those that are left alone now


class Link:
    """One endpoint: one request in flight, fast before slow, own deadlines, own reconnecting."""

    def __init__(
        self, transport: Transport, clock_ns: Callable[[], int], jitter: Callable[[], float], *, byte_s: float = 0.0
    ) -> None:
        """`jitter` gives a random number in [0, 1) each time it is called; `byte_s` is what a serial line takes for one
        byte.
        """
        self.address = transport.address
        self.clock_ns = clock_ns
        self._transport = transport
        self._jitter = jitter
        self._byte_s = byte_s
        self._turns = Turns()
        self._units = Units(clock_ns)
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
        self, unit: int, table: AnyTable, at: int, count: int, *, fast: bool = False, within_s: float | None = None
    ) -> Answer:
        """Registers, or bits as 0 and 1, or a drivers.errors.DeviceError, at the latest within_s after the call."""
        words = -(-count // 16) if table in ("coil", "discrete") else count

        async def exchange() -> tuple[int, ...]:
            values = await self._transport.read(unit, table, at, count)
            if len(values) != count:
                raise Garbled(self.address, f"{len(values)} registers in an answer to {count}")
            return values

        request = _Request(unit, Rank.FAST if fast else Rank.SLOW, f"a read of {count} at {table} {at}", exchange)
        return await self._ask(request, within_s or self._reply_s(words))

    async def write(
        self,
        unit: int,
        table: WriteTable,
        at: int,
        values: Sequence[int],
        *,
        rank: Rank = Rank.ACTUATION,
        within_s: float | None = None,
    ) -> Answer:
        """Set registers, or coils by 0 and 1; the answer repeats them. A DeviceError as for read()."""

        async def exchange() -> tuple[int, ...]:
            await self._transport.write(unit, table, at, values)
            return tuple(values)

        request = _Request(unit, rank, f"a write to {table} {at}", exchange, insists=True)
        return await self._ask(request, within_s or self._reply_s(len(values)))

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
            silent_units=self._units.silent,
        )

    async def close(self) -> None:
        """Drop the connection and the attempt at one."""
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.wait((connecting,))
        self._transport.close()
        self._up = False

    def _reply_s(self, registers: int) -> float:
        return REPLY_S + (FRAME_BYTES + 2 * registers) * self._byte_s

    async def _ask(self, request: "_Request", within_s: float) -> Answer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._transport.quiet_s + within_s
        busy = 0
        while True:
            try:
                return await self._ask_once(request, deadline, within_s)
            except DeviceError as error:
                self._note(error)
                pause_s = BUSY_PAUSE_S * (1 + self._jitter()) if _is_busy(error) else 0.0
                busy += 1
                if not _is_busy(error) or busy > BUSY_RETRIES or loop.time() + pause_s >= deadline:
                    raise
            await asyncio.sleep(pause_s)

    async def _ask_once(self, request: "_Request", deadline: float, within_s: float) -> Answer:
        left_alone = self._units.left_alone(request.unit)
        if left_alone is not None and not request.insists:
            raise Unreachable(self.address, left_alone)
        await self._connect_by(deadline)
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.take(request.rank)
        except TimeoutError as error:
            raise Unreachable(self.address, "its turn did not come in time; nothing was sent") from error
        try:
            if await self._be_silent():
                deadline = max(deadline, asyncio.get_running_loop().time() + within_s)
            await self._connect_by(deadline)  # it may have been lost while we waited
            return await self._exchange(request, deadline)
        finally:
            self._turns.give()

    async def _be_silent(self) -> bool:
        """Let the line be until no answer of an earlier request can come any more; whether that took time."""
        waited = False
        while (quiet_s := self._transport.quiet_s) > 0:
            waited = True
            await asyncio.sleep(min(quiet_s, QUIET_LOOK_S))
        self._transport.settle()
        return waited

    async def _exchange(self, request: "_Request", deadline: float) -> Answer:
        unit = request.unit
        asked_ns = self.clock_ns()
        try:
            async with asyncio.timeout_at(deadline):
                values = await request.exchange()
        except TimeoutError as error:
            waited_ms = (self.clock_ns() - asked_ns) / 1e6
            silent = Silent(self.address, f"unit {unit} did not answer {request.words} within {waited_ms:.0f} ms")
            self._miss(unit, silent)
            raise silent from error
        except (Silent, Garbled) as error:
            self._miss(unit, error)
            raise
        except Refused as error:
            self._hear()
            if error.code in UNIT_DEAD:
                self._units.failed(unit, error.detail)
            else:
                self._units.answered(unit)
            raise
        self._hear()
        self._units.answered(unit)
        self._answered += 1
        return Answer(values, asked_ns, self.clock_ns())

    def _hear(self) -> None:
        """The endpoint answered."""
        self._missed = 0
        self._failures = 0

    def _miss(self, unit: int, error: DeviceError) -> None:
        """A request came to nothing: the connection is lost already, or given up when this goes on."""
        self._missed += 1
        if self._transport.connected:
            self._units.failed(unit, error.detail)
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


class _Request(Struct, frozen=True):
    """One transaction, and how to tell of it."""

    unit: int
    rank: Rank
    words: str  # "a read of 4 at holding 100"
    exchange: Callable[[], Awaitable[tuple[int, ...]]]
    insists: bool = False  # asked even of a unit that is left alone


def _is_busy(error: DeviceError) -> bool:
    return isinstance(error, Refused) and error.code in BUSY
