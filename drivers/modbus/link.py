"""A link: one Modbus endpoint, guarded."""

from collections.abc import Callable

from msgspec import Struct

from drivers.modbus.transport import Transport
from drivers.profile import Table


class Answer(Struct, frozen=True, gc=False):
    """The registers of one read, and when it was sent and answered (monotonic ns)."""

    registers: tuple[int, ...]
    asked_ns: int
    answered_ns: int


class LinkState(Struct, frozen=True):
    """A link as status shows it."""

    address: str
    connected: bool
    since_ns: int  # when it came up or went down
    error: str  # the newest failure, "" if none yet
    error_ns: int | None
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
        raise NotImplementedError

    async def read(
        self, unit: int, table: Table, at: int, count: int, *, fast: bool = False, within_s: float = 0.25
    ) -> Answer:
        """Registers, or a drivers.errors.DeviceError, at the latest within_s after the call."""
        raise NotImplementedError

    @property
    def state(self) -> LinkState:
        raise NotImplementedError

    async def close(self) -> None:
        """Drop the connection and the attempt at one."""
        raise NotImplementedError
