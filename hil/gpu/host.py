"""The GPUs of a rig: a fake driver, and what its GPUs serve.

    gpu         deed, ...            something is done to the GPUs' driver (hil/gpu/deeds.py)
    inference   serves, share=0.5    they serve from now on, a model of hil/physics/inference.toml, each replica its own
                                     share of the recorded requests; serves null: the driver's own job again

A replica of several GPUs draws the same watts on each. Limits and locked clocks that the driver was given slow it.
Requests begin anew with each `inference`, somewhere in the recording that the seed says, and come round every ten
minutes.
"""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from hil.clock import Clock
from hil.gpu.deeds import deeds
from hil.gpu.fake import FakeDriver
from hil.physics.inference import Replica, load_conversation, load_served, taken

_TURN_S = 0.05
_JOB_W = 650.0  # what the driver's own job draws


class InferenceConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What a rig's GPUs serve from the beginning."""

    serves: str  # of hil/physics/inference.toml
    share: float = 0.5  # of the recorded requests, each replica


class GpuHost:
    """One host's GPUs; none of it is there before `open`."""

    def __init__(self, count: int, seed: int, clock: Clock, begins: InferenceConfig | None = None) -> None:
        self.driver: FakeDriver | None = None
        self.operations: dict[str, Callable[..., Any]] = {"gpu": self.gpu, "inference": self.inference}
        self._count = count
        self._seed = seed
        self._clock = clock
        self._begins = begins
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._replicas: list[Replica] = []
        self._turned_ns = 0

    def open(self) -> None:
        """The driver is there, if the host has GPUs."""
        if self._count:
            self._folder = tempfile.TemporaryDirectory(prefix="hil-gpus-")
            self.driver = FakeDriver(Path(self._folder.name), self._count)
        if self._begins is not None:
            self.inference(self._begins.serves, self._begins.share)

    def close(self) -> None:
        """It is gone."""
        if self._folder is not None:
            self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        """What `ballast gpud` needs to find them."""
        return {} if self.driver is None else self.driver.environment()

    def watts(self) -> float:
        """What all GPUs draw."""
        if self.driver is None:
            return 0.0
        return sum(float(self.driver.gpu(at).power_w) for at in range(self._count))

    def gpu(self, deed: str, **how: Any) -> Any:
        """Something is done to the driver."""
        return deeds(self._there(), self._count)[deed](**how)

    def inference(self, serves: str | None, share: float = 0.5) -> None:
        """What the GPUs serve from now on."""
        driver = self._there()
        self._replicas = []
        if serves is None:
            for at in range(self._count):
                driver.gpu(at).demand_mw = round(_JOB_W * 1000)
            return
        served = load_served(serves)
        if self._count % served.gpus:
            raise ValueError(
                f"{serves} needs {served.gpus} GPUs a replica; RigConfig.gpus = {self._count} is no multiple"
            )
        recorded = load_conversation()
        for number in range(self._count // served.gpus):
            self._replicas.append(Replica(served, taken(recorded, share, f"inference:{self._seed}:{number}")))
        self._turned_ns = self._clock()
        self.once()

    async def run(self) -> None:
        """Serves, for ever."""
        while True:
            self.once()
            await asyncio.sleep(_TURN_S)

    def once(self) -> None:
        """What was asked of each replica until now, as a demand of its GPUs for the driver to follow."""
        seconds = (self._clock() - self._turned_ns) / 1e9
        self._turned_ns = self._clock()
        for number, replica in enumerate(self._replicas):
            self._serve(replica, number * replica.served.gpus, seconds)

    def state(self) -> list[dict[str, float]]:
        """What each replica has done, and has to do."""
        return [
            {
                "waiting": one.waiting,
                "running": one.running,
                "prompt_tokens": one.prompt_tokens,
                "generated_tokens": one.generated_tokens,
                "prefill_j": one.prefill_j,
                "decode_j": one.decode_j,
                "idle_j": one.idle_j,
            }
            for one in self._replicas
        ]

    def _serve(self, replica: Replica, first: int, seconds: float) -> None:
        gpus = [self._there().gpu(at) for at in range(first, first + replica.served.gpus)]
        replica.limit_w = min(gpu.limit_mw for gpu in gpus) / 1000 * len(gpus)
        replica.clock_pu = min((gpu.lock_high_mhz or gpu.sm_mhz_max) / gpu.sm_mhz_max for gpu in gpus)
        if seconds > 0.0:
            watts = replica.advance(seconds) / len(gpus)
            for gpu in gpus:
                idle_w = (
                    gpu.idle_mw / 1000
                )  # the driver lowers what is above this by the square of the clock, as we did
                demand_w = idle_w + max(0.0, watts - idle_w) / replica.clock_pu**2
                gpu.demand_mw = round(demand_w * 1000)

    def _there(self) -> FakeDriver:
        if self.driver is None:
            raise ValueError("this rig has no GPUs; set RigConfig.gpus")
        return self.driver
