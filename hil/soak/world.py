"""The site's programs, and what is done to them: agent, gpud, broker, stand-ins, and people with the command line."""

import asyncio
import subprocess
import time
from typing import Any

from hil.mosquitto import Mosquitto
from hil.soak.issuer import Commanders, Deserving
from hil.soak.site import SWITCHGEAR, SoakSite
from hil.soak.trace import Fault, Keeper, Life, Sent, Turn
from hil.soak.watch import Ears, Recorder
from hil.under_test import ballast

_PERSON_S = 20.0


class World:
    """Everything that mischief can reach."""

    def __init__(self, site: SoakSite, broker: Mosquitto, ears: Ears, recorder: Recorder, keeper: Keeper) -> None:
        self.site = site
        self.broker = broker
        self.ears = ears
        self.recorder = recorder
        self.keeper = keeper
        self.commanders = Commanders(site.folder)
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self._lives: dict[str, list[Life]] = {"agent": [], "gpud": []}
        self._tags: dict[str, int] = {}

    def do(self, operation: str, **arguments: Any) -> Any:
        """One operation of the rig."""
        return self.site.rig.do(operation, **arguments)

    def watts(self) -> float:
        """What the site drew a moment ago."""
        newest = self.recorder.newest
        return newest.watts if newest is not None else sum(self.site.rated_w.values())

    def turn_input(self, name: str, on: bool) -> None:
        """What is wired to the switchgear's PLC."""
        self.do("input", plc=SWITCHGEAR, name=name, on=on)
        self.keeper.add("inputs", Turn(time.monotonic_ns(), name, on))

    # --- programs -----------------------------------------------------------------------------------------------------

    def start(self, program: str) -> None:
        """`ballast run` or `ballast gpud`, unless it runs."""
        if program in self.programs:
            return
        folder, environment = self.site.folder, self.site.environment
        if program == "agent":
            command = [ballast(), "run", str(self.site.file), "--uncommissioned"]
        else:
            state = str(folder / "gpud")
            command = [ballast(), "gpud", "--socket", str(self.site.gpud_socket), "--state-dir", state]
            environment |= self.site.rig.gpud_environment
        with (folder / f"{program}.log").open("ab") as log:
            self._lives[program].append(Life(time.monotonic_ns()))
            self.programs[program] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self._tell_lives(program)

    def kill(self, program: str) -> None:
        """kill -9, if it runs."""
        running = self.programs.pop(program, None)
        if running is not None:
            running.kill()
            running.wait()
            self._end(program)

    def stop(self) -> int | None:
        """SIGTERM to the agent; its exit code."""
        running = self.programs.pop("agent", None)
        if running is None:
            return None
        running.terminate()
        code = running.wait(20)
        self._end("agent")
        return code

    def ended(self) -> list[str]:
        """The programs that are gone though nobody ended them; they are started again, as systemd would."""
        gone = [name for name, running in self.programs.items() if running.poll() is not None]
        for name in gone:
            del self.programs[name]
            self._end(name)
            self.start(name)
        return gone

    def _end(self, program: str) -> None:
        lives = self._lives[program]
        lives[-1] = Life(lives[-1].from_ns, time.monotonic_ns())
        self._tell_lives(program)

    def _tell_lives(self, program: str) -> None:
        self.keeper.put("lives" if program == "agent" else "gpud_lives", list(self._lives[program]))

    # --- people and commands ------------------------------------------------------------------------------------------

    async def person(self, verb: str, target: str, *more: str) -> bool:
        """`ballast tag|untag|local|ack|release`, as a person does it; whether it was done."""
        at = ["--by", "Ada", "--why", "the soak", "--socket", str(self.site.socket)]
        running = await asyncio.create_subprocess_exec(
            ballast(), verb, target, *at, *more, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(_PERSON_S):
                return await running.wait() == 0
        except TimeoutError:
            running.kill()
            await running.wait()
            return False

    async def tag(self, target: str) -> bool:
        """Holds it."""
        done = await self.person("tag", target)
        if done:
            self._tags[target] = time.monotonic_ns()
        return done

    async def untag(self, target: str) -> None:
        """Lets go of it; tried until it is done, since the agent may be away."""
        if target not in self._tags:
            return
        asked_ns = time.monotonic_ns()
        while not await self.person("untag", target):
            await asyncio.sleep(1.0)
            asked_ns = time.monotonic_ns()
        self.keeper.add("tags", Fault(target, self._tags.pop(target), asked_ns))

    async def untag_all(self) -> None:
        """Nobody holds anything."""
        for target in list(self._tags):
            await self.untag(target)

    async def send(
        self, command: Deserving, *, limit_w: float | None = None, lease_s: float | None = None, releases: str = ""
    ) -> None:
        """Publishes a command, if there is a broker."""
        lease_ns = None if lease_s is None else round(lease_s * 1e9)
        sealed = command.sealed
        sent = Sent(time.monotonic_ns(), sealed.id, sealed.digest, command.deserves, limit_w, lease_ns, releases)
        if await self.ears.say(sealed.topic, sealed.data):
            self.keeper.add("sent", sent)
