"""gpud over the fake library, through the real nvidia-ml-py: what is read and what is set is what the board has."""

import asyncio
from collections.abc import Callable

import pytest

from drivers.gpu.messages import FREE, Clocks
from hil.gpu.fake import FakeDriver
from tests.e2e.gpu.asking import Gpud, all_ok, asking

Start = Callable[..., Gpud]


def test_what_the_board_has_is_listed_and_read(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        driver.gpu(1).demand_mw = 50_000  # idle
        driver.gpu(2).no_instant = 1
        driver.gpu(3).limit_mw = 300_000
        async with asking(start()) as gpud:
            readings = await gpud.until(lambda gpus: all_ok(gpus) and (gpus[2].power_w or 0) > 640)
            infos = await gpud.list()

        busy, idle, old, capped = readings.gpus
        assert [info.uuid for info in infos] == [driver.uuid(at) for at in range(4)]
        assert (infos[0].limit_w_min, infos[0].limit_w_max) == (200.0, 700.0)
        assert (infos[0].limit_w_default, infos[0].sm_mhz_min, infos[0].sm_mhz_max) == (700.0, 210, 1980)
        assert (infos[0].driver, infos[0].bus) == ("580.00.00", "00000000:01:00.0")
        assert busy.power_w == pytest.approx(650, abs=1)
        assert busy.power_kind == "instant"
        assert (busy.limit_w, busy.limit_w_enforced, busy.sm_mhz, busy.memory_mhz) == (700.0, 700.0, 1980, 2619)
        assert (busy.busy_percent, busy.temperature_c, busy.memory_temperature_c) == (92, 67, 76)
        assert busy.reasons == ()
        assert (idle.power_w, idle.reasons, idle.busy_percent) == (70.0, ("idle",), 0)
        assert old.power_kind == "average"
        assert old.power_w == pytest.approx(650, abs=10)
        assert capped.power_w == pytest.approx(300, abs=1)
        assert capped.reasons == ("power_cap",)

    asyncio.run(story())


def test_the_energy_counter_is_the_integral_of_power_along_a_trace(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        driver.play(0, [(400, 650.0), (200, 100.0), (300, 400.0)])
        async with asking(start()) as gpud:
            first = (await gpud.until(all_ok)).gpus[0]
            assert first.energy_j is not None
            before_j = first.energy_j
            later = await gpud.until(lambda gpus: (gpus[0].energy_j or 0) > before_j + 1500)

        assert later.gpus[0].energy_j == pytest.approx(driver.gpu(0).energy_j, abs=400)
        assert 60 < (later.gpus[0].power_w or 0) < 651

    asyncio.run(story())


def test_a_limit_and_clocks_are_set_read_back_and_followed(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        uuid = driver.uuid(0)
        async with asking(start()) as gpud:
            await gpud.until(all_ok)
            await gpud.renew(500.0, uuid)
            done = await gpud.set(uuid, 350.0, FREE)
            assert (done.outcome, done.limit_w, done.clocks) == ("ok", 350.0, FREE)
            assert driver.gpu(0).limit_mw == 350_000
            assert [driver.gpu(at).persistent for at in range(4)] == [1, 0, 0, 0]
            readings = await gpud.until(lambda gpus: (gpus[0].power_w or 999) < 352)
            assert readings.gpus[0].limit_w == 350.0

            done = await gpud.set(uuid, 200.0, Clocks(210, 210))
            assert (done.outcome, done.clocks) == ("ok", Clocks(210, 210))
            assert driver.gpu(0).lock_high_mhz == 210
            await gpud.until(lambda gpus: (gpus[0].power_w or 999) < 80)

            done = await gpud.set(uuid, 700.0, FREE)
            assert (done.outcome, driver.gpu(0).limit_mw, driver.gpu(0).lock_high_mhz) == ("ok", 700_000, 0)
            await gpud.until(lambda gpus: (gpus[0].power_w or 0) > 649)

        assert [limit_w for _, limit_w in driver.limits(0)] == [350.0, 200.0, 700.0]
        assert driver.limits(1) == []
        assert driver.v2_sets == 0

    asyncio.run(story())


def test_a_limit_outside_of_the_driver_or_the_ceiling_is_refused(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        uuid = driver.uuid(0)
        async with asking(start("--ceiling-w", "600")) as gpud:
            await gpud.until(all_ok)
            await gpud.renew(500.0, uuid)

            for limit_w in (199.0, 601.0, 701.0):
                done = await gpud.set(uuid, limit_w)
                assert (done.outcome, done.tried) == ("out_of_range", False)
            assert (await gpud.list())[0].limit_w_max == 600.0

        assert driver.limits(0) == []

    asyncio.run(story())


def test_without_permission_readings_go_on_and_sets_say_so(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        driver.deny(True)
        async with asking(start()) as gpud:
            await gpud.until(all_ok)
            done = await gpud.set(driver.uuid(0), 350.0)
            assert done.outcome == "no_permission"
            assert all_ok((await gpud.read()).gpus)

    asyncio.run(story())


def test_a_board_without_locked_clocks_says_so_and_still_takes_limits(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        driver.gpu(0).no_locks = 1
        async with asking(start()) as gpud:
            await gpud.until(all_ok)
            await gpud.renew(500.0, driver.uuid(0))
            assert (await gpud.list())[0].sm_mhz_min is None
            assert (await gpud.set(driver.uuid(0), 200.0, Clocks(210, 210))).outcome == "unsupported"
            assert (await gpud.set(driver.uuid(0), 350.0)).outcome == "ok"

    asyncio.run(story())
