"""`ballast gpud` on virtual time: its own supervisor, leases and conversation, over GPUs that are values, behind a wire
that takes time and can be cut.

The GPUs serve inference all the time: they draw what their limit lets them, at most WANTS_W. gpud runs on a host
of its own: it lives on when the agent is killed or its machine loses power, and can be killed itself (`restart`):
then it has lost all but its file of fallbacks.

Ailments of the machine (`ails`): "" well; "hung" driver calls for some GPUs do not come back; "lost" one fell off the
bus; "crashing" the NVML worker dies at every call; and of the wire (`wire_ails`): "away" nothing listens; "silent" it
keeps connections and says nothing.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from msgspec import Struct

from drivers.errors import Unreachable
from drivers.gpu.frames import FrameSplitter
from drivers.gpu.leases import Leases
from drivers.gpu.messages import FREE, Clocks, FromClient, GpuInfo, GpuReading, Renew, Set
from drivers.gpu.orders import Answer, Applied, Apply, Enumerated, Look, Looked, Order
from drivers.gpu.process import WorkerLost
from drivers.gpu.server import Client
from drivers.gpu.supervisor import Supervisor
from drivers.gpu.wire import Connect, Wire
from tests.sim.course import Course
from tests.sim.life import Life
from tests.sim.loop import LIFE, NS_PER_S, VirtualLoop, life_tasks
from tests.sim.wire import Network

LOWEST_W, FULL_W, WANTS_W = 100.0, 700.0, 650.0
SM_MHZ = (210, 1980)
OBEYS_S = 0.1  # from a limit to its watts
CALL_S = 0.002
AILMENTS = ("hung", "lost", "crashing")
WIRE_AILMENTS = ("away", "silent")


class Limited(Struct, frozen=True):
    """A limit, from an instant on."""

    at_ns: int
    limit_w: float


class Said(Struct, frozen=True):
    """One frame of the agent that reached gpud."""

    sent_ns: int
    heard_ns: int
    life: int
    what: str  # set renew
    uuid: str = ""
    limit_w: float | None = None
    present_w: float = 0.0  # the limit as it was when the frame was heard


class VirtualGpu(Course):
    """One GPU, as its driver has it."""

    def __init__(self, uuid: str) -> None:
        super().__init__(WANTS_W)
        self.uuid = uuid
        self.limit_w = FULL_W
        self.clocks = FREE
        self.limits = [Limited(0, FULL_W)]
        self.rated_w = WANTS_W

    def set(self, now_ns: int, limit_w: float, clocks: Clocks | None) -> None:
        if limit_w != self.limit_w:
            self.limit_w = limit_w
            self.limits.append(Limited(now_ns, limit_w))
        if clocks is not None:
            self.clocks = clocks
        self.go(now_ns, LOWEST_W if self.clocks != FREE else min(WANTS_W, limit_w), OBEYS_S)

    def limit_at(self, at_ns: int) -> float:
        """The limit in force at an instant."""
        return next(limited.limit_w for limited in reversed(self.limits) if limited.at_ns <= at_ns)


class VirtualGpus:
    """The machine, its driver, and gpud on it. start() it inside the running loop."""

    def __init__(self, network: Network, count: int) -> None:
        self.gpus = {f"GPU-{number:08x}": VirtualGpu(f"GPU-{number:08x}") for number in range(count)}
        self.ails = ""
        self.wire_ails = ""
        self.ailing: set[str] = set()  # which GPUs are hung or lost
        self.said: list[Said] = []
        self.network = network
        self.supervisor: Supervisor
        self.lives = 0  # counted down: lives of gpud
        self._kept: dict[str, float] = {}  # gpud's own file
        self._wires: list[VirtualGpudWire] = []

    @property
    def loop(self) -> VirtualLoop:
        return self.network.loop

    def start(self) -> None:
        """gpud begins, with what its file kept."""
        self.lives -= 1
        self.supervisor = Supervisor(
            lambda: self.loop.now_ns,
            Leases(self._kept, self.loop.now_ns),
            ceiling_w=None,
            on_leases=lambda fallbacks: self._kept.update(fallbacks),
            start=lambda: _Worker(self),
        )
        self.task(self.supervisor.run(), "gpud")

    def task(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """A task of this life of gpud."""
        token = LIFE.set(self.lives)
        try:
            return self.loop.create_task(work, name=name)
        finally:
            LIFE.reset(token)

    async def restart(self) -> None:
        """kill -9, and started again by its unit."""
        for wire in self._wires:
            wire.close()
        self._wires.clear()
        for _ in range(100):
            tasks = life_tasks(self.loop, self.lives)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
        self.loop.drop_timers(self.lives)
        self.start()

    def ail(self, wire_ails: str) -> None:
        """The wire falls ill, or gets well with ""."""
        self.wire_ails = wire_ails
        if wire_ails == "away":
            for wire in self._wires:
                wire.close()
            self._wires.clear()

    def connect(self, life: Life) -> Connect:
        """A Connect for one life of the agent."""

        async def connect() -> Wire:
            await asyncio.sleep(0.000_5)
            if self.wire_ails == "away":
                raise Unreachable("gpud", "no such file")
            wire = VirtualGpudWire(self, life)
            self._wires.append(wire)
            return wire

        return connect

    def hear(self, sent_ns: int, life: int, message: FromClient) -> None:
        """What a clock on the cable logs."""
        now_ns = self.loop.now_ns
        if isinstance(message, Set):
            gpu = self.gpus.get(message.uuid)
            present_w = gpu.limit_w if gpu is not None else 0.0
            self.said.append(Said(sent_ns, now_ns, life, "set", message.uuid, message.limit_w, present_w))
        elif isinstance(message, Renew):
            self.said += [
                Said(sent_ns, now_ns, life, "renew", lease.uuid, lease.fallback_w) for lease in message.leases
            ]


class VirtualGpudWire:
    """One connection: what drivers/gpu/wire.py's Wire promises."""

    def __init__(self, gpus: VirtualGpus, life: Life) -> None:
        self._gpus = gpus
        self._life = life
        self._client = Client(gpus.supervisor, f"life {life.number}")
        self._log = FrameSplitter(FromClient, "the log")
        self._inbox = b""
        self._came = asyncio.Event()
        self._ended = False
        self._out_ns = self._in_ns = 0  # bytes arrive in order
        self._late = gpus.task(self._answer_late(), "gpud:late")

    def send(self, data: bytes) -> None:
        network = self._gpus.network
        if not self._life.alive or self._ended:
            return
        sent_ns = network.loop.now_ns
        network.log("gpud out", data)
        self._out_ns = max(self._out_ns + 1, sent_ns + self._latency_ns())
        network.at(self._out_ns, lambda: self._arrive(sent_ns, data))

    async def receive(self) -> bytes:
        while not self._inbox and not self._ended:
            self._came.clear()
            await self._came.wait()
        data, self._inbox = self._inbox, b""
        return data

    def close(self) -> None:
        self._ended = True
        self._late.cancel()
        self._came.set()

    def _arrive(self, sent_ns: int, data: bytes) -> None:
        gpus = self._gpus
        if self._ended or gpus.wire_ails:
            return
        for message in self._log.feed(data):
            gpus.hear(sent_ns, self._life.number, message)
        self._client.feed(data)
        self._answer()

    async def _answer_late(self) -> None:
        """The ends of sets, which come between two questions."""
        while True:
            await self._client.late()
            self._answer()

    def _answer(self) -> None:
        data = self._client.take()
        if data and not self._ended and not self._gpus.wire_ails:
            self._in_ns = max(self._in_ns + 1, self._gpus.loop.now_ns + self._latency_ns())
            self._gpus.network.at(self._in_ns, lambda: self._hear(data))

    def _hear(self, data: bytes) -> None:
        if not self._ended:
            self._gpus.network.log("gpud in", data)
            self._inbox += data
            self._came.set()

    def _latency_ns(self) -> int:
        network = self._gpus.network
        return round(network.random.uniform(0.000_1, 0.001) * NS_PER_S)


class _Worker:
    """The NVML worker, without a process (drivers.gpu.process.Worker)."""

    def __init__(self, machine: VirtualGpus) -> None:
        self._machine = machine

    async def ask(self, order: Order, within_s: float) -> Answer:
        machine = self._machine
        ailing = isinstance(order, Look | Apply) and order.uuid in machine.ailing
        if ailing and machine.ails == "hung":
            await asyncio.sleep(within_s)
            raise WorkerLost("hung", "no answer")
        await asyncio.sleep(CALL_S)
        if machine.ails == "crashing":
            raise WorkerLost("crashed", "it ended")
        if isinstance(order, Look):
            return self._look(machine.gpus[order.uuid], lost=ailing)
        if isinstance(order, Apply):
            return self._apply(order, machine.gpus[order.uuid], lost=ailing)
        lost = machine.ailing if machine.ails == "lost" else set()
        here = tuple(_info(uuid) for uuid in machine.gpus if uuid not in lost)
        return Enumerated("ok", "", here, len(lost))

    def end(self) -> None:
        """There is no process."""

    def _look(self, gpu: VirtualGpu, *, lost: bool) -> Looked:
        if lost:
            return Looked(GpuReading(gpu.uuid, "lost", None, "fell off the bus"))
        locked = gpu.clocks != FREE
        return Looked(
            GpuReading(
                gpu.uuid,
                "ok",
                None,
                power_w=round(gpu.watts(self._machine.loop.now_ns), 3),
                power_kind="instant",
                limit_w=gpu.limit_w,
                limit_w_enforced=gpu.limit_w,
                sm_mhz=SM_MHZ[0] if locked else SM_MHZ[1],
            )
        )

    def _apply(self, order: Apply, gpu: VirtualGpu, *, lost: bool) -> Applied:
        if lost:
            return Applied("lost", True, "fell off the bus")
        limit_w = gpu.limit_w if order.limit_w is None else order.limit_w
        if limit_w > gpu.limit_w and not order.may_raise:
            return Applied("no_lease", False, "", gpu.limit_w)
        gpu.set(self._machine.loop.now_ns, limit_w, order.clocks)
        return Applied("ok", True, "", limit_w, order.clocks)


def _info(uuid: str) -> GpuInfo:
    return GpuInfo(uuid, "H100", "580", "", LOWEST_W, FULL_W, FULL_W, *SM_MHZ)
