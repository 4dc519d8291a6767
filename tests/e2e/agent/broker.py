"""A real mosquitto on a free port of the loopback, and ears on it that judge what the agent publishes.

The broker keeps its sessions on disk when it is stopped, and ours is a durable one: what the agent publishes while we
are not connected is queued for us, so that a hole in what was heard is the agent's and not the test's.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hil.evidence import Evidence, Record

ROOT = "ballast"
CHANNELS = ("conn", "schema/#", "tele/#", "evt", "ctl", "ack/#")
_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_queued_messages 0
max_inflight_messages 0
set_tcp_nodelay true
"""


def eventually(what: str, seen: Callable[[], Any], within_s: float = 15.0) -> Any:
    """What `seen` gives as soon as it is true; AssertionError names what never came."""
    end_s = time.monotonic() + within_s
    while True:
        found = seen()
        if found:
            return found
        assert time.monotonic() < end_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.01)


class Broker:
    """One mosquitto; it ends with its `with` block."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        # Started by root it would become another user, who may not write here.
        user = "user root\n" if os.getuid() == 0 else ""
        config = _CONFIG.format(port=self.port, folder=self._folder) + user
        (self._folder / "mosquitto.conf").write_text(config, encoding="utf-8")
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Serves, also again after stop()."""
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program is not None, "no mosquitto: run packaging/setup.sh debian"
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = [program, "-c", str(self._folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually("mosquitto listens", self._listens)

    def stop(self) -> None:
        """Away: connections end, sessions are kept."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections and does nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Ears:
    """Everything that one agent publishes, judged as it comes (hil.evidence), and a mouth for commands."""

    def __init__(self, port: int, key: bytes, site: str, agent: str) -> None:
        self._evidence = Evidence(key, ROOT, site, agent)
        self._prefix = f"{ROOT}/v1/{site}/{agent}"
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
        assert self._subscribed.wait(10), "not subscribed within 10 s"
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
