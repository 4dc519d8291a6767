"""One world: a site of virtual devices behind a virtual meter, and the production agent that runs it, life after life.

    with World(seed=7) as world:
        world.run(scenario)  # a coroutine function of the world; time passes by `await world.pass_s(30)`
        assert judge_all(world.look()) == []

The agent is started by its own composition root on a site.toml that is written here and loaded by its own loader
(agent.py); it gets the six seams and nothing else. A kill ends every task of a life at one instant: what was not
yet on a wire or on the disk is not done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import copy_context
from random import Random
from types import TracebackType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.sim.agent import LivingAgent, Surroundings, load_site
from tests.sim.clock import READ_NS, VirtualClock
from tests.sim.contactors import VirtualSwitchgear
from tests.sim.course import Draws
from tests.sim.disk import Platter
from tests.sim.gpus import VirtualGpus
from tests.sim.issuer import Issuer
from tests.sim.judges.devices import Said, Welded
from tests.sim.judges.outside import Life, Moved, Outside
from tests.sim.look import look
from tests.sim.loop import LIFE, NS_PER_S, VirtualLoop, life_tasks, mark_tasks
from tests.sim.luxos import VirtualLuxos
from tests.sim.miners import VirtualMiner
from tests.sim.modbus import VirtualMeter
from tests.sim.mqtt import Broker
from tests.sim.plant import Plant
from tests.sim.site import GEAR, TANK, Site
from tests.sim.sitefile import site_toml
from tests.sim.spawn import Threads
from tests.sim.tank import VirtualTank
from tests.sim.transport import Device
from tests.sim.weather import Weather
from tests.sim.wire import Network

AGENT = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ROUNDS_TO_DIE = 1_000


class AgentFailed(Exception):
    """The agent ended by itself, or could not be ended."""


class World:
    """Everything around the agent, and the agent."""

    def __init__(self, seed: int, site: Site | None = None, *, weather: Weather | None = None) -> None:
        self.seed = seed
        self.site = site or Site()
        self.loop = VirtualLoop()
        mark_tasks(self.loop)
        self.random = Random(seed)
        self.clock = VirtualClock(self.loop, READ_NS)
        self.weather = weather or Weather()
        self.network = Network(self.loop, self._chance("network"), self.weather)
        self.miners = [
            (VirtualLuxos if group.family == "luxos" else VirtualMiner)(
                self.network, host, self._chance(host), rated_w=self.site.rated_w
            )
            for group in self.site.groups()
            for host in group.hosts
        ]
        self.by_host = {miner.host: miner for miner in self.miners}
        self.gpus = VirtualGpus(self.network, self.site.gpus) if self.site.gpus else None
        loads: dict[str, Draws] = {**self.by_host, **(self.gpus.gpus if self.gpus is not None else {})}
        self.plant = Plant(
            loads,
            self._chance("plant"),
            unmetered_w=self.site.unmetered_kw * 1e3,
            hz=self.site.nominal_hz,
            ln_v=self.site.nominal_ln_v,
        )
        self.meter = VirtualMeter("main", self.plant, self.network, seed, refresh_ms=self.site.refresh_ms)
        self.tank, self.gear = self._tank(), self._gear()
        self.meter.noise_w = 30.0
        self.broker = Broker(self.network, self._chance("broker"))
        self.platter = Platter(self._chance("disk"))
        self.threads = Threads(self.loop, self._chance("threads"))
        self.issuer = Issuer(self.loop, self.clock, self.broker, self._chance("issuer"), _raw(AGENT))
        self.lives: list[Life] = []
        self._file = load_site(site_toml(self.site))
        self.moved: list[Moved] = []
        self.welds: list[Welded] = []
        self.said: list[Said] = []
        self.ailing: list[tuple[int, frozenset[str]]] = []  # from when on, which GPUs' drivers do not obey
        self.exercised: list[str] = []  # what the scenario did, in words; counted by `python -m tests.sim`
        self._agent: LivingAgent | None = None

    def __enter__(self) -> "World":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # time

    def run(self, scenario: Callable[["World"], Awaitable[None]]) -> None:
        """Play a scenario to its end, then end the agent as a kill would."""
        self.loop.run_until_complete(self._play(scenario))

    async def _play(self, scenario: Callable[["World"], Awaitable[None]]) -> None:
        if self.gpus is not None:
            self.gpus.start()
        await scenario(self)
        if self.is_alive():
            await self._end(clean=False, mark=False)

    async def pass_s(self, wait_s: float) -> None:
        """Let so much time pass; the agent must be well all the while."""
        await asyncio.sleep(wait_s)
        self._check_well()

    async def until(self, holds: Callable[[], bool], within_s: float, what: str) -> None:
        """Let time pass until something holds, looking every 50 ms."""
        ends_ns = self.loop.now_ns + round(within_s * NS_PER_S)
        while not holds():
            assert self.loop.now_ns < ends_ns, f"not within {within_s} s: {what}"
            await self.pass_s(0.05)

    @property
    def now_s(self) -> float:
        return self.loop.now_ns / NS_PER_S

    # the agent's lives

    def is_alive(self) -> bool:
        """Whether an agent runs now."""
        return self._agent is not None

    async def start(self, *, settle_s: float = 0.0) -> None:
        """Start the agent, as systemd would."""
        assert self._agent is None
        number = len(self.lives) + 1
        context = copy_context()
        context.run(LIFE.set, number)
        self._agent = context.run(self._live, number)
        self.lives.append(Life(number, self.loop.now_ns, None))
        self.network.log(f"start {number}")
        if settle_s:
            await self.pass_s(settle_s)

    def _live(self, number: int) -> LivingAgent:
        endpoints: dict[str, Device] = {"meter-net": self.meter}
        if self.tank is not None:
            endpoints["cooling-net"] = self.tank
        if self.gear is not None:
            endpoints["gear-net"] = self.gear
        around = Surroundings(
            network=self.network,
            endpoints=endpoints,
            gpus=self.gpus,
            broker=self.broker,
            platter=self.platter,
            clock=self.clock,
            threads=self.threads,
            key=AGENT,
            keyring=self.issuer.keyring(),
        )
        return LivingAgent(number, self._file, around, self._chance(f"life {number}"))

    async def kill(self, *, power: bool = False) -> None:
        """kill -9; with `power` the machine loses its power too, and what was not synced may be lost."""
        self._check_well()
        await self._end(clean=False)
        if power:
            self.platter.crash()
            self.clock.boot()

    async def stop(self) -> None:
        """SIGTERM: let it end by itself."""
        assert self._agent is not None
        self._agent.stop.set()
        async with asyncio.timeout(60):
            await asyncio.shield(self._agent.task)
        await self._end(clean=True)

    async def _end(self, *, clean: bool, mark: bool = True) -> None:
        assert self._agent is not None
        agent, self._agent = self._agent, None
        number = agent.life.number
        agent.life.alive = False
        agent.dial.die()
        self.broker.orphan(number)
        self.loop.drop_timers(number)
        for _ in range(ROUNDS_TO_DIE):
            tasks = life_tasks(self.loop, number)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
        else:
            raise AgentFailed(f"life {number} cannot be ended: {life_tasks(self.loop, number)}")
        self.loop.drop_timers(number)
        if mark:
            self.network.log(f"end {number}")
            self.lives[-1] = Life(number, self.lives[-1].from_ns, self.loop.now_ns, clean)

    def _check_well(self) -> None:
        if self._agent is not None and self._agent.task.done():
            error = None if self._agent.task.cancelled() else self._agent.task.exception()
            raise AgentFailed(f"seed {self.seed}: the agent ended by itself at {self.now_s:.3f} s") from error

    # what happens to the site

    def ail(self, miner: VirtualMiner, ails: str) -> None:
        """A miner falls ill, or gets well with ""."""
        miner.ails = ails
        self.note(miner, ails or "well")

    def note(self, miner: VirtualMiner, what: str) -> None:
        """The judges must know that this was the world's doing."""
        self.moved.append(Moved(self.loop.now_ns, miner.host, what))

    def weld(self, name: str, *, linked: bool) -> None:
        """A contactor's poles stick."""
        assert self.gear is not None
        self.gear.weld(name, linked=linked)
        self.welds.append(Welded(self.loop.now_ns, name, True))

    def mend_gear(self) -> None:
        """No contactor is welded or stuck any more, and every input is good."""
        assert self.gear is not None
        self.welds += [
            Welded(self.loop.now_ns, one.name, False) for one in self.gear.contactors if one.welded or one.stuck
        ]
        self.gear.mend()
        for name in self.gear.inputs:
            self.gear.inputs[name] = True
        self.gear.remote = True

    def ail_gpus(self, ails: str, uuids: Iterable[str]) -> None:
        """Some GPUs' driver falls ill, or gets well with ""."""
        assert self.gpus is not None
        self.gpus.ails, self.gpus.ailing = ails, set(uuids)
        here = frozenset(self.gpus.gpus if ails == "crashing" else self.gpus.ailing) if ails else frozenset()
        self.ailing.append((self.loop.now_ns, here))

    async def person(self, verb: str, target: str, **more: object) -> str:
        """Somebody on site does this by the local socket; what was done, "" when nothing was."""
        living = self._agent
        if living is None or not hasattr(living, "agent") or not hasattr(living.agent, "people"):
            return ""
        asked_ns = self.loop.now_ns
        context = copy_context()
        context.run(LIFE.set, living.life.number)
        question = {"target": target, "by": "Ada", "why": "a test", **more}
        answering = self.loop.create_task(living.agent.people.answers[verb](question), context=context)
        await asyncio.wait((answering,), timeout=10.0)
        if not answering.done() or answering.cancelled():
            return ""
        answer = answering.result()
        if "done" in answer:
            verb = "leave" if more.get("leave") else verb
            self.said.append(Said(asked_ns, self.loop.now_ns, verb, target, self.names_under(target)))
        return str(answer.get("done") or "")

    def names_under(self, target: str) -> tuple[str, ...]:
        """The loads and contactors that a person means, in the judges' names."""
        if target == TANK:
            return self.site.cooled()
        feeds = self.site.feeds()
        return (target, *feeds[target]) if target in feeds else (target.split("/", 1)[-1],)

    def load_name(self, host: str) -> str:
        """What site.toml calls a miner."""
        group = next(group for group in self.site.groups() if host in group.hosts)
        return f"{group.id}/{host}"

    def dip(self, hz: float) -> None:
        """The frequency is this from now on."""
        self.plant.frequency.follow(self.loop.now_ns, lambda _: hz)

    def recover(self) -> None:
        """The frequency is its nominal again."""
        self.dip(self.site.nominal_hz)

    def look(self) -> Outside:
        """What the judges get."""
        return look(
            rules=self.site.rules(self.meter.noise_w),
            devices=self.site.devices(),
            network=self.network,
            plant=self.plant,
            heard=self.meter.heard,
            lives=self.lives,
            moved=self.moved,
            sent=self.issuer.sent,
            published=self.broker.log,
            agent_key=_raw(AGENT),
            tank=self.tank,
            gear=self.gear,
            gpus=self.gpus,
            welds=self.welds,
            said=self.said,
            ailing=self.ailing,
        )

    def close(self) -> None:
        """Nothing of it remains."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        if not self.loop.is_closed():
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()

    def _tank(self) -> VirtualTank | None:
        if not self.site.tank:
            return None
        cooled = [self.plant.loads[name] for name in self.site.cooled()]
        rated_w = sum(load.watts(self.loop.now_ns) for load in cooled)
        return VirtualTank(TANK, self.network, rated_w, lambda at_ns: sum(load.watts(at_ns) for load in cooled))

    def _gear(self) -> VirtualSwitchgear | None:
        feeds = self.site.feeds()
        if not feeds:
            return None

        def switch(contactor: str, closed: bool, ours: bool) -> None:
            for host in feeds[contactor]:
                if closed:
                    self.by_host[host].get_power(contactor)
                else:
                    self.by_host[host].lose_power(contactor)
                if not ours:
                    self.note(self.by_host[host], "has power again" if closed else "no power")

        return VirtualSwitchgear(GEAR, self.network, self._chance("gear"), tuple(feeds), switch)

    def _chance(self, of_what: str) -> Random:
        return Random(f"{self.seed} {of_what}")


def _raw(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()
