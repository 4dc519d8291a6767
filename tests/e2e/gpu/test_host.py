"""The agent's side over a real socket, on the loop that the agent runs on, through a gpud that is killed."""

import asyncio
import itertools
import time
from collections.abc import Callable

import pytest
import uvloop

from agent.core.setpoint import Setpoint
from drivers.errors import Silent, Unreachable
from drivers.gpu.client import GpuHost, GpuLoad
from drivers.gpu.talk import list_gpus
from drivers.gpu.wire import connect_to
from hil.gpu.fake import FakeDriver
from tests.drivers.gpu.virtual import Ears
from tests.e2e.gpu.asking import LOOKS_S, Gpud

Start = Callable[..., Gpud]


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(LOOKS_S):
        while True:
            await asyncio.sleep(0.02)
            if true():
                return


def test_a_cut_reaches_the_board_also_through_a_gpud_that_was_killed(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        gpud = start()
        ears = Ears()
        beats = itertools.count()
        wanted: dict[str, str] = {}
        loads = [GpuLoad(f"r/{at}", driver.uuid(at), 350.0, 500.0) for at in range(4)]
        host = GpuHost(
            connect_to(gpud.at),
            loads,
            ears,
            time.monotonic_ns,
            beats=lambda: next(beats),
            wanted=wanted.get,
            observe=False,
            poll_s=0.2,
        )
        running = asyncio.create_task(host.run())
        await until(lambda: len(ears.read) == 4 and not ears.failed)
        await until(lambda: {state.step for state in ears.read.values()} == {"full"})

        assert host.fire([Setpoint(load.load, "floor", 350.0) for load in loads]) == ()
        await until(lambda: {state.step for state in ears.read.values()} == {"floor"})
        assert [driver.gpu(at).limit_mw for at in range(4)] == [350_000] * 4
        assert [heard for heard in ears.heard if heard[0] != "sent"] == [("ok", load.load, "floor") for load in loads]

        gpud.process.kill()
        gpud.process.wait()
        await until(lambda: len(ears.failed) == 4)
        wanted["r/0"] = "lowest"
        host.fire([Setpoint("r/0", "lowest", 200.0)])
        start()
        await until(lambda: not ears.failed and ears.read["r/0"].step == "lowest")
        assert (driver.gpu(0).limit_mw, driver.gpu(0).lock_high_mhz) == (200_000, 210)

        assert host.fire([Setpoint("r/1", "full", 700.0, lowers=False)]) == ()
        await until(lambda: ears.read["r/1"].step == "full")
        running.cancel()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


def test_gpus_can_be_listed_without_a_host_and_a_gpud_that_is_not_there_is_unreachable(
    driver: FakeDriver, start: Start
) -> None:
    async def story() -> None:
        gpud = start()
        async with asyncio.timeout(LOOKS_S):
            while True:
                try:
                    infos = await list_gpus(connect_to(gpud.at))
                    break
                except (Unreachable, Silent):
                    await asyncio.sleep(0.05)
        assert [info.uuid for info in infos] == [driver.uuid(at) for at in range(4)]
        gpud.process.kill()
        gpud.process.wait()
        with pytest.raises(Unreachable, match="is `ballast gpud` running"):
            await list_gpus(connect_to(gpud.at))

    asyncio.run(story())
