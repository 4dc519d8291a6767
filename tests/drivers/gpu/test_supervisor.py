"""The supervisor on virtual time: leases, hung and lost GPUs, a worker that is not there. It answers throughout."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from drivers.gpu.messages import FREE, SET_S_MAX, Clocks, GpuReading, Health, Lease, Set, SetDone
from tests.drivers.gpu.virtual import Gpud, Machine
from tests.shell.virtual import run
from tests.sim.clock import VirtualClock

LOCKED = Clocks(210, 210)


def gpu(gpud: Gpud, uuid: str) -> GpuReading:
    return next(reading for reading in gpud.supervisor.readings(1).gpus if reading.uuid == uuid)


def limit_w(machine: Machine, uuid: str) -> float | None:
    return machine.gpus[uuid].limit_w


async def put(gpud: Gpud, asked: Set) -> SetDone:
    done: asyncio.Future[SetDone] = asyncio.get_running_loop().create_future()
    gpud.supervisor.set(asked, done.set_result)
    return await done


def renew(gpud: Gpud, **fallbacks: float) -> None:
    gpud.supervisor.renew([Lease(uuid, fallback_w) for uuid, fallback_w in fallbacks.items()])


def test_a_lapsed_lease_lowers_to_the_lower_of_present_and_fallback_and_tells_from_where() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a", "b", "c")
        machine.gpus["b"] = replace(machine.gpus["b"], limit_w=400.0)
        gpud = Gpud(clock, machine)
        await asyncio.sleep(1)
        renew(gpud, a=500.0, b=500.0)

        await asyncio.sleep(14.9)
        assert [limit_w(machine, uuid) for uuid in "abc"] == [700.0, 400.0, 700.0]
        await asyncio.sleep(0.7)
        assert [limit_w(machine, uuid) for uuid in "abc"] == [500.0, 400.0, 700.0]
        assert [gpu(gpud, uuid).lapsed_from_w for uuid in "abc"] == [700.0, None, None]
        assert [gpu(gpud, uuid).lease_ns for uuid in "abc"] == [0, 0, None]

    run(story)


def test_an_agent_that_is_back_within_the_lease_leaves_no_dip() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a")
        gpud = Gpud(clock, machine)
        for _ in range(10):
            renew(gpud, a=500.0)
            await asyncio.sleep(14.5)

        assert machine.applied == []

    run(story)


def test_nothing_rises_when_the_lease_is_taken_up_again_and_a_set_ends_the_lapse() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a")
        gpud = Gpud(clock, machine)
        renew(gpud, a=500.0)
        await asyncio.sleep(20)
        renew(gpud, a=500.0)
        await asyncio.sleep(5)
        assert limit_w(machine, "a") == 500.0

        done = await put(gpud, Set(1, "a", 700.0, FREE))

        assert (done.outcome, done.limit_w) == ("ok", 700.0)
        assert gpu(gpud, "a").lapsed_from_w is None

    run(story)


def test_leases_are_kept_and_run_again_after_a_restart() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a")
        before = Gpud(clock, machine)
        renew(before, a=500.0)
        before.running.cancel()

        after = Gpud(clock, machine, before.kept)
        await asyncio.sleep(14)
        assert limit_w(machine, "a") == 700.0
        await asyncio.sleep(2)

        assert limit_w(machine, "a") == 500.0
        assert gpu(after, "a").lapsed_from_w == 700.0

    run(story)


def test_without_a_lease_what_lowers_is_done_and_what_raises_is_not() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a")
        gpud = Gpud(clock, machine)
        await asyncio.sleep(1)

        assert (await put(gpud, Set(1, "a", 350.0, FREE))).outcome == "ok"
        assert (await put(gpud, Set(2, "a", 200.0, LOCKED))).outcome == "ok"
        assert (await put(gpud, Set(3, "a", 200.0, FREE))).outcome == "no_lease"
        assert (await put(gpud, Set(4, "a", 350.0, LOCKED))).outcome == "no_lease"
        assert gpu(gpud, "a").clocks == LOCKED
        renew(gpud, a=500.0)
        assert (await put(gpud, Set(5, "a", 700.0, FREE))).outcome == "ok"
        assert gpu(gpud, "a").clocks == FREE

    run(story)


def test_a_hung_gpu_is_left_out_and_the_others_are_read_and_set() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a", "b", "c")
        gpud = Gpud(clock, machine)
        renew(gpud, a=500.0, b=500.0, c=500.0)
        await asyncio.sleep(1)
        machine.hung.add("b")
        for _ in range(60):
            await asyncio.sleep(1)
            renew(gpud, a=500.0, b=500.0, c=500.0)
            readings = gpud.supervisor.readings(1)
            assert readings.gpus[0].health == readings.gpus[2].health == "ok"
            assert readings.gpus[0].age_ns is not None
            assert readings.gpus[0].age_ns < 2.1e9

        assert gpu(gpud, "b").health == "hung"
        assert gpu(gpud, "b").power_w is None
        assert (await put(gpud, Set(1, "b", 350.0))).outcome == "hung"
        assert (await put(gpud, Set(2, "c", 350.0))).outcome == "ok"
        assert machine.started == 3  # the first, after the hang, after the try 5 s later; the next is after 60 s
        machine.hung.clear()
        await asyncio.sleep(62)
        assert gpu(gpud, "b").health == "ok"

    run(story)


def test_a_lease_that_lapses_while_the_gpu_hangs_lowers_it_when_it_is_back() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a")
        gpud = Gpud(clock, machine)
        renew(gpud, a=500.0)
        await asyncio.sleep(10)
        machine.hung.add("a")
        await asyncio.sleep(30)
        machine.hung.clear()
        assert limit_w(machine, "a") == 700.0

        await asyncio.sleep(60)

        assert limit_w(machine, "a") == 500.0

    run(story)


def test_a_set_without_a_worker_is_answered_in_time_and_never_done_later() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a", "b")
        gpud = Gpud(clock, machine)
        renew(gpud, a=500.0, b=500.0)
        await asyncio.sleep(1)
        machine.dead = True
        await asyncio.sleep(2)  # nobody is there to take it
        begun_ns = clock.monotonic_ns()

        done = await put(gpud, Set(1, "b", 350.0))

        assert (done.outcome, done.tried) in (("crashed", False), ("starting", False))
        assert SET_S_MAX * 1e9 <= clock.monotonic_ns() - begun_ns <= SET_S_MAX * 1e9 + 1e6
        machine.dead = False
        await asyncio.sleep(8)
        assert gpu(gpud, "b").health == "ok"
        assert machine.applied == []

    run(story)


def test_a_lost_gpu_is_lost_alone_and_looked_for_anew() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a", "b")
        gpud = Gpud(clock, machine)
        await asyncio.sleep(1)
        good = machine.gpus["b"]
        machine.gpus["b"] = GpuReading("b", "lost", None, "GPU is lost")
        await asyncio.sleep(5)
        assert [reading.health for reading in gpud.supervisor.readings(1).gpus] == ["ok", "lost"]
        assert gpu(gpud, "b").power_w is None
        assert (await put(gpud, Set(1, "b", 350.0))).outcome == "lost"

        machine.gpus["b"] = good
        await asyncio.sleep(61)

        assert gpu(gpud, "b").health == "ok"

    run(story)


@pytest.mark.parametrize("why", ["no_library", "no_driver", "reloading"])
def test_what_is_wrong_with_the_driver_is_said_at_once_by_every_gpu(why: Health) -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a")
        gpud = Gpud(clock, machine)
        await asyncio.sleep(1)
        machine.refusal = why
        machine.dead = True
        await asyncio.sleep(1)
        machine.dead = False
        await asyncio.sleep(1)

        readings = gpud.supervisor.readings(1)
        assert (readings.health, readings.gpus[0].health) == (why, why)
        assert (await put(gpud, Set(1, "a", 350.0))).outcome == why
        machine.refusal = "ok"
        await asyncio.sleep(61)
        assert gpu(gpud, "a").health == "ok"

    run(story)


def test_a_lapse_that_is_not_permitted_is_not_tried_all_the_time() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a")
        machine.denied = True
        gpud = Gpud(clock, machine)
        renew(gpud, a=500.0)
        await asyncio.sleep(30)
        assert (await put(gpud, Set(1, "a", 350.0))).outcome == "no_permission"
        assert gpu(gpud, "a").health == "ok"
        machine.denied = False

        await asyncio.sleep(60)

        assert limit_w(machine, "a") == 500.0

    run(story)


def test_an_unknown_gpu_is_refused_by_name() -> None:
    async def story(clock: VirtualClock) -> None:
        gpud = Gpud(clock, Machine("a"))
        await asyncio.sleep(1)

        assert (await put(gpud, Set(1, "z", 350.0))).outcome == "unknown_gpu"

    run(story)


def test_a_reading_grows_old_and_is_then_not_passed_on_as_good() -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a")
        gpud = Gpud(clock, machine)
        await asyncio.sleep(1)
        machine.dead = True

        await asyncio.sleep(2)
        assert gpu(gpud, "a").health == "ok"
        assert gpu(gpud, "a").age_ns or 0 > 1.4e9
        await asyncio.sleep(2)
        assert gpu(gpud, "a").health in ("crashed", "starting")

    run(story)


DEEDS = st.one_of(
    st.tuples(st.just("wait"), st.floats(0.01, 20.0)),
    st.tuples(st.just("renew"), st.sampled_from([300.0, 500.0, 900.0])),
    st.tuples(st.just("set"), st.sampled_from([200.0, 350.0, 500.0, 700.0])),
    st.tuples(st.just("hang"), st.booleans()),
    st.tuples(st.just("die"), st.booleans()),
    st.tuples(st.just("deny"), st.booleans()),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(DEEDS, max_size=25))
def test_whatever_happens_nothing_rises_without_a_live_lease_and_a_lapse_is_made_good(
    deeds: list[tuple[str, float | bool]],
) -> None:
    async def story(clock: VirtualClock) -> None:
        machine = Machine("a")
        gpud = Gpud(clock, machine)
        await asyncio.sleep(1)
        renewed_ns = -(10**18)
        before_w = 700.0
        for deed, value in deeds:
            if deed == "wait":
                await asyncio.sleep(float(value))
            elif deed == "renew":
                renew(gpud, a=float(value))
                renewed_ns = clock.monotonic_ns()
            elif deed == "set":
                begun_ns = clock.monotonic_ns()
                await put(gpud, Set(1, "a", float(value), FREE))
                assert clock.monotonic_ns() - begun_ns <= (SET_S_MAX + 0.01) * 1e9
            elif deed == "hang":
                machine.hung = {"a"} if value else set()
            elif deed == "die":
                machine.dead = bool(value)
            else:
                machine.denied = bool(value)
            after_w = machine.gpus["a"].limit_w or 0.0
            assert after_w <= before_w or (deed == "set" and begun_ns - renewed_ns < 15e9)
            before_w = after_w
        machine.hung, machine.dead, machine.denied = set(), False, False
        await asyncio.sleep(200)
        limit = limit_w(machine, "a") or 0.0
        assert "a" not in gpud.kept or limit <= max(200.0, gpud.kept["a"])
        assert gpu(gpud, "a").health == "ok"

    run(story)
