"""What is shown on retained topics: `schema`, sealed once for each list of devices, and `ctl`, sealed anew each time.

States, not records: each replaces the one before it, so that nothing of them waits for the broker. `ctl` is shown when
more than measured watts have changed, and every 60 s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from agent.uplink import records
from agent.uplink.records import Body, Column, Device
from agent.uplink.sealer import Sealer

STATE_EVERY_S = 60.0
STATE_EVERY_S_MIN = 0.2
OPS = ("limit.set", "limit.release", "ping")

Publish = Callable[[str, bytes], Awaitable[None]]  # retained


class Shown:
    """The newest of each."""

    def __init__(self, sealer: Sealer, leases: Callable[[], list[Body]]) -> None:
        self.schema = ""  # its id
        self.index: Mapping[str, int] = {}  # device -> its place in the schema
        self._sealer = sealer
        self._leases = leases
        self._sealed: tuple[tuple[str, bytes], ...] = ()
        self._state: Body | None = None
        self._core: object = None
        self._wake = asyncio.Event()

    def describe(self, devices: Sequence[Device], columns: Sequence[Column]) -> None:
        """The devices and columns that rows speak of from now on."""
        self.schema, bodies = records.schema_bodies(devices, columns, OPS)
        self.index = {device.id: number for number, device in enumerate(devices)}
        sealed = []
        for number, body in enumerate(bodies):
            channel = f"schema/{number}" if number else "schema"
            sealed.append((channel, self._sealer.seal(channel, "schema", body)[1]))
        self._sealed = tuple(sealed)
        self.wake()

    def state(self, body: Body) -> None:
        """What `ctl` shows from now on."""
        self._state = body
        core = _without_measurements(body)
        if core != self._core:
            self._core = core
            self.wake()

    def wake(self) -> None:
        """Something of `ctl` has changed."""
        self._wake.set()

    async def begin(self, publish: Publish) -> None:
        """Everything, to a new connection."""
        self._wake.clear()
        await self._show_schema(publish)
        await self._show_state(publish)

    async def keep_showing(self, publish: Publish, on_quiet: Callable[[], None]) -> None:
        """As it changes; `on_quiet` is called when nothing has for a minute."""
        shown = self._sealed
        while True:
            if not await wait(self._wake, STATE_EVERY_S):
                on_quiet()
            self._wake.clear()
            if shown is not self._sealed:
                shown = self._sealed
                await self._show_schema(publish)
            await self._show_state(publish)
            await asyncio.sleep(STATE_EVERY_S_MIN)

    async def _show_schema(self, publish: Publish) -> None:
        for channel, data in self._sealed:
            await publish(channel, data)

    async def _show_state(self, publish: Publish) -> None:
        if self._state is not None:
            await publish("ctl", self._sealer.seal("ctl", "ctl", {**self._state, "leases": self._leases()})[1])


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event came within this time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _without_measurements(body: Body) -> object:
    circuits = [{**circuit, "net_kw": None, "why": None} for circuit in body["circuits"]]
    return {**body, "circuits": circuits}
