"""The link over a transport that does as it is told: turns, deadlines, back-off, what each error becomes."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceError, Garbled, Refused, Silent, Unreachable
from drivers.modbus.link import BACK_OFF_S, Answer, Link, back_off_s, write_wait_s_max
from drivers.modbus.turns import Rank, Turns
from drivers.profile import AnyTable
from tests.drivers.modbus.fakes import LOST, SILENT, FakeTransport, link_to, now_ns, on_virtual_time

MS = 1_000_000


async def read(link: Link, at: int = 0, *, fast: bool = False) -> Answer | DeviceError:
    try:
        return await link.read(1, "holding", at, 2, fast=fast)
    except DeviceError as error:
        return error


def test_an_answer_carries_its_registers_and_when_it_was_asked_and_given() -> None:
    async def story() -> None:
        link = link_to(FakeTransport([(7, 8)], took_s=0.004))
        begun = now_ns()

        answer = await link.read(1, "holding", 0, 2)

        assert answer.registers == (7, 8)
        assert abs(answer.asked_ns - begun - 1 * MS) < 1000  # after 1 ms of connecting
        assert abs(answer.answered_ns - answer.asked_ns - 4 * MS) < 1000

    on_virtual_time(story())


def test_one_request_is_in_flight_however_many_ask() -> None:
    async def story() -> None:
        transport = FakeTransport()
        link = link_to(transport)

        answers = await asyncio.gather(*(read(link, at) for at in range(20)))

        assert all(isinstance(answer, Answer) for answer in answers)
        assert transport.in_flight_max == 1
        assert len(transport.connects_ns) == 1

    on_virtual_time(story())


def test_fast_requests_go_before_slow_ones_and_otherwise_in_order() -> None:
    async def story() -> None:
        transport = FakeTransport()
        link = link_to(transport)
        await read(link, 99)

        async with asyncio.TaskGroup() as tasks:
            for at, fast in ((1, False), (2, False), (3, True), (4, False), (5, True)):
                tasks.create_task(read(link, at, fast=fast))

        assert [at for _, _, at, _ in transport.reads] == [99, 1, 3, 5, 2, 4]

    on_virtual_time(story())


def test_time_outs_do_not_add_up_in_the_queue() -> None:
    async def story() -> None:
        link = link_to(FakeTransport([SILENT] * 5))
        begun = now_ns()

        errors = await asyncio.gather(*(read(link, at) for at in range(5)))

        assert {type(error) for error in errors} == {Silent, Unreachable}
        assert sum(isinstance(error, Silent) for error in errors) == 1  # only what was sent can be silent
        assert abs(now_ns() - begun - 250 * MS) < MS

    on_virtual_time(story())


def test_a_request_cancelled_while_it_waits_or_is_served_leaves_the_turn_to_the_next() -> None:
    async def story() -> None:
        transport = FakeTransport()
        link = link_to(transport)
        await read(link)
        served = asyncio.create_task(link.read(1, "holding", 1, 2))
        waiting = asyncio.create_task(link.read(1, "holding", 2, 2))
        last = asyncio.create_task(link.read(1, "holding", 3, 2))
        await asyncio.sleep(0.001)

        served.cancel()
        waiting.cancel()

        assert isinstance(await last, Answer)
        assert [at for _, _, at, _ in transport.reads] == [0, 1, 3]

    on_virtual_time(story())


def test_a_turn_granted_to_a_request_that_is_cancelled_at_that_instant_is_passed_on() -> None:
    async def story() -> None:
        turns = Turns()
        await turns.take(Rank.SLOW)
        cancelled = asyncio.create_task(turns.take(Rank.SLOW))
        next_one = asyncio.create_task(turns.take(Rank.SLOW))
        await asyncio.sleep(0)

        turns.give()
        cancelled.cancel()

        await next_one  # on this loop, waiting for ever is an error
        assert cancelled.cancelled()

    on_virtual_time(story())


def test_two_silences_in_a_row_close_the_connection_and_the_next_request_opens_another() -> None:
    async def story() -> None:
        transport = FakeTransport([SILENT, SILENT])
        link = link_to(transport)

        first = await read(link)
        assert isinstance(first, Silent)
        assert (link.state.connected, link.state.missed) == (True, 1)

        second = await read(link)
        assert isinstance(second, Silent)
        assert (link.state.connected, link.state.losses) == (False, 1)

        assert isinstance(await read(link), Answer)
        assert (link.state.connected, len(transport.connects_ns)) == (True, 2)

    on_virtual_time(story())


def test_a_silent_unit_between_answering_ones_keeps_the_connection() -> None:
    async def story() -> None:
        transport = FakeTransport([SILENT, (1, 2), SILENT, (1, 2), SILENT])
        link = link_to(transport)

        for _ in range(5):
            await read(link)

        assert transport.closes == 0
        assert link.state.silent == 3

    on_virtual_time(story())


def test_a_lost_connection_is_tried_again_at_once_and_then_less_and_less_often() -> None:
    async def story() -> list[float]:
        transport = FakeTransport([(1, 2), LOST])
        link = link_to(transport)
        await read(link)
        transport.refusing = 7
        assert isinstance(await read(link), Silent)
        for _ in range(10_000):
            await asyncio.sleep(0.001)
            await read(link)
        times = transport.connects_ns[1:]
        return [(later - sooner) / 1e9 for sooner, later in pairwise(times)]

    gaps_s = on_virtual_time(story())

    assert gaps_s == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0], abs=0.005)


def test_requests_during_the_back_off_fail_at_once_with_the_cause() -> None:
    async def story() -> None:
        transport = FakeTransport()
        transport.refusing = 2
        link = link_to(transport)
        await read(link)
        await read(link)
        before = now_ns()

        error = await read(link)

        assert isinstance(error, Unreachable)
        assert "connection refused; next attempt in 0.1 s" in str(error)
        assert now_ns() == before
        assert len(transport.connects_ns) == 2

    on_virtual_time(story())


def test_a_connect_slower_than_a_deadline_serves_the_requests_after_it() -> None:
    async def story() -> None:
        transport = FakeTransport()
        transport.connect_took_s = 0.6
        link = link_to(transport)

        told = [await read(link), await read(link), await read(link)]

        assert [type(answer) for answer in told] == [Unreachable, Unreachable, Answer]
        assert len(transport.connects_ns) == 1

    on_virtual_time(story())


@pytest.mark.parametrize("code", [5, 6])
def test_a_busy_device_is_asked_again_at_most_twice(code: int) -> None:
    async def story() -> None:
        busy = [Refused("a", code, "busy") for _ in range(3)]
        patient = link_to(FakeTransport([*busy[:2], (1, 2)]))
        hopeless = FakeTransport(busy)

        begun = now_ns()
        assert isinstance(await read(patient), Answer)
        assert 100 * MS <= now_ns() - begun <= 210 * MS

        assert isinstance(await read(link_to(hopeless)), Refused)
        assert len(hopeless.reads) == 3

    on_virtual_time(story())


def test_a_busy_device_holds_up_nobody_else() -> None:
    async def story() -> None:
        transport = FakeTransport([Refused("a", 6, "busy"), (1, 2), (3, 4)])
        link = link_to(transport)

        async with asyncio.TaskGroup() as tasks:
            busy = tasks.create_task(link.read(1, "holding", 0, 2))
            other = tasks.create_task(link.read(2, "holding", 0, 2))

        assert other.result().registers == (1, 2)
        assert busy.result().registers == (3, 4)

    on_virtual_time(story())


@pytest.mark.parametrize("code", [1, 2, 3, 4, 10, 11])
def test_a_refusal_is_told_once_and_the_link_stays(code: int) -> None:
    async def story() -> None:
        transport = FakeTransport([SILENT, Refused("a", code, "no"), SILENT])
        link = link_to(transport)
        await read(link)

        error = await read(link)
        await read(link)

        assert isinstance(error, Refused)
        assert error.code == code
        assert transport.closes == 0
        assert link.state.refused == 1

    on_virtual_time(story())


def test_an_answer_of_another_length_is_never_a_value() -> None:
    async def story() -> None:
        link = link_to(FakeTransport([(1,), (1, 2, 3)]))

        assert isinstance(await read(link), Garbled)
        assert isinstance(await read(link), Garbled)
        assert link.state.garbled == 2
        assert not link.state.connected

    on_virtual_time(story())


def test_the_state_tells_what_happened_last_and_how_often() -> None:
    async def story() -> None:
        transport = FakeTransport([(1, 2), LOST])
        link = link_to(transport)
        assert not link.state.connected

        await read(link)
        await read(link)

        state = link.state
        assert (state.answered, state.silent, state.losses) == (1, 1, 1)
        assert state.address == "10.0.0.1:502"
        assert "closed the connection" in state.error
        assert state.error_ns == now_ns()
        assert state.since_ns == now_ns()

    on_virtual_time(story())


def test_closing_ends_an_attempt_to_connect() -> None:
    async def story() -> None:
        transport = FakeTransport()
        transport.connect_took_s = 60.0
        link = link_to(transport)
        error = await read(link)

        await link.close()

        assert isinstance(error, Unreachable)
        assert not transport.connected
        assert asyncio.all_tasks() == {asyncio.current_task()}

    on_virtual_time(story())


@given(st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_a_back_off_stays_within_its_limits(failures: int, jitter: float) -> None:
    pause_s = back_off_s(failures, jitter)

    assert pause_s <= max(BACK_OFF_S) == 2.0
    assert pause_s >= (0.0 if failures == 1 else 0.075)


def test_a_write_waits_for_the_request_in_flight_and_for_no_read_that_waits() -> None:
    async def story() -> None:
        transport = FakeTransport(took_s=0.01)
        link = link_to(transport)
        await read(link, 99)
        begun = now_ns()

        async with asyncio.TaskGroup() as tasks:
            for at in range(10):
                tasks.create_task(read(link, at, fast=True))
            await asyncio.sleep(0)
            answer = await link.write(1, "coil", 3, (1,))

        assert answer.registers == (1,)
        assert abs(answer.asked_ns - begun - 10 * MS) < MS
        assert transport.writes == [(1, "coil", 3, (1,))]
        assert transport.in_flight_max == 1

    on_virtual_time(story())


def test_a_beat_gives_way_to_a_coil() -> None:
    async def story() -> None:
        transport = FakeTransport(took_s=0.01)
        link = link_to(transport)
        await read(link, 99)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read(link, 1))
            await asyncio.sleep(0)
            tasks.create_task(link.write(1, "holding", 0, (7,), rank=Rank.FAST))
            tasks.create_task(link.write(1, "coil", 3, (1,)))

        assert [table for _, table, _, _ in transport.writes] == ["coil", "holding"]

    on_virtual_time(story())


def test_a_unit_that_is_silent_is_left_alone_while_others_are_asked() -> None:
    async def story() -> None:
        transport = FakeTransport([(0, 0), SILENT])
        link = link_to(transport)
        await link.read(1, "holding", 0, 2)
        with pytest.raises(Silent):
            await link.read(2, "holding", 0, 2)

        with pytest.raises(Unreachable, match=r"unit 2 is left alone for 0\.1 s more: unit 2 did not answer"):
            await link.read(2, "holding", 0, 2)
        await link.read(1, "holding", 0, 2)
        assert link.state.silent_units == (2,)
        assert [unit for unit, *_ in transport.reads] == [1, 2, 1]

        await asyncio.sleep(0.11)
        await link.read(2, "holding", 0, 2)
        assert not link.state.silent_units

    on_virtual_time(story())


def test_a_silent_unit_is_left_alone_for_longer_each_time_and_never_takes_two_turns_in_a_row() -> None:
    async def story() -> None:
        transport = FakeTransport()
        link = link_to(transport)

        async def dead(unit: int, table: AnyTable, at: int, count: int) -> tuple[int, ...]:
            transport.reads.append((unit, table, at, count))
            await asyncio.sleep(3600 if unit == 2 else 0.002)
            return (0,) * count

        transport.read = dead  # type: ignore[method-assign]
        begun = now_ns()
        waited: list[float] = []

        async def poll(unit: int) -> None:
            while now_ns() - begun < 30_000 * MS:
                asked = now_ns()
                with suppress(DeviceError):
                    await link.read(unit, "holding", 0, 2, fast=True)
                if unit == 1:
                    waited.append((now_ns() - asked) / MS)
                await asyncio.sleep(0.02)

        await asyncio.gather(poll(1), poll(2))

        units = [unit for unit, *_ in transport.reads]
        assert 6 <= units.count(2) <= 10  # at 0, 0.1, 0.5, 1, 2, 5, 5 ... s after each time-out
        assert all(pair != (2, 2) for pair in pairwise(units))
        assert sum(wait > 100 for wait in waited) <= units.count(2)
        assert max(waited) < 260

    on_virtual_time(story())


@pytest.mark.parametrize("code", [10, 11])
def test_a_unit_that_its_gateway_calls_dead_is_left_alone_and_the_link_stays_up(code: int) -> None:
    async def story() -> None:
        transport = FakeTransport([(0, 0), *[Refused("", code, "dead")] * 3])
        link = link_to(transport)
        await link.read(1, "holding", 0, 2)
        with pytest.raises(Refused):
            await link.read(2, "holding", 0, 2)

        with pytest.raises(Unreachable, match="left alone"):
            await link.read(2, "holding", 0, 2)

        assert link.state.connected
        assert transport.closes == 0

    on_virtual_time(story())


def test_a_write_is_tried_even_to_a_unit_that_is_left_alone() -> None:
    async def story() -> None:
        transport = FakeTransport([(0, 0), SILENT])
        link = link_to(transport)
        await link.read(1, "holding", 0, 2)
        with pytest.raises(Silent):
            await link.read(2, "holding", 0, 2)

        await link.write(2, "coil", 0, (0,))

        assert transport.writes == [(2, "coil", 0, (0,))]

    on_virtual_time(story())


def test_a_line_that_must_be_silent_is_waited_for_and_the_deadline_counts_from_its_end() -> None:
    async def story() -> None:
        transport = FakeTransport(took_s=0.2)
        link = link_to(transport)
        await link.read(1, "holding", 0, 2)
        begun = now_ns()
        asyncio.get_running_loop().call_later(0.7, setattr, transport, "quiet_s", 0.0)
        transport.quiet_s = 0.9  # and then the late answer is heard

        answer = await link.read(1, "holding", 0, 2)

        assert 700 * MS <= answer.asked_ns - begun <= 711 * MS
        assert transport.settled >= 1

    on_virtual_time(story())


def test_the_worst_wait_of_a_write_is_the_longest_request_or_the_silence_after_it() -> None:
    assert write_wait_s_max(0.0, alone=True, late=False) == 0.25
    assert write_wait_s_max(11 / 19200, alone=False, late=True) == 1.0
    assert write_wait_s_max(11 / 1200, alone=False, late=True) == pytest.approx(0.25 + 263 * 11 / 1200)
