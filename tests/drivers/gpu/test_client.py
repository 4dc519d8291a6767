"""The agent's side against a gpud on virtual time: reads, the lease, a gpud that is away or does not answer."""

import asyncio

from agent.core.setpoint import Setpoint
from drivers.gpu.client import GpuHost, GpuLoad
from drivers.gpu.messages import GpuReading
from tests.drivers.gpu.virtual import Ears, Gpud, Machine
from tests.shell.virtual import run
from tests.sim.clock import VirtualClock

FLOOR = Setpoint("r/a", "floor", 350.0, "e", lowers=True)
LOWEST = Setpoint("r/a", "lowest", 200.0, "e", lowers=True)
FULL = Setpoint("r/a", "full", 700.0, "e", lowers=False)


class Rig:
    """A host with the GPUs a and b, whose control advances until it is told to stand still."""

    def __init__(self, clock: VirtualClock, *, observe: bool = False) -> None:
        self.machine = Machine("a", "b")
        self.gpud = Gpud(clock, self.machine)
        self.ears = Ears()
        self.clock = clock
        self.still = False
        self._beats = 0
        self.wanted: dict[str, str] = {}
        self.listed: list[tuple[str, ...]] = []
        self.host = GpuHost(
            self.gpud.connect,
            [GpuLoad("r/a", "a", 350.0, 500.0), GpuLoad("r/b", "b", 350.0, 500.0)],
            self.ears,
            clock.monotonic_ns,
            beats=self.beats,
            wanted=self.wanted.get,
            observe=observe,
            on_listed=lambda gpus: self.listed.append(tuple(info.uuid for info in gpus)),
        )
        self.running = asyncio.get_running_loop().create_task(self.host.run(), name="gpus")

    def beats(self) -> int:
        self._beats += not self.still
        return self._beats

    def limits(self) -> list[float | None]:
        return [self.machine.gpus[uuid].limit_w for uuid in "ab"]

    def step(self, load: str) -> str | None:
        return self.ears.read[load].step


def test_every_gpu_is_read_and_told_with_its_step_and_watts() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(3)

        state = rig.ears.read["r/b"]
        assert (state.step, state.watts, state.measured) == ("full", 650.0, True)
        assert state.detail == "limit 700 W"
        assert rig.host.prepared("r/a")
        assert rig.host.readings["a"].power_kind == "instant"

    run(story)


def test_each_step_is_set_and_read_back() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(3)
        for setpoint, limit_w in ((FLOOR, 350.0), (LOWEST, 200.0), (FULL, 700.0)):
            assert rig.host.fire([setpoint]) == ()
            await asyncio.sleep(0.1)
            assert rig.limits() == [limit_w, 700.0]
            assert rig.ears.heard[-1] == ("ok", "r/a", setpoint.step)
            assert rig.step("r/a") == setpoint.step

    run(story)


def test_while_control_advances_no_limit_moves_and_when_it_stands_still_they_fall() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(100)
        assert rig.limits() == [700.0, 700.0]

        rig.still = True
        await asyncio.sleep(14)
        assert rig.limits() == [700.0, 700.0]
        await asyncio.sleep(3)

        assert rig.limits() == [500.0, 500.0]
        assert "lowered from 700 W when its lease lapsed" in rig.ears.read["r/a"].detail

    run(story)


def test_an_agent_that_is_away_for_less_than_the_lease_leaves_no_dip() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(5)
        rig.gpud.cut()
        await asyncio.sleep(8)
        rig.gpud.away = False
        await asyncio.sleep(30)

        assert rig.machine.applied == []

    run(story)


def test_in_observe_nothing_is_set_and_nothing_is_leased() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, observe=True)
        await asyncio.sleep(5)

        (held,) = rig.host.fire([FLOOR])
        await asyncio.sleep(30)

        assert held.why == "observe"
        assert rig.machine.applied == []
        assert rig.host.readings["a"].lease_ns is None
        assert rig.step("r/a") == "full"

    run(story)


def test_before_gpud_was_ever_heard_a_setpoint_is_unprepared() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.gpud.away = True

        (held,) = rig.host.fire([FLOOR])
        await asyncio.sleep(1)

        assert held.why == "unprepared"
        assert rig.ears.failed["r/a"][0] == "unreachable"

    run(story)


def test_with_gpud_gone_a_cut_goes_as_soon_as_it_is_back() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(3)
        rig.gpud.cut()
        await asyncio.sleep(1)
        rig.wanted["r/a"] = "floor"

        rig.host.fire([FLOOR])
        await asyncio.sleep(0)
        await asyncio.sleep(1.1)
        assert ("unreachable", "r/a", "floor") in rig.ears.heard
        rig.gpud.away = False
        await asyncio.sleep(5.1)

        assert rig.limits() == [350.0, 700.0]
        assert rig.ears.heard[-1] == ("ok", "r/a", "floor")

    run(story)


def test_a_gpud_that_was_started_anew_does_not_list_no_gpus_before_its_worker_has_looked() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(3)
        rig.gpud.cut()
        rig.gpud.running.cancel()
        rig.machine.dead = True
        rig.gpud.supervisor = Gpud(clock, rig.machine).supervisor
        rig.gpud.away = False
        await asyncio.sleep(10)
        assert "r/a" in rig.ears.failed

        rig.machine.dead = False
        await asyncio.sleep(60)

        assert rig.ears.failed == {}
        assert set(rig.listed) == {("a", "b")}

    run(story)


def test_a_gpud_that_stops_answering_is_given_up_and_asked_anew() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(3)
        rig.gpud.silent = True
        await asyncio.sleep(5)
        assert rig.ears.failed["r/a"][0] == "silent"

        rig.gpud.silent = False
        await asyncio.sleep(9)

        assert rig.ears.failed == {}

    run(story)


def test_each_trouble_of_one_gpu_is_told_of_that_one_alone() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(3)
        rig.machine.gpus["a"] = GpuReading("a", "lost", None, "GPU is lost")
        await asyncio.sleep(3)

        assert rig.ears.failed == {"r/a": ("unreachable", "lost: GPU is lost")}
        rig.machine.hung.add("b")
        await asyncio.sleep(5)
        assert rig.ears.failed["r/b"][0] == "silent"

    run(story)
