"""The MQTT seam: a virtual broker with persistent sessions, and connections to it that misbehave as real ones do.

Everything is QoS 1, MQTT 3.1.1. What the agent publishes is kept with its time (the subscriber's log, for judges);
what the outside publishes to the agent's topics waits in its session until acknowledged, and comes again in the next
connection. The will is published when a connection ends without DISCONNECT.

Ailments (`ails`): "" well; "away" nothing listens; "frozen" it keeps connections and answers nothing, until the
adapter's own time-out; `ack_loss` is the chance that a PUBLISH arrives and its PUBACK does not; `doubles` the chance
that a command comes twice.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from random import Random

from msgspec import Struct

from agent.uplink.wire import Lost, Message, Will
from tests.sim.life import Life
from tests.sim.loop import VirtualLoop
from tests.sim.wire import Network

TIMEOUT_S = 10.0  # agent/uplink/mqtt.py's: an unanswered publish, subscribe or connect ends the connection
PING_LOST_S = 20.0  # two keepalives of 10 s


class Published(Struct, frozen=True):
    """One message as the broker took it."""

    at_ns: int
    life: int
    topic: str
    payload: bytes
    retain: bool


class Waiting(Struct, frozen=True):
    """One message for the agent that it has not acknowledged."""

    number: int
    topic: str
    payload: bytes
    retained: bool


class Broker:
    """The broker: its log, its retained messages and the agent's session."""

    def __init__(self, network: Network, random: Random) -> None:
        self.ails = ""
        self.ack_loss = 0.0
        self.doubles = 0.0
        self.latency_s = 0.01
        self.log: list[Published] = []
        self.retained: dict[str, bytes] = {}
        self.connections_made = 0
        self._network = network
        self._random = random
        self._session: list[Waiting] = []
        self._numbers = 0
        self._topics: set[str] = set()
        self._open: VirtualConnection | None = None

    @property
    def loop(self) -> VirtualLoop:
        return self._network.loop

    def retain(self, topic: str, payload: bytes) -> None:
        """A message that has been at the broker for long: it comes, flagged, with the next SUBSCRIBE.

        Towards a subscriber that is online at the time a broker clears the flag, and nobody could tell.
        """
        self.retained[topic] = payload
        self.cut()

    def send(self, topic: str, payload: bytes) -> None:
        """The outside publishes to the agent."""
        if any(matches(each, topic) for each in self._topics):
            self._queue(topic, payload, retained=False)
            if self._random.random() < self.doubles:
                self._queue(topic, payload, retained=False)

    def cut(self) -> None:
        """The connection breaks, without a word."""
        if self._open is not None:
            self._open.end("the connection broke")

    def ail(self, ails: str) -> None:
        """From now on it is like this; going away breaks what is connected."""
        self.ails = ails
        if ails == "away":
            self.cut()
        elif ails == "frozen" and self._open is not None:
            frozen = self._open
            self._network.after(PING_LOST_S, lambda: self._unanswered(frozen))
        elif not ails and self._open is not None:
            for waiting in self._session:
                self._open.deliver(waiting)

    def taken(self, life: int, topic: str, payload: bytes, retain: bool) -> None:
        """A PUBLISH arrived."""
        self._network.log(f"published {topic} {int(retain)}", payload)
        self.log.append(Published(self.loop.now_ns, life, topic, payload, retain))
        if retain:
            self.retained[topic] = payload

    def opened(self, connection: "VirtualConnection") -> None:
        """A new connection of the same client takes the session over."""
        self.cut()
        self.connections_made += 1
        self._open = connection
        for waiting in self._session:
            connection.deliver(waiting)

    def orphan(self, life: int) -> None:
        """The process at the other end is gone: its kernel closes the connection, and the will is published."""
        if self._open is not None and self._open.life.number == life:
            self._open.end("the client is gone")

    def closed(self, connection: "VirtualConnection") -> None:
        if self._open is connection:
            self._open = None

    def subscribed(self, topics: Sequence[str], connection: "VirtualConnection") -> None:
        self._topics.update(topics)
        for topic in sorted(self.retained):
            if any(matches(each, topic) for each in topics):
                self._numbers += 1
                connection.deliver(Waiting(self._numbers, topic, self.retained[topic], True))

    def acknowledged(self, number: int) -> None:
        self._session = [waiting for waiting in self._session if waiting.number != number]

    def _unanswered(self, connection: "VirtualConnection") -> None:
        if self.ails == "frozen":
            connection.end("no PINGRESP")

    def _queue(self, topic: str, payload: bytes, *, retained: bool) -> None:
        self._numbers += 1
        waiting = Waiting(self._numbers, topic, payload, retained)
        self._session.append(waiting)
        if self._open is not None:
            self._open.deliver(waiting)


def matches(filter_: str, topic: str) -> bool:
    """MQTT 3.1.1, 4.7: + stands for one level, # for all that follow."""
    asked, found = filter_.split("/"), topic.split("/")
    for number, level in enumerate(asked):
        if level == "#":
            return True
        if number >= len(found) or level not in ("+", found[number]):
            return False
    return len(asked) == len(found)


class VirtualWire:
    """What agent/uplink/wire.py's Wire promises."""

    def __init__(self, broker: Broker, life: Life) -> None:
        self._broker = broker
        self._life = life

    async def open(self, will: Will | None) -> "VirtualConnection":
        broker = self._broker
        if not self._life.alive:
            raise asyncio.CancelledError
        await asyncio.sleep(broker.latency_s)
        if broker.ails == "away":
            raise Lost("connection refused")
        if broker.ails == "frozen":
            await asyncio.sleep(TIMEOUT_S)
            raise Lost("no CONNACK")
        connection = VirtualConnection(broker, self._life, will)
        broker.opened(connection)
        return connection


class VirtualConnection:
    """What agent/uplink/wire.py's Connection promises."""

    def __init__(self, broker: Broker, life: Life, will: Will | None) -> None:
        self._broker = broker
        self.life = life
        self._will = will
        self._why = ""  # why it is over
        self._inbox: deque[Waiting] = deque()
        self._delivered: set[int] = set()
        self._came = asyncio.Event()
        self._over = asyncio.Event()

    async def subscribe(self, topics: Sequence[str]) -> None:
        await self._answered()
        self._broker.subscribed(topics, self)

    async def publish(self, topic: str, data: bytes, *, retain: bool = False) -> None:
        self._check()
        broker = self._broker
        if broker.ails != "frozen":
            await self._wait(broker.latency_s / 2)
        if broker.ails == "frozen":
            await self._wait(TIMEOUT_S)
            self.end("no PUBACK")
        self._check()
        broker.taken(self.life.number, topic, data, retain)
        if broker._random.random() < broker.ack_loss:
            await self._wait(TIMEOUT_S)
            self.end("no PUBACK")
        await self._wait(broker.latency_s / 2)
        self._check()

    async def receive(self) -> Message:
        self._check()
        while not self._inbox:
            self._came.clear()
            await self._came.wait()
            self._check()
        came = self._inbox.popleft()
        return Message(came.topic, came.payload, came.retained, self._acknowledging(came.number))

    async def close(self) -> None:
        if not self._why and self.life.alive:
            self._will = None
            self.end("closed")

    def abort(self) -> None:
        if self.life.alive:
            self.end("aborted")

    def deliver(self, waiting: Waiting) -> None:
        if self._broker.ails != "frozen" and waiting.number not in self._delivered:
            self._delivered.add(waiting.number)
            self._inbox.append(waiting)
            self._came.set()

    def end(self, why: str) -> None:
        """It is over; the broker publishes the will when nobody said DISCONNECT."""
        if self._why:
            return
        self._why = why
        self._over.set()
        self._came.set()
        self._broker.closed(self)
        if self._will is not None:
            self._broker.taken(self.life.number, self._will.topic, self._will.data, True)

    def _acknowledging(self, number: int) -> Callable[[], None]:
        def acknowledge() -> None:
            if self.life.alive and not self._why and self._broker.ails != "frozen":
                self._broker.acknowledged(number)

        return acknowledge

    async def _answered(self) -> None:
        self._check()
        if self._broker.ails == "frozen":
            await self._wait(TIMEOUT_S)
            self.end("no answer")
        await self._wait(self._broker.latency_s)
        self._check()

    async def _wait(self, wait_s: float) -> None:
        """So long, or until it is over."""
        try:
            async with asyncio.timeout(wait_s):
                await self._over.wait()
        except TimeoutError:
            return

    def _check(self) -> None:
        if not self.life.alive:
            raise asyncio.CancelledError
        if self._why:
            raise Lost(self._why)
