"""The GPUs of one gpud, for the agent: reads them, tells them their steps (writes.py), renews their leases.

- Nothing here waits for gpud except run(), and nothing outside waits for run().
- The lease is renewed only when `beats` has advanced since the last renewal: a control loop that stands still lets its
  GPUs fall to fallback_w, exactly as a dead agent does.
- In observe nothing is told and nothing is renewed: a lease is a promise that limits will be lowered.
- A connection on which a read is overdue by SILENT_S is given up and made anew. While there is none, every load is told
  as failed once every poll.

What a read came to, for the loads: a GPU that answers is load_read; `hung` and `starting` are "silent"; the rest is
"unreachable", with gpud's word for it in front of the detail.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import NoReturn, Protocol

from msgspec import Struct

from drivers.errors import DeviceError, Silent
from drivers.gpu.messages import FromClient, GpuInfo, GpuReading, Lease, List, Listed, Read, Readings, Renew, SetDone
from drivers.gpu.steps import FULL, GpuStep, step_of, steps_of
from drivers.gpu.talk import Talk
from drivers.gpu.wire import Connect
from drivers.gpu.writes import Held, Setpoint, Writes, WriteSink
from drivers.miners.dialect import State

POLL_S = 1.0
RENEW_S = 1.0  # 15 in a lease
SILENT_S = 3.0
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_TICK_S = 0.25
_NS_PER_S = 1_000_000_000


class GpuSink(WriteSink, Protocol):
    """Hears what the GPUs say and what became of setpoints; outcomes as in agent.core.image.Outcome."""

    def load_read(self, load_id: str, state: State, taken_ns: int) -> None:
        """What a GPU does; the state is no older than taken_ns."""
        ...

    def load_failed(self, load_id: str, outcome: str, detail: str) -> None:
        """A poll brought nothing."""
        ...


class GpuLoad(Struct, frozen=True):
    """One GPU as a load of the site."""

    load: str  # "r1/GPU-5a0..."
    uuid: str
    floor_w: float
    fallback_w: float


class GpuHost:
    """One gpud and the loads it serves. Make it inside the running loop."""

    def __init__(
        self,
        connect: Connect,
        loads: Iterable[GpuLoad],
        sink: GpuSink,
        clock_ns: Callable[[], int],
        *,
        beats: Callable[[], int],  # a number that advances while control does
        wanted: Callable[[str], str | None],  # the step the core still wants a lowered load to be at, None if none
        observe: bool,
        poll_s: float = POLL_S,
        on_listed: Callable[[tuple[GpuInfo, ...]], None] = lambda gpus: None,
    ) -> None:
        self._connect = connect
        self._loads = {load.load: load for load in loads}
        self._sink = sink
        self._clock_ns = clock_ns
        self._beats = beats
        self._observe = observe
        self._poll_s = poll_s
        self._on_listed = on_listed
        self._numbers = count(1)
        self._infos: dict[str, GpuInfo] = {}
        self._steps: dict[str, tuple[GpuStep, ...]] = dict.fromkeys(self._loads, ())
        self._readings: dict[str, GpuReading] = {}
        self._renewed_beat = beats()
        self._worker = ""  # health of gpud's NVML worker: after a driver reload the limits may be others
        self._asked: tuple[int, int] | None = None  # the Read that is out: its number, when it was asked
        self._writes = Writes(
            sink,
            clock_ns,
            self._numbers,
            gpu_of=lambda load: (self._loads[load].uuid, self._steps[load]),
            wanted=wanted,
            soon=asyncio.get_running_loop().call_soon,
            observe=observe,
        )

    def fire(self, setpoints: Iterable[Setpoint]) -> tuple[Held, ...]:
        """Send these now, all frames written when this returns; those that must not be sent come back."""
        return self._writes.fire(tuple(setpoints))

    def prepared(self, load_id: str) -> bool:
        """Whether this load can be told at once: its limits are known."""
        return bool(self._steps[load_id])

    def steps(self, load_id: str) -> tuple[GpuStep, ...]:
        """What its steps are on this GPU, lowest first; none until gpud listed it."""
        return self._steps[load_id]

    @property
    def readings(self) -> Mapping[str, GpuReading]:
        """The newest reading of each GPU by UUID, of all that gpud serves; for telemetry."""
        return self._readings

    async def run(self) -> NoReturn:
        """Connect, poll and renew until cancelled."""
        failures = 0
        while True:
            # Each attempt is a task of its own: a TaskGroup that failed leaves its task marked as cancelled in Python
            # 3.11.2 (Debian 12), and no asyncio.timeout works in that task any more.
            attempt = asyncio.create_task(self._attempt(), name="gpus:attempt")
            failures = 0 if await attempt else failures + 1
            until_ns = self._clock_ns() + round(RETRY_S[min(failures, len(RETRY_S) - 1)] * _NS_PER_S)
            while self._clock_ns() < until_ns:
                await asyncio.sleep(_TICK_S)
                self._writes.tick()

    async def _attempt(self) -> bool:
        """One conversation from beginning to end; whether there was one."""
        talked = False
        try:
            async with asyncio.timeout(SILENT_S):
                talk = await Talk.begin(self._connect)
            talked = True
            await self._serve(talk)
        except TimeoutError:
            self._fail_all("silent", f"gpud did not answer a greeting within {SILENT_S:g} s")
        except DeviceError as error:
            self._fail_all("silent" if isinstance(error, Silent) else "unreachable", str(error))
        return talked

    async def _serve(self, talk: Talk) -> NoReturn:
        """One conversation; ends with a DeviceError."""
        self._asked = None
        failed: DeviceError | None = None
        try:
            talk.send(List(next(self._numbers)))
            self._renew(talk.send)
            self._writes.open(talk.send)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._hear(talk), name="gpus:hear")
                    tasks.create_task(self._poll(talk.send), name="gpus:poll")
                    tasks.create_task(self._keep_lease(talk.send), name="gpus:lease")
                    tasks.create_task(self._tick(), name="gpus:tick")
            except* DeviceError as errors:
                failed = next(error for error in errors.exceptions if isinstance(error, DeviceError))
        finally:
            self._writes.shut()
            talk.close()
        assert failed is not None
        raise failed

    async def _hear(self, talk: Talk) -> NoReturn:
        while True:
            message = await talk.hear()
            if isinstance(message, SetDone):
                self._writes.answered(message)
                self._ask(talk.send)
            elif isinstance(message, Readings):
                self._heard(message, talk.send)
            elif isinstance(message, Listed) and (message.gpus or message.health == "ok"):
                self._learn(message.gpus)  # an empty one of a worker that has not looked yet says nothing

    async def _poll(self, send: Callable[[FromClient], None]) -> NoReturn:
        while True:
            if self._asked is not None and self._clock_ns() - self._asked[1] > SILENT_S * _NS_PER_S:
                raise Silent("gpud", f"did not answer a read within {SILENT_S:g} s")
            if self._asked is None:
                self._ask(send)
            await asyncio.sleep(self._poll_s)

    async def _keep_lease(self, send: Callable[[FromClient], None]) -> NoReturn:
        while True:
            await asyncio.sleep(RENEW_S)
            self._renew(send)

    async def _tick(self) -> NoReturn:
        while True:
            await asyncio.sleep(_TICK_S)
            self._writes.tick()

    def _ask(self, send: Callable[[FromClient], None]) -> None:
        self._asked = (next(self._numbers), self._clock_ns())
        send(Read(self._asked[0]))

    def _renew(self, send: Callable[[FromClient], None]) -> None:
        beat = self._beats()
        if self._observe or beat == self._renewed_beat:
            return
        self._renewed_beat = beat
        leases = tuple(Lease(load.uuid, load.fallback_w) for load in self._loads.values())
        send(Renew(next(self._numbers), leases))

    def _learn(self, gpus: tuple[GpuInfo, ...]) -> None:
        self._infos = {info.uuid: info for info in gpus}
        for load in self._loads.values():
            info = self._infos.get(load.uuid)
            if info is not None:
                self._steps[load.load] = steps_of(info, load.floor_w)
        self._on_listed(gpus)

    def _heard(self, message: Readings, send: Callable[[FromClient], None]) -> None:
        if self._asked is None or message.id != self._asked[0]:
            return  # a newer one was asked meanwhile
        asked_ns = self._asked[1]
        self._asked = None
        self._readings = {reading.uuid: reading for reading in message.gpus}
        recovered = message.health == "ok" != self._worker
        self._worker = message.health
        if recovered or any(uuid not in self._infos for uuid in self._readings):
            send(List(next(self._numbers)))
        for load in self._loads.values():
            reading = self._readings.get(load.uuid)
            if reading is None:
                self._sink.load_failed(load.load, *_failure(message.health, message.detail or "gpud doesn't know it"))
            elif reading.health != "ok" or reading.age_ns is None:
                self._sink.load_failed(load.load, *_failure(reading.health, reading.detail))
            else:
                self._tell(load.load, reading, asked_ns - reading.age_ns)

    def _tell(self, load_id: str, reading: GpuReading, taken_ns: int) -> None:
        steps = self._steps[load_id]
        step = step_of(steps, reading, self._writes.told.get(load_id))
        self._writes.seen(load_id, step, taken_ns)
        self._sink.load_read(
            load_id,
            State(
                step,
                reading.power_w,
                True,
                None,
                reading.temperature_c,
                _in_words(reading),
                lapsed=reading.lapsed_from_w is not None and step != FULL,
            ),
            taken_ns,
        )

    def _fail_all(self, outcome: str, detail: str) -> None:
        for load in self._loads:
            self._sink.load_failed(load, outcome, detail)


def _failure(health: str, detail: str) -> tuple[str, str]:
    """The outcome of a poll, and its words."""
    outcome = "silent" if health in ("hung", "starting") else "unreachable"
    return outcome, f"{health}: {detail}" if detail else health


def _in_words(reading: GpuReading) -> str:
    """What a person should know of it beside its watts."""
    words = []
    if reading.limit_w is not None:
        words.append(f"limit {reading.limit_w:g} W")
    if reading.lapsed_from_w is not None:
        words.append(f"lowered from {reading.lapsed_from_w:g} W when its lease lapsed")
    if reading.reasons:
        words.append("held by " + ", ".join(reading.reasons))
    if reading.xids:
        words.append(f"XID {reading.xids[-1].code}")
    return "; ".join(words)
