"""The course of the demo: what is done to the agent, and when. What came of it is judged afterwards (findings.py).

1  the agent starts and goes to NORMAL
2  the recorded collapse of 2025-04-28 is played in real time; the rule sheds when the meter's register falls through
   the threshold
3  a drawn recovery: from here on the grid is simulated; the rule releases and the loads return by ramp
4  a signed cap by `ballast send limit`, with a lease
5  the lease lapses and the loads return by ramp
6  somebody on site tags a miner; a tank loses its condenser's flow for some seconds; all that it cools goes and comes
   back, but for the tagged one, until the tag is taken off
7  miners lie: told to stop they say that they have, and draw on; their contactor is opened, and closed again afterwards
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from hil.demo import figures
from hil.demo.equipment import Equipment
from hil.demo.record import Course
from hil.demo.site import SiteFolder, ballast
from hil.demo.watch import Watch
from hil.remote import RigProcess

_NORMAL_S = 30.0
_SEND_S = 20.0
_RETURN_S = 40.0


class Director:
    """Runs the course; `phase` says in words where it is."""

    def __init__(
        self, rig: RigProcess, watch: Watch, site: SiteFolder, broker_port: int, log: Path, say: Callable[[str], None]
    ) -> None:
        self.course = Course(time.monotonic_ns())
        self.phase = "starting"
        self._rig = rig
        self._watch = watch
        self._site = site
        self._broker_port = broker_port
        self._log = log
        self._say = say

    async def run(self) -> None:
        """The whole course; it ends early when the agent does not get to NORMAL."""
        with self._log.open("wb") as log:
            agent = await asyncio.create_subprocess_exec(
                ballast(),
                "run",
                str(self._site.file),
                "--uncommissioned",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                if await self._start_up(agent):
                    await self._collapse_and_return()
                    await self._cap_and_lapse()
                    await Equipment(self._rig, self._watch, self._site, self.course, self._to, self._until).run()
            finally:
                self.course.ended_ns = time.monotonic_ns()
                await self._stop(agent)

    async def _start_up(self, agent: asyncio.subprocess.Process) -> bool:
        self._to("the agent starts and adopts what it finds")
        if await self._until(_NORMAL_S, lambda: self._watch.mode == "NORMAL" or agent.returncode is not None):
            if agent.returncode is not None:
                self._say(f"the agent ended with exit code {agent.returncode}")
                return False
            self.course.normal_ns = time.monotonic_ns()
            return True
        return False

    async def _collapse_and_return(self) -> None:
        course = self.course
        before_w = self._watts()
        played = self._rig.do("play", first=figures.FIRST, last=figures.LAST, then=figures.RECOVERY)
        course.played_ns, course.recorded_s = played["start_ns"], played["recorded_s"]
        self._to(f"recorded: Toledo, 2025-04-28 {figures.FIRST} to {figures.LAST} CEST, in real time")
        await asyncio.sleep(course.recorded_s)
        self._to("SIMULATED: a drawn recovery of the grid; release, then return by ramp")
        await asyncio.sleep(figures.RECOVERY[-1][0])
        if await self._until(_RETURN_S, lambda: self._back_at(before_w) and self._watch.mode == "NORMAL"):
            course.returned_ns = time.monotonic_ns()

    async def _cap_and_lapse(self) -> None:
        course = self.course
        self._to(
            f"simulated grid at {figures.NOMINAL_HZ:g} Hz: a signed limit of {figures.CAP_KW:g} kW "
            f"for {figures.LEASE_S} s"
        )
        course.capped_from_w = self._watts()
        course.sent_ns = time.monotonic_ns()
        await self._send()
        if course.send_exit != 0:
            self._say(f"`ballast send` ended with {course.send_exit}: {course.send_words}")
            return
        self._to("simulated grid: the lease runs out; return by ramp")
        lapse_ns = course.sent_ns + figures.LEASE_S * 1_000_000_000
        await asyncio.sleep(max(0.0, (lapse_ns - time.monotonic_ns()) / 1e9))
        before_w = course.capped_from_w
        if await self._until(
            _RETURN_S, lambda: self._ended() and self._back_at(before_w) and self._watch.mode == "NORMAL"
        ):
            course.lapsed_return_ns = time.monotonic_ns()

    async def _send(self) -> None:
        sending = await asyncio.create_subprocess_exec(
            ballast(), "send", "limit", "--kw", f"{figures.CAP_KW:g}", "--lease", f"{figures.LEASE_S}s",
            "--site", figures.SITE, "--agent", figures.AGENT, "--key", str(self._site.issuer_pem),
            "--issuer", figures.ISSUER, "--url", f"mqtt://127.0.0.1:{self._broker_port}", "--root", figures.ROOT,
            "--agent-key", str(self._site.agent_pub), "--verify", f"{figures.VERIFY_S}s", "--why", "demo",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_SEND_S):
                words, _ = await sending.communicate()
            self.course.send_words = words.decode("utf-8", "replace").strip()
        except TimeoutError:
            sending.kill()
            self.course.send_words = f"no end within {_SEND_S:g} s"
        self.course.send_exit = await sending.wait()

    async def _stop(self, agent: asyncio.subprocess.Process) -> None:
        self._to("the agent is stopped")
        if agent.returncode is None:
            agent.terminate()
        try:
            async with asyncio.timeout(10):
                self.course.stop_exit = await agent.wait()
        except TimeoutError:
            agent.kill()
            await agent.wait()

    def _watts(self) -> float:
        """The mean of the last second."""
        newest = [sample.watts for sample in self._watch.samples[-5:]]
        return sum(newest) / len(newest)

    def _back_at(self, before_w: float) -> bool:
        return self._watts() >= before_w * 0.99

    def _ended(self) -> bool:
        return bool(self._watch.evidence.of(f"ack/{figures.ISSUER}", st="ended"))

    def _to(self, phase: str) -> None:
        self.phase = phase
        self._say(phase)

    async def _until(self, seconds: float, condition: Callable[[], bool]) -> bool:
        end_ns = time.monotonic_ns() + round(seconds * 1e9)
        while time.monotonic_ns() < end_ns:
            if condition():
                return True
            await asyncio.sleep(0.05)
        return False
