"""Stand-ins for what the uplink is handed: clock, keeper, sink, wire. Each can be told to fail."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from agent.core.image import Lease
from agent.uplink.wire import Connection, Lost, Message, Will

WALL_MS = 1_790_000_000_000


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 5_000_000_000
        self.wall: int | None = WALL_MS
        self.boot = "machine-1"

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wall_ms(self) -> int | None:
        return self.wall

    def machine_boot(self) -> str:
        return self.boot

    def move(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)
        if self.wall is not None:
            self.wall += int(seconds * 1e3)


class FakeKeeper:
    """A journal in memory; what is in `disk` would survive a crash."""

    def __init__(self, disk: dict[str, str] | None = None) -> None:
        self.disk: dict[str, str] = {} if disk is None else disk
        self.full = False
        self.kept_keys: list[str] = []
        self.slow = asyncio.Event()  # cleared: the disk does not answer
        self.slow.set()

    def kept(self, key: str) -> Any:
        return msgspec.json.decode(self.disk[key]) if key in self.disk else None

    def kept_under(self, prefix: str) -> Mapping[str, Any]:
        return {key: self.kept(key) for key in self.disk if key.startswith(prefix)}

    async def keep(self, key: str, value: Any) -> None:
        await asyncio.sleep(0)
        await self.slow.wait()
        if self.full:
            raise OSError("no space left on device")
        self.kept_keys.append(key)
        self._put(key, value)

    def post(self, key: str, value: Any) -> None:
        if not self.full:
            self._put(key, value)

    def _put(self, key: str, value: Any) -> None:
        if value is None:
            self.disk.pop(key, None)
        else:
            self.disk[key] = msgspec.json.encode(value).decode()


class FakeSink:
    """Obeys."""

    def __init__(self) -> None:
        self.limits: dict[str, float | None] = {"poi": 4_000_000.0, "container-a": None}
        self.leases: dict[str, Lease] = {}
        self.released: list[tuple[str, str]] = []
        self.observing = False
        self.on_lease: Callable[[], None] = lambda: None

    def circuits(self) -> Mapping[str, float | None]:
        return self.limits

    def lease(self, lease: Lease) -> None:
        self.on_lease()
        self.leases[lease.id] = lease

    def release(self, lease_id: str, code: str) -> None:
        self.released.append((lease_id, code))
        del self.leases[lease_id]

    def observe(self) -> bool:
        return self.observing


class FakeBroker:
    """Both ends of the seam: a Wire, and what the broker saw."""

    def __init__(self) -> None:
        self.up = True
        self.frozen = False
        self.slow_s = 0.0  # from a publish to its PUBACK
        self.published: list[tuple[str, bytes, bool]] = []  # acknowledged
        self.subscribed: list[str] = []
        self.wills: list[Will | None] = []
        self.fired: list[Will] = []
        self.acknowledged: list[str] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self.connection: FakeConnection | None = None

    async def open(self, will: Will | None) -> Connection:
        await asyncio.sleep(0)
        if not self.up:
            raise Lost("connection refused")
        self.wills.append(will)
        self.connection = FakeConnection(self, will)
        return self.connection

    def cut(self) -> None:
        """The connection is gone."""
        assert self.connection is not None
        self.connection.lose()

    def send(self, topic: str, data: bytes, *, retained: bool = False) -> None:
        assert self.connection is not None
        name = f"{topic}#{len(self.acknowledged)}"
        self.connection.inbox.put_nowait(Message(topic, data, retained, lambda: self.acknowledged.append(name)))

    async def wait_for(self, holds: Callable[[], bool]) -> None:
        """Until this holds; on a virtual loop this takes no time."""
        async with asyncio.timeout(300):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.001)


class FakeConnection:
    """One connection."""

    def __init__(self, broker: FakeBroker, will: Will | None) -> None:
        self._broker = broker
        self._will = will
        self._gone = asyncio.Event()
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()

    def lose(self) -> None:
        self._gone.set()

    async def subscribe(self, topics: Sequence[str]) -> None:
        await self._alive()
        self._broker.subscribed = list(topics)

    async def publish(self, topic: str, data: bytes, *, retain: bool = False) -> None:
        broker = self._broker
        broker.in_flight += 1
        broker.in_flight_max = max(broker.in_flight_max, broker.in_flight)
        try:
            await self._alive()
            if broker.frozen:
                await self._gone.wait()
                raise Lost("no PUBACK")
            if broker.slow_s:
                await asyncio.sleep(broker.slow_s)
                await self._alive()
            broker.published.append((topic, data, retain))
        finally:
            broker.in_flight -= 1

    async def receive(self) -> Message:
        get = asyncio.ensure_future(self.inbox.get())
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            done, _ = await asyncio.wait({get, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not get.done():
                get.cancel()
        if get in done:
            return get.result()
        raise Lost("connection lost")

    async def close(self) -> None:
        self._gone.set()

    def abort(self) -> None:
        self._gone.set()
        if self._will is not None:
            self._broker.fired.append(self._will)

    async def _alive(self) -> None:
        await asyncio.sleep(0)
        if self._gone.is_set():
            raise Lost("connection lost")
