"""An uplink, an issuer and a reader around a real broker."""

import asyncio
import contextlib
import random
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

from agent.consume.verifying import Record, Unverified, Verifier
from agent.shell.clock import SystemClock
from agent.uplink.keyring import Keyring
from agent.uplink.mqtt import Broker, MqttWire, broker_at
from agent.uplink.publisher import Uplink, UplinkSettings
from agent.uplink.records import Column, Device, ctl_body
from agent.uplink.wire import Connection
from tests.uplink.fakes import FakeKeeper, FakeSink
from tests.uplink.kit import AGENT, AGENT_KEY, EPOCH, SITE, command, keyring, sealed

TOPICS = f"ballast/v1/{SITE}/{AGENT}"
DEVICES = [Device("main", "meter"), Device("a/1", "miner")]


async def polled(holds: Callable[[], bool]) -> None:
    """Until this holds; for what no event tells."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Agent:
    """An uplink with everything real but journal and sink."""

    def __init__(
        self,
        broker: Broker,
        disk: dict[str, str] | None = None,
        *,
        timeout_s: float = 10.0,
        ring: Keyring | None = None,
    ) -> None:
        self.keeper = FakeKeeper(disk)
        self.sink = FakeSink()
        self.clock = SystemClock()
        self.uplink = Uplink(
            UplinkSettings(SITE, AGENT, "0.1.0"),
            wire=MqttWire(broker, timeout_s=timeout_s),
            signer=AGENT_KEY,
            keyring=ring or keyring(),
            clock=self.clock,
            keeper=self.keeper,
            sink=self.sink,
            spool=None,
            boot=secrets.token_hex(8),
            epoch=EPOCH,
            jitter=random.Random(1),
        )
        self.uplink.describe(DEVICES, [Column("power_w", "W")])
        self.uplink.state(ctl_body("act", []))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until the end of the block; then a clean stop."""
        await self.uplink.restore()
        run = asyncio.create_task(self.uplink.run(), name="uplink")
        try:
            yield
        finally:
            self.uplink.stop("end of the test")
            async with asyncio.timeout(60):
                await run

    async def connected(self, *, wanted: bool = True) -> None:
        await polled(lambda: self.uplink.connected is wanted)


class Reader:
    """The outside: keeps every verified record in the order it came."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._verifier = Verifier("ballast", SITE, AGENT, AGENT_KEY.public)
        self.records: list[Record] = []
        self.refused: list[str] = []
        self._news = asyncio.Event()

    async def read(self) -> None:
        while True:
            message = await self._connection.receive()
            message.acknowledge()
            try:
                self.records.append(self._verifier.record(message.topic, message.data))
            except Unverified as error:
                self.refused.append(str(error))
            self._news.set()

    async def until(self, holds: Callable[[list[Record]], bool], within_s: float = 60) -> None:
        async with asyncio.timeout(within_s):
            while not holds(self.records):
                self._news.clear()
                await self._news.wait()

    async def send(
        self, body: dict[str, Any] | bytes, *, retain: bool = False, data: bytes | None = None, issuer: str = "dispatch"
    ) -> None:
        await self._connection.publish(f"{TOPICS}/cmd/{issuer}", sealed(body) if data is None else data, retain=retain)

    def statuses(self) -> list[tuple[str, str | None]]:
        return [(record.body["st"], record.body["code"]) for record in self.records if record.kind == "ack"]

    def of(self, kind: str) -> list[Record]:
        return [record for record in self.records if record.kind == kind]


@contextlib.asynccontextmanager
async def reading(url: str, **tls: Any) -> AsyncIterator[Reader]:
    """A reader of everything that agent says."""
    connection = await MqttWire(broker_at(url, f"reader-{secrets.token_hex(4)}", **tls)).open(None)
    reader = Reader(connection)
    await connection.subscribe([f"{TOPICS}/#"])
    task = asyncio.create_task(reader.read(), name="reader")
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.wait({task})
        await connection.close()


def soon(clock: SystemClock, **changes: Any) -> dict[str, Any]:
    """A command that is valid for the next minute."""
    wall_ms = clock.wall_ms()
    assert wall_ms is not None
    return command(**{"exp": {"ts": wall_ms + 60_000}, **changes})
