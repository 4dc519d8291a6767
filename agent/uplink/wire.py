"""The seam to the broker: what one MQTT connection is to the uplink. agent/uplink/mqtt.py is the real one.

A connection is used once: whatever goes wrong raises Lost, and the next try is a new connection, because an MQTT client
object that is used again sends what it still holds a second time (docs: aiomqtt 2.5.1 publishes again after reconnect).
Everything is QoS 1.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

WINDOW = 16  # messages on their way without PUBACK (wire.md section 8)


class Lost(Exception):
    """There is no connection, or this one is over; says why."""


class Will(Struct, frozen=True):
    """What the broker publishes, retained, when the connection ends without a DISCONNECT."""

    topic: str
    data: bytes


class Message(Struct, frozen=True):
    """One that came. It is delivered again in the next connection unless `acknowledge` was called."""

    topic: str
    data: bytes
    retained: bool  # the broker had it before we subscribed
    acknowledge: Callable[[], None]


class Connection(Protocol):
    """One connection to the broker; every method raises Lost when it is over."""

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Returns when the broker has said yes to all of them."""
        ...

    async def publish(self, topic: str, data: bytes, *, retain: bool = False) -> None:
        """Returns when the broker has acknowledged it."""
        ...

    async def receive(self) -> Message:
        """The next message."""
        ...

    async def close(self) -> None:
        """End it cleanly: the will is not published. Never raises."""
        ...

    def abort(self) -> None:
        """End it at once, without a word: the broker publishes the will."""
        ...


class Wire(Protocol):
    """Makes connections."""

    async def open(self, will: Will | None) -> Connection:
        """A new connection; raises Lost when none can be had within its time."""
        ...
