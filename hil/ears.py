"""Ears on the broker that judge what one agent publishes as it comes (hil.evidence), and a mouth for commands.

The session is a durable one: what the agent publishes while we are not connected is queued for us, so that a hole in
what was heard is the agent's and not ours.
"""

import threading
import time
from types import TracebackType
from typing import Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hil.evidence import Evidence, Record

CHANNELS = ("conn", "schema/#", "tele/#", "evt", "ctl", "ack/#")


class Ears:
    """Everything that one agent publishes."""

    def __init__(self, port: int, key: bytes, site: str, agent: str, root: str) -> None:
        self._evidence = Evidence(key, root, site, agent)
        self._prefix = f"{root}/v1/{site}/{agent}"
        self._lock = threading.Lock()
        self._subscribed = threading.Event()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"ears.{site}", clean_session=False)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.reconnect_delay_set(1, 1)
        client.connect_async("127.0.0.1", port, keepalive=60)
        self._client = client

    def __enter__(self) -> Self:
        self._client.loop_start()
        if not self._subscribed.wait(60):
            raise AssertionError("not subscribed within 20 s")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: str, data: bytes, *, retain: bool = False) -> None:
        """Publishes; the broker has it when this returns."""
        self._client.publish(topic, data, qos=1, retain=retain).wait_for_publish(10)

    def records(self, channel: str = "", **members: object) -> list[Record]:
        """What counted so far, in the order in which it came; "" is every channel."""
        with self._lock:
            if channel:
                return self._evidence.of(channel, **members)
            return list(self._evidence.records)

    def refused(self) -> list[str]:
        """What proved nothing, and why; and what of a stream neither came nor was declared lost."""
        with self._lock:
            return [*self._evidence.refused, *self._evidence.missing()]

    def missing(self) -> list[str]:
        """What neither came nor was declared lost."""
        with self._lock:
            return self._evidence.missing()

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe([(f"{self._prefix}/{channel}", 1) for channel in CHANNELS])

    def _on_subscribe(self, *_: object) -> None:
        self._subscribed.set()

    def _on_message(self, _: mqtt.Client, __: object, message: mqtt.MQTTMessage) -> None:
        received_ns = time.monotonic_ns()
        with self._lock:
            self._evidence.take(message.topic, bytes(message.payload), received_ns, retained=bool(message.retain))
