"""RTU, on a serial line and inside TCP, against a device that is late or worse: never another register's value."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from drivers.errors import DeviceError, Garbled, Refused, Silent, Unreachable
from drivers.modbus.link import Answer, Link
from drivers.modbus.serial import Line, SerialTransport
from drivers.modbus.transport import LATE_S, PymodbusTransport
from tests.e2e.modbus.bad_device import CLOSE
from tests.e2e.modbus.bad_line import BadLine, RtuTurn, late, pty_pair, silent, well

READS = 10_000
SHORT_S = 0.01
LONG_S = 60.0

Story = Callable[[BadLine, Link], Awaitable[None]]
Carry = Callable[[BadLine, Path, float], AsyncIterator[Link]]


@asynccontextmanager
async def on_tcp(device: BadLine, folder: Path, late_s: float) -> AsyncIterator[Link]:
    async with device.on_tcp() as port:
        link = Link(PymodbusTransport("127.0.0.1", port, rtu=True, late_s=late_s), time.monotonic_ns, lambda: 0.0)
        try:
            yield link
        finally:
            await link.close()


@asynccontextmanager
async def on_line(device: BadLine, folder: Path, late_s: float) -> AsyncIterator[Link]:
    with pty_pair(folder) as (ours, theirs):
        async with device.on_port(theirs), link_on(ours, late_s) as link:
            yield link


@asynccontextmanager
async def link_on(port: Path, late_s: float) -> AsyncIterator[Link]:
    line = Line(str(port), baudrate=115200, parity="N")
    link = Link(SerialTransport(line, late_s=late_s), time.monotonic_ns, lambda: 0.0, byte_s=line.byte_s)
    try:
        yield link
    finally:
        await link.close()


CARRIERS = {"tcp": on_tcp, "serial": on_line}


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


@pytest.fixture(params=CARRIERS)
def tell(
    request: pytest.FixtureRequest, runner: asyncio.Runner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[..., None]:
    """Run a story between a device with these turns and a link to it; afterwards nothing was logged as an error."""

    def run(story: Story, *turns: RtuTurn, late_s: float = LATE_S) -> None:
        async def whole() -> None:
            device = BadLine(*turns)
            async with CARRIERS[request.param](device, tmp_path, late_s) as link:
                await story(device, link)

        runner.run(whole())
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    return run


async def read(link: Link, at: int = 100, count: int = 4, within_s: float = LONG_S) -> Answer | DeviceError:
    try:
        return await link.read(1, "holding", at, count, within_s=within_s)
    except DeviceError as error:
        return error


async def good_again(link: Link, at: int = 300, count: int = 4) -> None:
    """Ask as a polling loop does until there is an answer."""
    async with asyncio.timeout(LONG_S):
        answer = await read(link, at, count)
        while isinstance(answer, DeviceError):
            await asyncio.sleep(0.01)
            answer = await read(link, at, count)
    assert answer.registers == tuple(range(at, at + count))


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.apart(60)
def test_of_ten_thousand_reads_with_every_tenth_late_none_has_another_registers_value(
    carrier: str, tmp_path: Path
) -> None:
    def every_tenth(device: BadLine) -> RtuTurn:
        return lambda request: late(0.015 if len(device.requests) % 10 == 0 else 0.0)(request)

    async def story() -> tuple[int, int]:
        device = BadLine()
        device.turns.extend([every_tenth(device)] * 2 * READS)
        answered = unanswered = 0
        async with CARRIERS[carrier](device, tmp_path, LATE_S) as link:
            while answered + unanswered < READS:
                at = (answered + unanswered) * 7 % 60_000
                is_late = len(device.requests) % 10 == 9
                answer = await read(link, at, 2, SHORT_S if is_late else LONG_S)
                if isinstance(answer, Answer):
                    assert answer.registers == (at, at + 1)
                    answered += 1
                else:
                    unanswered += 1
        return answered, unanswered

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answered, unanswered = runner.run(story())

    assert answered + unanswered == READS
    assert unanswered >= READS // 20  # so the device was late indeed
    assert answered >= READS // 2


# What comes in the place of the answer, and what it is.
WRONG_ANSWERS: list[tuple[str, RtuTurn, type[DeviceError]]] = [
    ("nothing", silent, Silent),
    ("a wrong check", lambda r: [(0, r.rtu(r.pdu(), check=b"\x12\x34"))], Silent),
    ("another unit", lambda r: [(0, r.rtu(r.pdu(), unit=2))], Silent),
    ("half of an answer", lambda r: [(0, r.good()[:6])], Silent),
    ("noise", lambda r: [(0, b"\xff\x00\xff\x81\x17")], Silent),
    ("function 4 to a 3", lambda r: [(0, r.rtu(r.pdu(function=4)))], Garbled),
    ("the echo of a write", lambda r: [(0, r.rtu(b"\x06\x00\x64\x00\x01"))], Garbled),
    ("coils for registers", lambda r: [(0, r.rtu(b"\x01\x01\xff"))], Garbled),
    ("a register too few", lambda r: [(0, r.rtu(r.pdu(data=r.registers()[:-2])))], Garbled),
    ("a register too many", lambda r: [(0, r.rtu(r.pdu(data=r.registers() + b"\0\1")))], Garbled),
    ("an odd byte count", lambda r: [(0, r.rtu(r.pdu(data=r.registers() + b"\0")))], Garbled),
]


@pytest.mark.parametrize(("turn", "error"), [row[1:] for row in WRONG_ANSWERS], ids=[row[0] for row in WRONG_ANSWERS])
def test_a_wrong_answer_is_never_a_value_and_the_next_right_one_is(
    tell: Callable[..., None], turn: RtuTurn, error: type[DeviceError]
) -> None:
    async def story(device: BadLine, link: Link) -> None:
        assert isinstance(await read(link, 7), Answer)

        told = await read(link, within_s=0.1 if error is Silent else LONG_S)
        assert type(told) is error

        await good_again(link)

    tell(story, well, turn, late_s=0.15)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 10, 11])
def test_a_refusal_has_its_code_and_needs_no_silence(tell: Callable[..., None], code: int) -> None:
    async def story(device: BadLine, link: Link) -> None:
        told = await read(link)

        assert isinstance(told, Refused)
        assert told.code == code
        assert isinstance(await read(link, 300), Answer)
        assert len(device.requests) == 2

    tell(story, lambda r: [(0, r.rtu(bytes([r.function | 0x80, code])))])


def test_an_answer_byte_by_byte_is_an_answer(tell: Callable[..., None]) -> None:
    async def story(device: BadLine, link: Link) -> None:
        answer = await read(link)

        assert isinstance(answer, Answer)
        assert answer.registers == (100, 101, 102, 103)

    tell(story, lambda r: [(0.001 * place, bytes([byte])) for place, byte in enumerate(r.good())])


def test_the_late_answer_ends_the_silence_and_the_next_request_goes_out(tell: Callable[..., None]) -> None:
    async def story(device: BadLine, link: Link) -> None:
        assert isinstance(await read(link, 7), Answer)
        assert type(await read(link, 100, 4, 0.05)) is Silent

        answer = await read(link, 300)  # its time counts from the end of the silence: LATE_S would be an hour

        assert isinstance(answer, Answer)
        assert answer.registers == (300, 301, 302, 303)
        assert device.connections in (0, 1)

    tell(story, well, late(0.2), late_s=3600.0)


def test_a_cancelled_read_does_not_answer_the_next_one(tell: Callable[..., None]) -> None:
    async def story(device: BadLine, link: Link) -> None:
        reading = asyncio.create_task(read(link, 500))
        async with asyncio.timeout(LONG_S):
            await device.asked.wait()
        reading.cancel()

        answer = await read(link, 1000)

        assert isinstance(answer, Answer)
        assert answer.registers == (1000, 1001, 1002, 1003)

    tell(story, late(0.1))


def test_two_answers_at_once_are_one_answer_and_not_the_next_ones(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def story() -> None:
        device = BadLine(lambda r: [(0, r.good() + r.good())])
        async with on_line(device, tmp_path, LATE_S) as link:
            for at in (100, 200, 300):
                answer = await read(link, at)
                assert isinstance(answer, Answer)
                assert answer.registers[0] == at

    runner.run(story())


def test_a_close_in_flight_is_told_at_once_and_the_connection_is_had_again(runner: asyncio.Runner) -> None:
    async def story() -> None:
        device = BadLine(well, lambda r: [(0, CLOSE)])
        async with on_tcp(device, Path(), 0.05) as link:
            assert isinstance(await read(link), Answer)
            assert type(await read(link)) is Silent
            await good_again(link)
            assert device.connections == 2

    runner.run(story())


def test_after_an_answer_that_never_came_the_connection_is_dropped(runner: asyncio.Runner) -> None:
    async def story() -> None:
        device = BadLine(well, silent)
        async with on_tcp(device, Path(), 0.1) as link:
            assert isinstance(await read(link, 7), Answer)
            assert type(await read(link, within_s=0.05)) is Silent
            await good_again(link)
            assert device.connections == 2

    runner.run(story())


def test_a_serial_port_that_is_not_there_is_unreachable(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def story() -> None:
        link = Link(SerialTransport(Line(str(tmp_path / "ttyUSB7"))), time.monotonic_ns, lambda: 0.0)

        told = await read(link)

        assert type(told) is Unreachable
        assert "no such port" in str(told)
        await link.close()

    runner.run(story())
