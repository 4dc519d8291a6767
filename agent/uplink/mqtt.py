"""The MQTT seam over aiomqtt (asyncio-mqtt under its present name), MQTT 3.1.1.

Why it looks like this; each was seen with aiomqtt 2.5.1 over paho-mqtt 2.x:
- A client object that connects a second time sends unacknowledged publishes again by itself. So: a new one each time.
- PUBACK for a received message goes out when it enters a queue in memory. A command must be durable first, so paho's
  manual acknowledgement is switched on, which aiomqtt does not offer. `_client` is private; a test fails if it goes.
- A publish that timed out is still sent later. So: a time-out ends the connection.
- Nagle's algorithm costs 40 ms an acknowledgement; TCP_NODELAY is set here and belongs into the broker's configuration.
- The incoming queue drops what does not fit. Only what came without QoS can overfill it (brokers keep at most a handful
  of unacknowledged messages on the way), and a dropped message was not acknowledged, so it comes again.
- A connect that timed out leaves its socket behind: it is shut down, whereupon paho's reader closes it.
"""

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiomqtt
from msgspec import Struct

from agent.uplink.wire import WINDOW, Connection, Lost, Message, Will

KEEPALIVE_S = 10
TIMEOUT_S = 10.0  # an unanswered publish, subscribe or connect: the broker is frozen or the way to it is gone
INCOMING_MAX = 256


class Broker(Struct, frozen=True):
    """Where the broker is and who we are to it."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


def broker_at(
    url: str, client_id: str, ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> Broker:
    """The broker of an mqtt:// or mqtts:// URL; ValueError says what is wrong with it."""
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(f"{url!r} is not mqtt://HOST:PORT or mqtts://HOST:PORT")
    tls = parts.scheme == "mqtts"
    if not tls and (ca or cert or key):
        raise ValueError(f"{url!r} has no TLS, so ca, cert and key would not be used; write mqtts://")
    return Broker(
        parts.hostname,
        parts.port or (8883 if tls else 1883),
        client_id,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        tls,
        ca,
        cert,
        key,
    )


class MqttWire:
    """Makes connections to one broker."""

    def __init__(self, broker: Broker, *, timeout_s: float = TIMEOUT_S, keepalive_s: int = KEEPALIVE_S) -> None:
        self._broker = broker
        self._timeout_s = timeout_s
        self._keepalive_s = keepalive_s

    async def open(self, will: Will | None) -> Connection:
        """A new connection; raises Lost when none can be had within its time."""
        broker = self._broker
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=broker.client_id,
            protocol=aiomqtt.ProtocolVersion.V311,
            will=aiomqtt.Will(will.topic, will.data, qos=1, retain=True) if will else None,
            clean_session=will is None,
            timeout=self._timeout_s,
            keepalive=self._keepalive_s,
            max_queued_incoming_messages=INCOMING_MAX,
            max_inflight_messages=2 * WINDOW,
            tls_params=_tls_parameters(broker) if broker.tls else None,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        client.pending_calls_threshold = 2 * WINDOW
        client._client.manual_ack_set(True)
        connection = MqttConnection(client)
        opened = False
        try:
            await client.__aenter__()
            opened = True
        except aiomqtt.MqttError as error:
            raise Lost(f"{broker.host}:{broker.port}: {error}") from error
        finally:
            if not opened:
                connection.abort()
        return connection


class MqttConnection:
    """One connection; agent/uplink/wire.py has the contract."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._messages = client.messages

    async def subscribe(self, topics: Sequence[str]) -> None:
        try:
            granted = await self._client.subscribe([(topic, 1) for topic in topics])
        except aiomqtt.MqttError as error:
            raise Lost(f"subscribe: {error}") from error
        refused = [topic for topic, code in zip(topics, granted, strict=True) if _value(code) >= 0x80]
        if refused:
            raise Lost(f"the broker refused to subscribe us to {', '.join(refused)}; see its access rules")

    async def publish(self, topic: str, data: bytes, *, retain: bool = False) -> None:
        try:
            await self._client.publish(topic, data, qos=1, retain=retain)
        except aiomqtt.MqttError as error:
            raise Lost(f"publish to {topic}: {error}") from error

    async def receive(self) -> Message:
        try:
            came = await anext(self._messages)
        except aiomqtt.MqttError as error:
            raise Lost(str(error)) from error
        data = came.payload if isinstance(came.payload, bytes) else b""
        mid, qos = came.mid, came.qos
        return Message(str(came.topic), data, came.retain, lambda: self._acknowledge(mid, qos))

    async def close(self) -> None:
        try:
            await self._client.__aexit__(None, None, None)
        except aiomqtt.MqttError:
            self.abort()

    def abort(self) -> None:
        wire = self._client._client.socket()
        if isinstance(wire, socket.socket):
            with contextlib.suppress(OSError):  # it was over already
                wire.shutdown(socket.SHUT_RDWR)

    def _acknowledge(self, mid: int, qos: int) -> None:
        self._client._client.ack(mid, qos)


def _tls_parameters(broker: Broker) -> aiomqtt.TLSParameters:
    """The files by name: aiomqtt reads them in its connecting thread, which takes 20 ms with the system's CAs."""
    return aiomqtt.TLSParameters(
        ca_certs=str(broker.ca) if broker.ca else None,
        certfile=str(broker.cert) if broker.cert else None,
        keyfile=str(broker.key) if broker.key else None,
    )


def _value(code: object) -> int:
    value = getattr(code, "value", code)
    return value if isinstance(value, int) else 0
