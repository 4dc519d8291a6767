"""What the demo sees while it runs: the agent's records over MQTT, judged as they come, and the rig's truth.

All instants are CLOCK_MONOTONIC, which the stand-ins stamp with too.
"""

import asyncio
import time
from collections.abc import Callable

import aiomqtt
from msgspec import Struct

from hil.demo import figures
from hil.evidence import Evidence, Record
from hil.remote import RigProcess

_SAMPLE_S = 0.2
_CHANNELS = ("conn", "schema/#", "tele/#", "evt", "ctl", "ack/#")


class Sample(Struct, frozen=True):
    """The rig's truth at one instant."""

    at_ns: int
    watts: float
    hertz: float | None
    on: int
    flow_lpm: float  # the tank's condenser
    gpu_limit_w: float  # of one GPU, the lowest


class Watch:
    """Everything seen so far."""

    def __init__(self, rig: RigProcess, agent_key: bytes, told: Callable[[str], None]) -> None:
        self.evidence = Evidence(agent_key, figures.ROOT, figures.SITE, figures.AGENT)
        self.samples: list[Sample] = []
        self.limits: list[tuple[int, float | None]] = []  # (received_ns, kW)
        self.mode = ""
        self._rig = rig
        self._told = told

    async def listen(self, port: int, subscribed: asyncio.Event) -> None:
        """Takes every record of the agent, for ever."""
        prefix = f"{figures.ROOT}/v1/{figures.SITE}/{figures.AGENT}"
        async with aiomqtt.Client(
            "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V311, identifier="demo"
        ) as client:
            for channel in _CHANNELS:
                await client.subscribe(f"{prefix}/{channel}", qos=1)
            subscribed.set()
            async for message in client.messages:
                received_ns = time.monotonic_ns()
                assert isinstance(message.payload, bytes)
                record = self.evidence.take(
                    str(message.topic), message.payload, received_ns, retained=bool(message.retain)
                )
                if record is not None:
                    self._notice(record)

    async def sample(self) -> None:
        """Asks the rig for the truth, for ever."""
        while True:
            state = self._rig.do("state")
            flow_lpm = self._rig.do("plcs")["tanks"][figures.TANK]["flow_lpm"]
            limit_w = min(gpu["limit_w"] for gpu in self._rig.do("gpu", deed="gpus"))
            self.samples.append(Sample(state["now_ns"], state["watts"], state["hertz"], state["on"], flow_lpm, limit_w))
            await asyncio.sleep(_SAMPLE_S)

    def newest(self) -> Sample | None:
        """The newest sample."""
        return self.samples[-1] if self.samples else None

    def _notice(self, record: Record) -> None:
        body = record.body
        if record.channel == "ctl":
            for circuit in body["circuits"]:
                if circuit["id"] == figures.CIRCUIT:
                    self.mode = circuit["mode"]
                    self.limits.append((record.received_ns, circuit["hi_kw"]))
        elif record.channel == "evt":
            self._told(f"evt {body['k']} {body.get('rule') or ''}: {body.get('why') or ''}")
        elif record.channel.startswith("ack/"):
            self._told(f"ack {body['st']} {body.get('code') or ''}".rstrip())
