"""Switchgear over real sockets, judged by a PLC on libmodbus: feedback, restarts, a program that stands still."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from msgspec import Struct

from agent.core.image import Outcome
from agent.core.setpoint import Setpoint
from agent.shell.clock import SystemClock
from agent.shell.polling import LinkPoller, PolledMeter
from agent.shell.switching import CLOSED, OPEN, Contactor, Plc, Switchgear
from drivers.errors import DeviceError
from drivers.miners.dialect import State
from drivers.modbus.link import Link
from drivers.modbus.meter import BlockRead
from drivers.modbus.plc import PlcReader, PlcWriter
from drivers.modbus.transport import PymodbusTransport
from drivers.profile import load_profile
from tests.e2e.modbus.plc import PlcProgram

MS = 1_000_000
UNIT = 20
WAIT_S = 60.0
EAST = Contactor("east", "gear", "k1", "k1_52a", "k1_52b")
NAMES = {"k1_52a": "di2", "k1_52b": "di3"}
WRITE_COIL, WRITE_REGISTER = 5, 6


class Board:
    """Keeps the newest of what it is told, and wakes who waits for it."""

    def __init__(self) -> None:
        self.points: dict[str, float | None] = {}
        self.faults: list[str] = []
        self.step: str | None = None
        self.load_fault = ""
        self.answers: list[tuple[str, Outcome]] = []
        self._changed = asyncio.Event()

    def meter_read(self, meter_id: str, block: BlockRead, fast: bool) -> None:
        self.points |= {f"{meter_id}.{sample.point}": sample.value for sample in block.samples}
        self._changed.set()

    def meter_failed(self, meter_id: str, error: DeviceError) -> None:
        self.faults.append(error.detail)
        self._changed.set()

    def load_read(self, load_id: str, state: State, taken_ns: int) -> None:
        self.step, self.load_fault = state.step, ""
        self._changed.set()

    def load_failed(self, load_id: str, outcome: Outcome, detail: str) -> None:
        self.load_fault = detail
        self._changed.set()

    def write_sent(self, load_id: str, step: str, sent_ns: int) -> None:
        self._changed.set()

    def write_answered(self, load_id: str, step: str, outcome: Outcome, answered_ns: int, detail: str) -> None:
        self.answers.append((step, outcome))
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what it is told to make this true."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class Site(Struct, frozen=True):
    """A switchgear at work."""

    plc: PlcProgram
    board: Board
    gear: Switchgear

    def fire(self, step: str) -> list[str]:
        return [held.why for held in self.gear.fire([Setpoint("east", step, 0.0, lowers=step == OPEN)])]

    def coils(self) -> list[int]:
        """What was written to coils, oldest first."""
        return [asked.second for asked in self.plc.requests() if asked.function == WRITE_COIL]


@asynccontextmanager
async def at_work(plc: PlcProgram, *, connections: int, observe: bool) -> AsyncIterator[Site]:
    clock, board = SystemClock(), Board()
    profile = load_profile("contactors-16")
    links = [
        Link(PymodbusTransport("127.0.0.1", plc.port), clock.monotonic_ns, lambda: 0.5) for _ in range(connections)
    ]
    writer = PlcWriter(links[-1], UNIT, profile)
    gear = Switchgear(
        [Plc("gear", writer, 100 * MS)],
        [EAST],
        board,
        clock,
        observe=observe,
        beats=lambda: time.monotonic_ns() // (10 * MS),
        wanted=lambda load: None,
    )
    poller = LinkPoller(
        [PolledMeter("gear", PlcReader(links[0], UNIT, profile, NAMES), 20 * MS, 1000 * MS)], gear, clock
    )
    async with asyncio.TaskGroup() as tasks:
        working = [tasks.create_task(work, name=name) for name, work in (("gear", gear.run()), ("poll", poller.run()))]
        try:
            await board.until(lambda: board.step is not None)
            yield Site(plc, board, gear)
        finally:
            for task in working:
                task.cancel()
            for link in links:
                await link.close()


@pytest.fixture(params=[1, 2], ids=["one connection", "two connections"])
def tell(request: pytest.FixtureRequest, start_plc: Callable[..., PlcProgram]) -> Callable[..., None]:
    def run(story: Callable[[Site], Awaitable[None]], *, observe: bool = False) -> None:
        async def whole() -> None:
            async with at_work(start_plc(), connections=request.param, observe=observe) as site:
                await story(site)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole())

    return run


def test_a_contactor_is_closed_and_opened_and_its_feedback_is_told(tell: Callable[..., None]) -> None:
    async def story(site: Site) -> None:
        assert site.board.step == OPEN

        assert site.fire(CLOSED) == []
        await site.board.until(lambda: site.board.step == CLOSED)
        assert site.fire(OPEN) == []
        await site.board.until(lambda: site.board.step == OPEN)

        assert site.board.answers == [(CLOSED, Outcome.OK), (OPEN, Outcome.OK)]
        assert site.coils() == [0xFF00, 0]

    tell(story)


def test_a_restart_that_clears_coils_is_told_and_nothing_is_closed_again_by_us(tell: Callable[..., None]) -> None:
    async def story(site: Site) -> None:
        site.fire(CLOSED)
        await site.board.until(lambda: site.board.step == CLOSED)

        site.plc.tell("restart")
        await site.board.until(lambda: site.board.step == OPEN)
        beaten = len(site.plc.requests())
        await site.board.until(lambda: len(site.plc.asked) > beaten + 50)

        assert site.coils() == [0xFF00]
        assert site.board.step == OPEN

    tell(story)


def test_a_program_that_stands_still_behind_a_server_that_answers_is_a_failed_plc(tell: Callable[..., None]) -> None:
    async def story(site: Site) -> None:
        await site.board.until(lambda: (site.board.points.get("gear.heartbeat_echo") or 0) > 2)

        site.plc.tell("freeze")
        await site.board.until(lambda: bool(site.board.faults))

        assert "stands still" in site.board.faults[0]
        assert "stands still" in site.board.load_fault
        assert site.fire(CLOSED) == ["failed"]

        site.plc.tell("restart")
        await site.board.until(lambda: site.board.load_fault == "")
        assert site.fire(CLOSED) == []
        await site.board.until(lambda: site.board.step == CLOSED)

    tell(story)


def test_a_tripped_watchdog_is_told_by_its_code_and_ends_with_the_restart(tell: Callable[..., None]) -> None:
    async def story(site: Site) -> None:
        site.plc.tell("trip")
        await site.board.until(lambda: bool(site.board.faults))
        assert "device fault" in site.board.faults[0]
        site.fire(OPEN)
        await site.board.until(lambda: bool(site.board.answers))

        assert site.board.answers == [(OPEN, Outcome.REFUSED)]
        assert site.fire(CLOSED) == ["failed"]

        site.plc.tell("restart")
        await site.board.until(lambda: site.board.load_fault == "")

    tell(story)


def test_in_observe_the_plc_sees_reads_alone(tell: Callable[..., None]) -> None:
    async def story(site: Site) -> None:
        assert site.fire(OPEN) == ["observe"]
        begun = len(site.plc.requests())
        await site.board.until(lambda: len(site.plc.asked) > begun + 50)

        assert all(asked.function < WRITE_COIL for asked in site.plc.requests())

    tell(story, observe=True)


def test_heartbeats_count_up_one_by_one(tell: Callable[..., None]) -> None:
    async def story(site: Site) -> None:
        await site.board.until(lambda: (site.board.points.get("gear.heartbeat_echo") or 0) >= 5)

        beats = [asked.second for asked in site.plc.requests() if asked.function == WRITE_REGISTER]
        assert beats[:5] == [1, 2, 3, 4, 5]

    tell(story)
