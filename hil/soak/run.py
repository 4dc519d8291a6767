"""One soak: the example site on stand-ins for hours of real time, with mischief drawn from a seed.

Everything that the outside sees is written down as it happens (trace.jsonl); judges look at it afterwards.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from msgspec import Struct

from hil.mosquitto import Mosquitto
from hil.remote import RigError
from hil.soak.mischief import look_after, mend
from hil.soak.samples import sample
from hil.soak.schedule import AT_ONCE_MAX, Planned, draw_schedule, heal_s
from hil.soak.site import SWITCHGEAR, SoakError, SoakSite
from hil.soak.trace import Fault, Keeper, S, Trace
from hil.soak.watch import Ears, Recorder
from hil.soak.world import World

_DRAIN_S = 0.5
_SAMPLE_S = 5.0
_WATCH_S = 1.0
_STARTED_S = 180.0
_LOOKED_AFTER_S = 8.0
_COMES_BY_S = 20.0
_QUEUED_S = 10.0  # what the broker still has for the subscriber

Tell = Callable[[str], None]


class Asked(Struct, frozen=True):
    """What was asked for."""

    out: Path
    hours: float
    seed: int = 1
    fault_rate: float = 1.0
    brisk: bool = False
    miners: int = 350


async def run_soak(asked: Asked, tell: Tell) -> Trace:
    """The whole run; its trace."""
    asked.out.mkdir(parents=True, exist_ok=True)
    with Mosquitto(asked.out / "broker") as broker:
        site = SoakSite(asked.out, brisk=asked.brisk, miners=asked.miners, broker_port=broker.port, seed=asked.seed)
        with site.rig:
            site.write()
            site.rig.do("input", plc=SWITCHGEAR, name="q52g_open", on=False)  # tied to the grid
            tell(f"the shipped example, {len(site.miners)} miners")
            trace = Trace(site.rules, site.rated_w, site.east, seed=asked.seed)
            keeper = Keeper(trace, asked.out / "trace.jsonl")
            ears = Ears(broker.port, site.agent_key, keeper)
            recorder = Recorder(site.rig, keeper)
            world = World(site, broker, ears, recorder, keeper)
            try:
                await _Run(asked, world, tell).all()
            finally:
                for program in ("agent", "gpud"):
                    world.kill(program)
                keeper.close()
            return trace


class _Run:
    """The tasks of one run."""

    def __init__(self, asked: Asked, world: World, tell: Tell) -> None:
        self._asked = asked
        self._world = world
        self._tell = tell
        self._held: set[str] = set()
        self._running: dict[str, int] = {}
        self._kept_back = 0
        self._from_ns = 0

    async def all(self) -> None:
        world, keeper = self._world, self._world.keeper
        async with asyncio.TaskGroup() as tasks:
            watching = [
                tasks.create_task(world.ears.listen(), name="ears"),
                tasks.create_task(self._every(_DRAIN_S, world.recorder.drain), name="drain"),
            ]
            await self._start()
            self._from_ns = time.monotonic_ns()
            keeper.put("from_ns", self._from_ns)
            watching += [
                tasks.create_task(self._every(_SAMPLE_S, self._sample), name="samples"),
                tasks.create_task(self._every(60.0, self._progress), name="progress"),
                tasks.create_task(self._every(_WATCH_S, self._supervise), name="supervise"),
            ]
            await self._mischief()
            world.stop()
            await asyncio.sleep(_QUEUED_S)
            world.recorder.drain()
            for task in watching:
                task.cancel()
        self._finish()

    async def _start(self) -> None:
        world = self._world
        world.start("gpud")
        world.start("agent")
        end_s = time.monotonic() + _STARTED_S
        while world.ears.mode not in ("NORMAL", "HOLDING"):
            if time.monotonic() > end_s:
                raise SoakError(f"the agent is not NORMAL within {_STARTED_S:g} s; see {self._asked.out / 'agent.log'}")
            await asyncio.sleep(0.1)

    async def _mischief(self) -> None:
        """All that was drawn, then calm until the end."""
        for_s = self._asked.hours * 3600
        site = self._world.site
        heals_s = heal_s(site.rules, sum(site.rated_w.values()))
        async with asyncio.TaskGroup() as tasks:
            people = tasks.create_task(self._people(), name="people")
            for planned in draw_schedule(self._asked.seed, for_s, self._asked.fault_rate, heals_s):
                await self._until(planned.at_s)
                if len(self._running) >= AT_ONCE_MAX or self._held & planned.kind.uses:
                    self._kept_back += 1
                    continue
                self._held |= planned.kind.uses
                tasks.create_task(self._one(planned), name=planned.kind.name)
            people.cancel()
        await mend(self._world)
        await asyncio.sleep(_LOOKED_AFTER_S)  # an agent that had just started did not know yet what it would find off
        await look_after(self._world)
        await self._until(for_s)

    async def _one(self, planned: Planned) -> None:
        kind, from_ns = planned.kind, time.monotonic_ns()
        self._running[kind.name] = from_ns
        try:
            what, targets = await kind.do(self._world, Random(planned.seed), planned.lasts_s)
        except (RigError, OSError) as error:
            what, targets = f"failed: {error}", ()
            self._tell(f"{kind.name} {what}")
        fault = Fault(kind.name, from_ns, time.monotonic_ns(), what, tuple(targets))
        self._world.keeper.add("faults", fault)
        del self._running[kind.name]
        self._held -= kind.uses

    async def _people(self) -> None:
        """Somebody on site comes by now and then, and does what only people can do."""
        while True:
            await asyncio.sleep(_COMES_BY_S)
            await look_after(self._world)

    def _sample(self) -> None:
        world = self._world
        for name, running in world.programs.items():
            found = sample(name, running.pid, world.site.state)
            if found is not None:
                world.keeper.add("samples", found)

    def _supervise(self) -> None:
        for name in self._world.ended():
            self._tell(f"{name} ended by itself; see {self._asked.out / name}.log")
            now_ns = time.monotonic_ns()
            self._world.keeper.add("faults", Fault(f"{name} ended by itself", now_ns, now_ns))

    def _progress(self) -> None:
        trace, newest = self._world.keeper.trace, self._world.recorder.newest
        passed_min = (time.monotonic_ns() - self._from_ns) / S / 60
        agent = [one for one in trace.samples if one.program == "agent"][-1:]
        if newest is None or not agent:
            return
        self._tell(
            f"{passed_min:5.1f} min  {newest.watts / 1e3:6.0f} kW  {newest.on:3d} on  {self._world.ears.mode:9}  "
            f"{len(trace.faults):3d} faults ({self._kept_back} kept back)  now: {', '.join(self._running) or '-'}  "
            f"rss {agent[0].rss_bytes / 2**20:.1f} MiB  {agent[0].descriptors} fds  "
            f"{len(trace.records)} records  {len(self._world.ears.evidence.refused)} refused"
        )

    def _finish(self) -> None:
        keeper, ears = self._world.keeper, self._world.ears
        keeper.put("to_ns", time.monotonic_ns())
        keeper.put("telemetry", ears.telemetry)
        keeper.put("repeated", ears.evidence.repeated)
        keeper.put("refused", ears.evidence.refused)
        keeper.put("missing", ears.evidence.missing())

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - (time.monotonic_ns() - self._from_ns) / S))

    async def _every(self, seconds: float, do: Callable[[], None]) -> None:
        while True:
            do()
            await asyncio.sleep(seconds)
