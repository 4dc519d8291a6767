"""Leases in real time, judged by every limit that the fake driver was ever given."""

import asyncio
from collections.abc import Callable

import pytest

from hil.gpu.fake import FakeDriver
from tests.e2e.gpu.asking import Gpud, all_ok, asking

Start = Callable[..., Gpud]
S = 1_000_000_000


@pytest.mark.apart(30)
def test_back_within_the_lease_leaves_no_dip_and_a_lapse_lowers_to_fallback(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        driver.gpu(1).limit_mw = 400_000
        uuids = [driver.uuid(at) for at in range(2)]
        started = start()
        async with asking(started) as agent:
            await agent.until(all_ok)
            await agent.renew(500.0, *uuids)
        async with asking(started) as watcher:  # the agent is gone
            await watcher.until(lambda gpus: (gpus[0].lease_ns or 0) < 3 * S)
            async with asking(started) as agent:  # and back
                await agent.renew(500.0, *uuids)
            readings = await watcher.until(lambda gpus: (gpus[0].lease_ns or 0) < 10 * S)
            assert driver.limits(0) == driver.limits(1) == []

            started.worker().kill()  # leases are not the worker's
            readings = await watcher.until(lambda gpus: gpus[0].lapsed_from_w is not None)

            assert readings.gpus[0].lease_ns == 0
            assert readings.gpus[0].lapsed_from_w == 700.0
            assert [limit_w for _, limit_w in driver.limits(0)] == [500.0]
            assert driver.limits(1) == []  # it was lower already
            assert driver.limits(2) == []  # it never had a lease
            await watcher.until(lambda gpus: (gpus[0].power_w or 999) < 502)
            assert (await watcher.set(uuids[0], 700.0)).outcome == "no_lease"

    asyncio.run(story())


@pytest.mark.apart(15)
def test_a_gpud_that_is_killed_holds_the_leases_it_had(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        before = start()
        async with asking(before) as agent:
            await agent.until(all_ok)
            await agent.renew(450.0, driver.uuid(0))
        before.process.kill()
        before.process.wait()

        async with asking(start()) as watcher:
            readings = await watcher.until(all_ok)
            assert (readings.gpus[0].lease_ns or 0) > 0
            await watcher.until(lambda gpus: gpus[0].lapsed_from_w is not None)

        assert [limit_w for _, limit_w in driver.limits(0)] == [450.0]

    asyncio.run(story())
