"""The link over pymodbus against a device that misbehaves: the right error, the recovery, never a false value.

Where silence is expected the deadline is short; where an answer is, it is far, so that a busy machine proves nothing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from drivers.errors import DeviceError, Garbled, Refused, Silent, Unreachable
from drivers.modbus.link import Answer, Link
from drivers.modbus.meter import MeterReader
from drivers.modbus.transport import PymodbusTransport
from drivers.profile import load_profile
from tests.e2e.modbus.bad_device import CLOSE, BadDevice, Request, Turn, closing, refusing, silent, well

SHORT_S = 0.1
LONG_S = 60.0

Story = Callable[[BadDevice, Link], Awaitable[None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def tell(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Callable[..., None]:
    """Run a story between a device with these turns and a link to it; afterwards nothing was logged as an error."""

    def run(story: Story, *turns: Turn) -> None:
        async def whole() -> None:
            async with BadDevice(*turns) as device:
                link = Link(PymodbusTransport("127.0.0.1", device.port), time.monotonic_ns, lambda: 0.0)
                try:
                    await story(device, link)
                finally:
                    await link.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(whole())
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    return run


async def good(link: Link, at: int = 100, count: int = 4) -> None:
    answer = await link.read(1, "holding", at, count, within_s=LONG_S)
    assert answer.registers == tuple(range(at, at + count))


async def bad(link: Link, within_s: float = LONG_S, *, at: int = 100, count: int = 4) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        await link.read(1, "holding", at, count, within_s=within_s)
    return caught.value


async def good_again(link: Link) -> Answer:
    """Ask as a polling loop does until there is an answer."""
    async with asyncio.timeout(LONG_S):
        while True:
            try:
                return await link.read(1, "holding", 100, 4, within_s=LONG_S)
            except DeviceError:
                await asyncio.sleep(0.01)


# What comes in the place of the answer, and what it is. Words: function, count, unit, transaction, length.
WRONG_ANSWERS: list[tuple[str, Turn, type[DeviceError]]] = [
    ("function 4 to a 3", lambda r: [r.frame(r.pdu(function=4))], Garbled),
    ("the echo of a write", lambda r: [r.frame(b"\x06\x00\x64\x00\x01")], Garbled),
    ("a function that does not exist", lambda r: [r.frame(b"\x63\x04\x00\x01\x00\x02")], Garbled),
    ("coils for registers", lambda r: [r.frame(b"\x01\x01\xff")], Garbled),
    ("a refusal of another function", lambda r: [r.frame(b"\x84\x02")], Garbled),
    ("a refusal without a code", lambda r: [r.frame(b"\x83")], Garbled),
    ("a register too few", lambda r: [r.frame(r.pdu(data=r.registers()[:-2]))], Garbled),
    ("a register too many", lambda r: [r.frame(r.pdu(data=r.registers() + b"\0\1"))], Garbled),
    ("an odd byte count", lambda r: [r.frame(r.pdu(data=r.registers() + b"\0"))], Garbled),
    ("an odd byte count, short", lambda r: [r.frame(r.pdu(data=r.registers()[:-1]))], Garbled),
    ("a byte count above its bytes", lambda r: [r.frame(r.pdu(size=250))], Garbled),
    ("a byte count below its bytes", lambda r: [r.frame(r.pdu(size=2))], Garbled),
    ("no byte count", lambda r: [r.frame(b"\x03\x08")], Garbled),
    ("a function and nothing else", lambda r: [r.frame(b"\x03") + b"\0"], Garbled),
    ("another transaction", lambda r: [r.frame(r.pdu(), tid=r.tid + 7)], Silent),
    ("another unit", lambda r: [r.frame(r.pdu(), unit=2)], Silent),
    ("unit 0", lambda r: [r.frame(r.pdu(), unit=0)], Silent),
    ("unit 255", lambda r: [r.frame(r.pdu(), unit=255)], Silent),
    ("another protocol", lambda r: [r.frame(r.pdu(), protocol=1)], Silent),
    ("a length without end", lambda r: [r.frame(r.pdu(), length=0xFFFF) + b"junk" * 80], Silent),
    ("half of an answer", lambda r: [r.frame(r.pdu())[:11]], Silent),
    ("nothing", silent, Silent),
]


@pytest.mark.parametrize(("turn", "error"), [row[1:] for row in WRONG_ANSWERS], ids=[row[0] for row in WRONG_ANSWERS])
def test_a_wrong_answer_is_never_a_value_and_the_next_right_one_is(
    tell: Callable[..., None], turn: Turn, error: type[DeviceError]
) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        await good(link, 7)

        told = await bad(link, SHORT_S if error is Silent else LONG_S)
        assert type(told) is error
        assert told.address == f"127.0.0.1:{device.port}"
        if isinstance(told, Garbled):
            assert told.raw

        await good(link, 300)
        assert device.connections == 1

    tell(story, well, turn)


def test_two_wrong_answers_in_a_row_are_answered_by_a_new_connection(tell: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        assert type(await bad(link)) is Garbled
        assert type(await bad(link)) is Garbled

        await good_again(link)

        assert device.connections == 2
        assert link.state.garbled == 2

    too_few: Turn = lambda r: [r.frame(r.pdu(data=b"\0\1"))]  # noqa: E731
    tell(story, too_few, too_few)


def test_transaction_0_is_taken_for_ours_since_some_gateways_answer_so(tell: Callable[..., None]) -> None:
    async def story(_: BadDevice, link: Link) -> None:
        await good(link)

    tell(story, lambda r: [r.frame(r.pdu(), tid=0)])


def test_an_answer_byte_by_byte_is_an_answer(tell: Callable[..., None]) -> None:
    async def story(_: BadDevice, link: Link) -> None:
        await good(link)

    tell(story, lambda r: [bytes([byte]) for byte in r.frame(r.pdu())])


@pytest.mark.parametrize("code", [1, 2, 3, 4, 10, 11])
def test_a_refusal_has_its_code_and_leaves_the_connection(tell: Callable[..., None], code: int) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        told = await bad(link)

        assert isinstance(told, Refused)
        assert told.code == code
        await good(link)
        assert device.connections == 1
        assert len(device.requests) == 2

    tell(story, refusing(code))


@pytest.mark.parametrize("code", [5, 6])
def test_a_busy_device_is_asked_three_times_and_then_has_refused(tell: Callable[..., None], code: int) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        await good(link)
        assert len(device.requests) == 3

        device.turns.extend([refusing(code)] * 3)
        told = await bad(link)
        assert isinstance(told, Refused)
        assert told.code == code
        assert len(device.requests) == 6

    tell(story, refusing(code), refusing(code), well)


def test_a_late_answer_and_the_right_one_in_one_segment_give_the_right_one(tell: Callable[..., None]) -> None:
    late: list[Request] = []

    def hold(request: Request) -> list[bytes]:
        late.append(request)
        return []

    def both(request: Request) -> list[bytes]:
        return [late[0].frame(late[0].pdu()) + request.frame(request.pdu())]

    async def story(device: BadDevice, link: Link) -> None:
        await good(link)
        assert type(await bad(link, SHORT_S, at=500, count=60)) is Silent

        await good(link, 1000, 60)  # two answers of the longest fast read still go into pymodbus's buffer

        assert device.connections == 1

    tell(story, well, hold, both)


def test_a_cancelled_read_does_not_answer_the_next_one(tell: Callable[..., None]) -> None:
    asked: list[Request] = []

    def hold(request: Request) -> list[bytes]:
        asked.append(request)
        return []

    def both(request: Request) -> list[bytes]:
        return [asked[0].frame(asked[0].pdu()), request.frame(request.pdu())]

    async def story(device: BadDevice, link: Link) -> None:
        reading = asyncio.create_task(link.read(1, "holding", 500, 4, within_s=LONG_S))
        await device.asked.wait()
        reading.cancel()

        await good(link, 1000)

        assert reading.cancelled()
        assert device.connections == 1

    tell(story, hold, both)


def test_a_cancellation_in_the_same_turn_of_the_loop_as_the_answer_is_a_cancellation(tell: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        async def poll() -> None:
            while True:
                await link.read(1, "holding", 100, 4, within_s=LONG_S)

        for _ in range(50):
            polls = [asyncio.create_task(poll()) for _ in range(4)]
            await asyncio.sleep(0.01)
            for task in polls:
                task.cancel()

            done, going_on = await asyncio.wait(polls, timeout=LONG_S)

            assert not going_on
            assert all(task.cancelled() for task in done)

    tell(story)


def test_a_close_in_flight_is_told_at_once_and_the_next_read_is_answered(tell: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        await good(link)

        told = await bad(link)  # its deadline is far: only the loss itself can end it

        assert type(told) is Silent
        assert "closed the connection" in str(told)
        await good(link)
        assert device.connections == 2
        assert link.state.losses == 1

    tell(story, well, closing)


def test_a_device_that_closes_in_the_middle_of_an_answer_has_garbled_it(tell: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        told = await bad(link)

        assert isinstance(told, Garbled)
        assert len(told.raw) == 9
        await good(link)
        assert device.connections == 2

    tell(story, lambda r: [r.frame(r.pdu())[:9], CLOSE])


def test_a_half_open_connection_is_given_up_after_two_silences(tell: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        await good(link)
        device.mute.add(1)

        assert type(await bad(link, SHORT_S)) is Silent
        assert type(await bad(link, SHORT_S)) is Silent
        assert not link.state.connected

        assert (await good_again(link)).registers == (100, 101, 102, 103)
        assert device.connections == 2

    tell(story)


def test_a_device_that_refuses_connections_is_unreachable_until_it_is_back(tell: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        await good(link)
        await device.stop()
        await bad(link)  # the loss is noticed before this or by this

        for _ in range(3):
            assert type(await bad(link)) is Unreachable
        assert device.connections == 1

        await device.start()
        await good_again(link)
        assert device.connections == 2

    tell(story)


def test_a_device_that_accepts_and_closes_is_not_hammered(tell: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        errors = [await bad(link) for _ in range(50)]

        assert device.connections <= 4  # asked without pause: at once, at once, and then within the back-off not at all
        assert {type(error) for error in errors} == {Silent, Unreachable}

    tell(story, *[closing] * 50)


def test_many_readers_share_one_connection_and_one_request_at_a_time(tell: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        await asyncio.gather(*(good(link, 10 * place) for place in range(50)))

        assert device.connections == 1
        assert len(device.requests) == 50

    tell(story)


def test_a_meter_that_sends_no_numbers_gives_samples_without_values(tell: Callable[..., None]) -> None:
    nan, infinite, minus_infinite, absurd = (
        bytes.fromhex(word) for word in ("7fc00000", "7f800000", "ff800000", "47c35000")
    )

    def poisoned(request: Request) -> list[bytes]:
        data = bytearray(bytes.fromhex("447a0000") * (request.count // 2))  # 1000.0 throughout
        for at, word in ((19000, nan), (19020, infinite), (19022, minus_infinite), (19050, absurd)):
            place = 2 * (at - request.at)
            data[place : place + 4] = word
        return [request.frame(request.pdu(data=bytes(data)))]

    async def story(_: BadDevice, link: Link) -> None:
        read = await MeterReader(link, 1, load_profile("janitza-umg604")).read_fast()

        assert {sample.point: sample.bad for sample in read.samples if sample.value is None} == {
            "voltage_l1_v": "not a number",
            "power_l1_w": "infinite",
            "power_l2_w": "infinite",
            "frequency_hz": "100000 is above 100",
        }
        assert next(sample.value for sample in read.samples if sample.point == "power_w") == 1000.0

    tell(story, poisoned)


# Gateways that answer with a transaction number of their own: the link says `ignore_tid`.


@pytest.fixture
def tell_gateway(caplog: pytest.LogCaptureFixture) -> Callable[..., None]:
    def run(story: Story, *turns: Turn) -> None:
        async def whole() -> None:
            async with BadDevice(*turns) as device:
                transport = PymodbusTransport("127.0.0.1", device.port, ignore_tid=True)
                link = Link(transport, time.monotonic_ns, lambda: 0.0)
                try:
                    await story(device, link)
                finally:
                    await link.close()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole())
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    return run


def own_number(request: Request) -> list[bytes]:
    return [request.frame(request.pdu(), tid=0x1234)]


def test_a_gateway_with_a_number_of_its_own_is_understood(tell_gateway: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        for at in (100, 200, 300):
            await good(link, at)

        assert device.connections == 1

    tell_gateway(story, own_number, own_number, own_number)


def test_a_late_answer_of_such_a_gateway_is_not_the_next_ones(tell_gateway: Callable[..., None]) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        await good(link)
        asked: list[Request] = []
        device.turns.append(lambda request: asked.append(request) or [])  # type: ignore[func-returns-value]
        assert type(await bad(link, SHORT_S, at=500)) is Silent
        device.say(own_number(asked[0])[0])  # before the next request, which waits in silence

        await good(link, 1000)

        assert device.connections == 1
        assert len(device.requests) == 3

    tell_gateway(story)


def test_after_an_answer_of_such_a_gateway_that_never_came_the_connection_is_dropped(
    tell_gateway: Callable[..., None],
) -> None:
    async def story(device: BadDevice, link: Link) -> None:
        await good(link)
        assert type(await bad(link, SHORT_S, at=500)) is Silent

        await good_again(link)

        assert device.connections == 2

    tell_gateway(story, well, silent)
