"""The last part of the course: a tag, a tank without flow, miners that lie behind a contactor."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hil.demo import figures
from hil.demo.record import Course
from hil.demo.site import SiteFolder, ballast, miners
from hil.demo.watch import Watch
from hil.remote import RigProcess

_SHED_S = 10.0
_RETURN_S = 40.0
_ESCALATE_S = 30.0

Until = Callable[[float, Callable[[], bool]], Awaitable[bool]]


class Equipment:
    """Does it; each step waits for what must come of it, and goes on without it when it does not come."""

    def __init__(
        self,
        rig: RigProcess,
        watch: Watch,
        site: SiteFolder,
        course: Course,
        to: Callable[[str], None],
        until: Until,
    ) -> None:
        self._rig = rig
        self._watch = watch
        self._site = site
        self._course = course
        self._to = to
        self._until = until
        first = rig.miners[0].partition(":")[0]
        self._cooled = miners(first, 0, figures.TANK_MINERS)
        self._fed = miners(first, figures.TANK_MINERS, figures.FED_MINERS)

    async def run(self) -> None:
        """The whole part."""
        self._course.equipment_ns = time.monotonic_ns()
        await self._lose_flow()
        await self._untag()
        await self._lie()

    async def _lose_flow(self) -> None:
        course = self._course
        course.tagged = self._cooled[-1]
        self._to(f"simulated plant: somebody on site tags miner {course.tagged}")
        await self._person("tag", "a fan is loud")
        self._to("simulated plant: the tank's condenser loses its flow")
        course.flow_lost_ns = time.monotonic_ns()
        self._rig.do("condenser_flow", plc=figures.TANK, lpm=0)
        await self._until(_SHED_S, lambda: self._on(self._cooled) == 0)
        await asyncio.sleep(figures.NO_FLOW_S)
        self._to("simulated plant: the flow is back; the tank returns by itself, the tagged miner does not")
        course.flow_back_ns = time.monotonic_ns()
        self._rig.do("condenser_flow", plc=figures.TANK, lpm=None)
        if await self._until(
            _RETURN_S, lambda: self._on(self._cooled) == figures.TANK_MINERS - 1 and self._gpus_full()
        ):
            course.tank_returned_ns = time.monotonic_ns()
        await asyncio.sleep(2 * figures.MIN_ON_S / 5)  # what is held stays down: to be seen, not only said

    async def _untag(self) -> None:
        course = self._course
        self._to("simulated plant: the tag is taken off")
        course.untagged_ns = time.monotonic_ns()
        await self._person("untag", "the fan was changed")
        if await self._until(_RETURN_S, lambda: self._on(self._cooled) == figures.TANK_MINERS and self._normal()):
            course.untag_returned_ns = time.monotonic_ns()

    async def _lie(self) -> None:
        course = self._course
        self._to(
            f"simulated grid at {figures.LIE_HZ:g} Hz, and {figures.FED_MINERS} miners say that they stop and do not"
        )
        self._rig.do("lie", lie="liar", miners=self._fed)
        course.lied_ns = time.monotonic_ns()
        self._rig.do("frequency", hz=figures.LIE_HZ)
        await self._until(_ESCALATE_S, lambda: not self._closed())
        await asyncio.sleep(1.0)
        self._to("simulated grid: well again; the contactor closes when its permits allow, the loads return by ramp")
        course.lie_over_ns = time.monotonic_ns()
        self._rig.do("lie", lie="none", miners=self._fed)
        self._rig.do("frequency", hz=figures.NOMINAL_HZ)
        if await self._until(_RETURN_S, self._closed):
            course.closed_ns = time.monotonic_ns()
        if await self._until(_RETURN_S, lambda: self._all_on() == figures.MINERS and self._normal()):
            course.all_back_ns = time.monotonic_ns()

    async def _person(self, verb: str, why: str) -> None:
        words = [
            ballast(),
            verb,
            f"a/{self._course.tagged}",
            "--by",
            "Ada",
            "--why",
            why,
            "--site",
            str(self._site.file),
        ]
        telling = await asyncio.create_subprocess_exec(*words, stdout=subprocess.DEVNULL)
        await telling.wait()

    def _on(self, addresses: tuple[str, ...]) -> int:
        state: dict[str, Any] = self._rig.do("state")["miners"]
        return sum(state[address]["on"] for address in addresses)

    def _all_on(self) -> int:
        newest = self._watch.newest()
        return newest.on if newest is not None else 0

    def _gpus_full(self) -> bool:
        return all(gpu["limit_w"] > figures.GPU_FALLBACK_W for gpu in self._rig.do("gpu", deed="gpus"))

    def _closed(self) -> bool:
        closed: bool = self._rig.do("plcs")["switchgears"][figures.SWITCHGEAR]["contactors"][figures.CONTACTOR]
        return closed

    def _normal(self) -> bool:
        return self._watch.mode == "NORMAL"
