"""What a sick driver does, over the fake library: each trouble is its own outcome, for the GPUs that it is about alone.

Every question in here is answered within ANSWER_S or its test fails (asking.py): gpud is never held up.
"""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.errors import Unreachable
from drivers.gpu.leases import Leases
from drivers.gpu.server import Server, listen
from drivers.gpu.supervisor import Supervisor
from drivers.gpu.talk import Talk
from drivers.gpu.wire import connect_to
from hil.gpu.fake import NOT_LOADED, FakeDriver
from tests.drivers.gpu.virtual import Machine
from tests.e2e.gpu.asking import Gpud, all_ok, asking, healths

Start = Callable[..., Gpud]


def test_a_call_that_hangs_takes_out_its_own_gpu_and_no_other(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        started = start()
        async with asking(started) as gpud:
            await gpud.until(all_ok)
            await gpud.renew(500.0, *(driver.uuid(at) for at in range(4)))
            worker = started.worker().pid

            driver.hang("nvmlDeviceGetFieldValues", gpu=2)
            await gpud.until(lambda gpus: healths(gpus) == ["ok", "ok", "hung", "ok"])
            assert started.worker().pid != worker
            assert (await gpud.set(driver.uuid(2), 350.0)).outcome == "hung"
            assert (await gpud.set(driver.uuid(3), 350.0)).outcome == "ok"
            energy_j = (await gpud.read()).gpus[0].energy_j or 0
            await gpud.until(lambda gpus: (gpus[0].energy_j or 0) > energy_j + 650)

            driver.free()
            await gpud.until(all_ok)

    asyncio.run(story())


def test_a_set_that_hangs_is_told_as_unknown_and_the_next_gpu_is_set(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        async with asking(start()) as gpud:
            await gpud.until(all_ok)
            driver.hang("nvmlDeviceSetPowerManagementLimit", gpu=0)

            done = await gpud.set(driver.uuid(0), 350.0)
            assert (done.outcome, done.tried) == ("hung", True)
            done = await gpud.set(driver.uuid(1), 350.0)
            assert (done.outcome, driver.gpu(1).limit_mw) == ("ok", 350_000)

    asyncio.run(story())


def test_a_library_that_hangs_from_its_first_call_on_leaves_gpud_answering(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        driver.hang("nvmlInitWithFlags")
        async with asking(start()) as gpud:
            for _ in range(5):
                readings = await gpud.read()
                assert (readings.health, readings.gpus) == ("starting", ())
            done = await gpud.set(driver.uuid(0), 350.0)
            assert (done.outcome, done.tried) == ("starting", False)
            driver.free()
            await gpud.until(all_ok)
            assert (await gpud.set("GPU-nobody", 350.0)).outcome == "unknown_gpu"

    asyncio.run(story())


def test_a_worker_that_is_killed_is_replaced_and_nobody_else_notices(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        started = start()
        async with asking(started) as gpud:
            await gpud.until(all_ok)
            await gpud.renew(500.0, driver.uuid(0))
            for _ in range(3):
                worker = started.worker()
                worker.kill()
                async with asyncio.timeout(60):
                    while not [new for new in _workers(started) if new != worker.pid]:
                        assert all_ok((await gpud.read()).gpus)  # not for longer than a reading is good
                await gpud.until(lambda gpus: all_ok(gpus) and all((gpu.age_ns or 0) < 0.4e9 for gpu in gpus))
            assert (await gpud.read()).gpus[0].lease_ns is not None
            assert (await gpud.set(driver.uuid(0), 350.0)).outcome == "ok"

    asyncio.run(story())


def test_a_lost_gpu_is_lost_alone_and_its_xid_is_told(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        async with asking(start()) as gpud:
            await gpud.until(all_ok)
            driver.xid(1, 79)
            readings = await gpud.until(lambda gpus: gpus[1].xids)
            assert [xid.code for xid in readings.gpus[1].xids] == [79]

            driver.gpu(1).lost = 1
            readings = await gpud.until(lambda gpus: healths(gpus) == ["ok", "lost", "ok", "ok"])
            assert readings.gpus[1].power_w is None
            assert (await gpud.set(driver.uuid(1), 350.0)).outcome == "lost"
            assert (await gpud.set(driver.uuid(2), 350.0)).outcome == "ok"

    asyncio.run(story())


def test_a_driver_that_is_loaded_anew_is_found_again_with_its_defaults(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        async with asking(start()) as gpud:
            await gpud.until(all_ok)
            await gpud.set(driver.uuid(0), 350.0)

            driver.fail(NOT_LOADED)
            readings = await gpud.until(lambda gpus: set(healths(gpus)) == {"no_driver"})
            assert readings.health == "no_driver"
            driver.reload()
            readings = await gpud.until(all_ok)

            assert readings.gpus[0].limit_w == 700.0
            assert readings.gpus[0].clocks is None
            assert (await gpud.list())[0].driver == "580.00.01"

            driver.reload()  # this time without a word
            await gpud.until(lambda gpus: set(healths(gpus)) == {"reloading"})
            await gpud.until(all_ok)

    asyncio.run(story())


def test_without_a_library_gpud_says_so_and_goes_on_answering(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        started = start()
        async with asking(started) as gpud:
            await gpud.until(all_ok)
            driver.remove_library()
            started.worker().kill()

            readings = await gpud.until(lambda gpus: set(healths(gpus)) == {"no_library"})
            assert readings.health == "no_library"
            assert (await gpud.set(driver.uuid(0), 350.0)).outcome == "no_library"

    asyncio.run(story())


def test_who_is_not_named_is_sent_away(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "nobody.sock"
        supervisor = Supervisor(
            lambda: 0, Leases({}, 0), ceiling_w=None, on_leases=lambda kept: None, start=Machine().start
        )
        serving = asyncio.create_task(Server(supervisor, users=()).serve(listen(path, None)))

        with pytest.raises(Unreachable, match="may not ask"):
            await Talk.begin(connect_to(f"unix:{path}"))

        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        serving.cancel()

    asyncio.run(story())


def test_two_gpuds_do_not_share_one_socket(driver: FakeDriver, start: Start) -> None:
    async def story() -> None:
        async with asking(start()):
            second = start()
            assert await asyncio.to_thread(second.process.wait, 20) == 1
            assert "another gpud answers there" in second.log.read_text()

    asyncio.run(story())


def _workers(started: Gpud) -> list[int]:
    try:
        return [started.worker().pid]
    except ValueError:
        return []
