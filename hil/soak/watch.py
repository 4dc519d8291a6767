"""What a soak writes down while it runs: the agent's records over MQTT, and what happened at the stand-ins.

The subscriber's session is a durable one: what the agent publishes while the broker restarts is queued for it, so that
a hole in what was heard is the agent's.
"""

import asyncio
import contextlib
import time
from typing import Any

import aiomqtt

from hil.evidence import Evidence
from hil.remote import RigProcess
from hil.soak.site import AGENT, BACKUP, CONTACTOR, MAIN, ROOT, SITE, SWITCHGEAR, TANK
from hil.soak.trace import Keeper, Limit, Record, Refresh, Round, Truth, Turn, Verb, Write

_CHANNELS = ("conn", "schema/#", "tele/#", "evt", "ctl", "ack/#")
_AGAIN_S = 0.5
_SAY_S = 5.0


class Ears:
    """Everything that the agent publishes, judged as it comes, and a mouth for commands."""

    def __init__(self, port: int, key: bytes, keeper: Keeper) -> None:
        self.evidence = Evidence(key, ROOT, SITE, AGENT)
        self.epoch = 1
        self.mode = ""
        self.telemetry = 0
        self._port = port
        self._keeper = keeper
        self._client: aiomqtt.Client | None = None

    async def listen(self) -> None:
        """For ever, whatever becomes of the broker."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    "127.0.0.1",
                    self._port,
                    protocol=aiomqtt.ProtocolVersion.V311,
                    identifier="soak",
                    clean_session=False,
                    keepalive=5,
                    timeout=_SAY_S,
                ) as client:
                    for channel in _CHANNELS:
                        await client.subscribe(f"{ROOT}/v1/{SITE}/{AGENT}/{channel}", qos=1)
                    self._client = client
                    async for message in client.messages:
                        assert isinstance(message.payload, bytes)
                        self._take(str(message.topic), message.payload, retained=bool(message.retain))
            self._client = None
            await asyncio.sleep(_AGAIN_S)

    async def say(self, topic: str, data: bytes) -> bool:
        """Publishes; whether the broker has it."""
        if self._client is None:
            return False
        try:
            await self._client.publish(topic, data, qos=1)
        except aiomqtt.MqttError:
            return False
        return True

    @property
    def connected(self) -> bool:
        """Whether it is subscribed."""
        return self._client is not None

    def _take(self, topic: str, data: bytes, *, retained: bool) -> None:
        record = self.evidence.take(topic, data, time.monotonic_ns(), retained=retained)
        if record is None:
            return
        self.evidence.records.clear()  # kept by the trace, and telemetry nowhere: an hour of it is large
        if record.channel.startswith("tele/") and record.body.get("t") != "gap":
            self.telemetry += 1
            return
        if record.channel == "conn" and isinstance(record.body.get("epoch"), int):
            self.epoch = record.body["epoch"]
        if record.channel == "ctl":
            self.mode = record.body["circuits"][0]["mode"]
        if not record.channel.startswith("schema"):
            self._keeper.add("records", Record(record.received_ns, record.channel, record.body))


class Recorder:
    """Asks the stand-ins, again and again, for what happened since."""

    def __init__(self, rig: RigProcess, keeper: Keeper) -> None:
        self.newest: Truth | None = None
        self.on: set[str] = set()
        self._rig = rig
        self._keeper = keeper

    def drain(self) -> None:
        """Writes down what happened since the last time."""
        said: dict[str, Any] = self._rig.do("drain")
        add, now_ns = self._keeper.add, said["now_ns"]
        add("verbs", *(Verb(*row) for row in said["verbs"]))
        for address, on in said["loads"]:
            (self.on.add if on else self.on.discard)(address)
        add("turns", *(Turn(now_ns, address, on) for address, on in said["loads"]))
        add("main", *(Refresh(*row) for row in said["meters"][MAIN]))
        add("backup", *(Refresh(*row) for row in said["meters"][BACKUP]))
        add("rounds", *(Round(*row) for row in said["tanks"][TANK]))
        switching = said["switchgears"][SWITCHGEAR]
        add("coils", *(Turn(at_ns, f"k{coil}", on) for at_ns, coil, on in switching["coils"]))
        add("poles", *(Turn(*row) for row in switching["moves"]))
        add("looks", *switching["looks"])
        add("limits", *(Limit(*row) for row in said["limits"]))
        for device, pdus in said["writes"].items():
            add("writes", *(Write(at_ns, device, pdu) for at_ns, pdu in pdus))
        tank = said["truth"]["tanks"][TANK]
        self.newest = Truth(
            *(now_ns, said["watts"], said["hertz"], len(self.on), tank["heat_w"], tank["pressure_kpa"]),
            tank["flow_lpm"],
            tuple(gpu["limit_w"] for gpu in said["gpus"]),
            said["truth"]["switchgears"][SWITCHGEAR]["contactors"][CONTACTOR],
        )
        add("truths", self.newest)
