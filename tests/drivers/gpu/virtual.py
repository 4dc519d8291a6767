"""What the pure GPU tests stand on: a machine whose GPUs are values, a worker for it, and a wire without a socket."""

import asyncio

from msgspec.structs import replace

from drivers.errors import Unreachable
from drivers.gpu.leases import Leases
from drivers.gpu.messages import GpuInfo, GpuReading, Health
from drivers.gpu.orders import Answer, Applied, Apply, Enumerated, Look, Looked, Order
from drivers.gpu.process import WorkerLost
from drivers.gpu.server import Client
from drivers.gpu.supervisor import Supervisor
from drivers.gpu.wire import Wire
from drivers.miners.dialect import State
from tests.sim.clock import VirtualClock

NS_PER_S = 1_000_000_000


def info(uuid: str, *, low_w: float = 200.0, high_w: float = 700.0, sm_mhz_min: int | None = 210) -> GpuInfo:
    return GpuInfo(uuid, "H100", "580", "", low_w, high_w, high_w, sm_mhz_min, 1980)


class Machine:
    """GPUs that do what they are told at once."""

    def __init__(self, *uuids: str) -> None:
        self.gpus = {
            uuid: GpuReading(uuid, "ok", None, power_w=650.0, power_kind="instant", limit_w=700.0, sm_mhz=1980)
            for uuid in uuids
        }
        self.hung: set[str] = set()
        self.dead = False
        self.refusal: Health = "ok"  # of Enumerate
        self.denied = False
        self.applied: list[Apply] = []
        self.started = 0

    def start(self) -> "WorkerStandIn":
        self.started += 1
        return WorkerStandIn(self)


class WorkerStandIn:
    """A worker without a process; each order takes 1 ms."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def ask(self, order: Order, within_s: float) -> Answer:
        machine = self._machine
        if isinstance(order, Look | Apply) and order.uuid in machine.hung:
            await asyncio.sleep(within_s)
            raise WorkerLost("hung", "no answer")
        await asyncio.sleep(0.001)
        if machine.dead:
            raise WorkerLost("crashed", "it ended")
        if isinstance(order, Look):
            return Looked(machine.gpus[order.uuid])
        if isinstance(order, Apply):
            return self._apply(order)
        return Enumerated(machine.refusal, "", tuple(map(info, machine.gpus)))

    def end(self) -> None:
        pass

    def _apply(self, order: Apply) -> Applied:
        machine = self._machine
        gpu = machine.gpus[order.uuid]
        if machine.denied:
            return Applied("no_permission", True, "Insufficient Permissions")
        assert gpu.limit_w is not None
        if order.limit_w is not None and order.limit_w > gpu.limit_w and not order.may_raise:
            return Applied("no_lease", False, "", gpu.limit_w)
        machine.applied.append(order)
        limit_w = gpu.limit_w if order.limit_w is None else order.limit_w
        machine.gpus[order.uuid] = replace(gpu, limit_w=limit_w, power_w=min(650.0, limit_w))
        return Applied("ok", True, "", limit_w, order.clocks)


class Gpud:
    """A gpud on virtual time, and the way to it."""

    def __init__(self, clock: VirtualClock, machine: Machine, fallbacks: dict[str, float] | None = None) -> None:
        self.clock = clock
        self.kept: dict[str, float] = dict(fallbacks or {})
        self.supervisor = Supervisor(
            clock.monotonic_ns,
            Leases(self.kept, clock.monotonic_ns()),
            ceiling_w=None,
            on_leases=lambda fallbacks: self.kept.update(fallbacks),
            start=machine.start,
        )
        self.running = asyncio.get_running_loop().create_task(self.supervisor.run(), name="gpud")
        self.away = False
        self.silent = False
        self._wires: list[MemoryWire] = []

    async def connect(self) -> Wire:
        if self.away:
            raise Unreachable("gpud", "no such file")
        wire = MemoryWire(self)
        self._wires.append(wire)
        return wire

    def cut(self) -> None:
        """Every connection ends, and no new one comes up."""
        self.away = True
        for wire in self._wires:
            wire.close()


class MemoryWire:
    """One connection to a Gpud."""

    def __init__(self, gpud: Gpud) -> None:
        self._gpud = gpud
        self._client = Client(gpud.supervisor, "test")
        self._ended = asyncio.Event()

    def send(self, data: bytes) -> None:
        self._client.feed(data)

    async def receive(self) -> bytes:
        while not self._ended.is_set():
            late = asyncio.ensure_future(self._client.late())
            ended = asyncio.ensure_future(self._ended.wait())
            try:
                await asyncio.wait((late, ended), return_when=asyncio.FIRST_COMPLETED)
            finally:
                late.cancel()
                ended.cancel()
            data = self._client.take()
            if data and not self._gpud.silent:
                return data
        return b""

    def close(self) -> None:
        self._ended.set()


class Ears:
    """A sink that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.read: dict[str, State] = {}
        self.failed: dict[str, tuple[str, str]] = {}

    def load_read(self, load_id: str, state: State, taken_ns: int) -> None:
        self.read[load_id] = state
        self.failed.pop(load_id, None)

    def load_failed(self, load_id: str, outcome: str, detail: str) -> None:
        self.failed[load_id] = (outcome, detail)

    def write_sent(self, load_id: str, step: str, sent_ns: int) -> None:
        self.heard.append(("sent", load_id, step))

    def write_answered(self, load_id: str, step: str, outcome: str, answered_ns: int, detail: str) -> None:
        self.heard.append((outcome, load_id, step))
