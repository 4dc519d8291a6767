"""A gpud that a test started, and asking it. ANSWER_S is the agent's own patience: whoever is slower is given up."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import psutil
from msgspec import Struct

from drivers.errors import Unreachable
from drivers.gpu.client import SILENT_S
from drivers.gpu.messages import (
    SET_S_MAX,
    Clocks,
    FromClient,
    FromDaemon,
    GpuInfo,
    GpuReading,
    Lease,
    List,
    Listed,
    Read,
    Readings,
    Renew,
    Renewed,
    Set,
    SetDone,
)
from drivers.gpu.talk import Talk
from drivers.gpu.wire import connect_to

ANSWER_S = SILENT_S
START_S = 60.0
LOOKS_S = 60.0  # until something that gpud is to find out was found out


class Gpud(Struct, frozen=True):
    """One gpud."""

    process: "subprocess.Popen[bytes]"
    path: Path
    log: Path

    @property
    def at(self) -> str:
        return f"unix:{self.path}"

    def worker(self) -> psutil.Process:
        """Its NVML worker; one that was killed may not be reaped yet."""
        (worker,) = filter(_lives, psutil.Process(self.process.pid).children())
        return worker


class Asking:
    """One client, one question at a time; each must be answered within ANSWER_S."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._numbers = count(1)

    async def list(self) -> tuple[GpuInfo, ...]:
        answer = await self._ask(List(next(self._numbers)))
        assert isinstance(answer, Listed)
        return answer.gpus

    async def read(self) -> Readings:
        answer = await self._ask(Read(next(self._numbers)))
        assert isinstance(answer, Readings)
        return answer

    async def renew(self, fallback_w: float, *uuids: str) -> None:
        answer = await self._ask(Renew(next(self._numbers), tuple(Lease(uuid, fallback_w) for uuid in uuids)))
        assert isinstance(answer, Renewed)

    async def set(self, uuid: str, limit_w: float | None, clocks: Clocks | None = None) -> SetDone:
        answer = await self._ask(Set(next(self._numbers), uuid, limit_w, clocks), SET_S_MAX + 1)
        assert isinstance(answer, SetDone)
        return answer

    async def until(self, true: Callable[[tuple[GpuReading, ...]], object], within_s: float = LOOKS_S) -> Readings:
        """Read until it is so."""
        async with asyncio.timeout(within_s):
            while True:
                readings = await self.read()
                if readings.gpus and true(readings.gpus):
                    return readings
                await asyncio.sleep(0.05)

    async def _ask(self, message: FromClient, within_s: float = ANSWER_S) -> FromDaemon:
        async with asyncio.timeout(within_s):
            self._talk.send(message)
            return await self._talk.hear()


@asynccontextmanager
async def asking(gpud: Gpud) -> AsyncIterator[Asking]:
    """Ask it, as soon as it can be asked."""
    async with asyncio.timeout(START_S):
        while True:
            try:
                talk = await Talk.begin(connect_to(gpud.at))
                break
            except Unreachable:
                await asyncio.sleep(0.05)
    try:
        yield Asking(talk)
    finally:
        talk.close()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # reaped since it was listed
        return False


def healths(gpus: tuple[GpuReading, ...]) -> list[str]:
    return [reading.health for reading in gpus]


def all_ok(gpus: tuple[GpuReading, ...]) -> bool:
    return len(gpus) == 4 and set(healths(gpus)) == {"ok"}
