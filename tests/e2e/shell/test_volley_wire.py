"""The volley on real sockets: what a miner's port sees of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.core.image import Outcome
from agent.core.setpoint import Setpoint
from agent.shell.clock import SystemClock
from agent.shell.load_polling import LoadPoller, PolledLoad
from agent.shell.volley import Target, Volley
from drivers.dial import SocketDial
from drivers.miners.client import Exchanger
from drivers.miners.dialect import State
from tests.shell.virtual import WordDialect

MARKER = b"the test itself"
OFF = Setpoint("m0", "off", 25.0, "e", lowers=True)
ON = Setpoint("m0", "on", 3250.0, "e", lowers=False)


class Ears:
    """The board's ears, with an event for whoever waits for the next word."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()

    def write_sent(self, load_id: str, step: str, sent_ns: int) -> None:
        self.heard.put_nowait(("sent", load_id, step))

    def write_answered(self, load_id: str, step: str, outcome: Outcome, answered_ns: int, detail: str) -> None:
        self.heard.put_nowait(("answered", load_id, step, outcome))

    def load_read(self, load_id: str, state: State, taken_ns: int) -> None:
        self.heard.put_nowait(("read", load_id, state.step))

    def load_failed(self, load_id: str, outcome: Outcome, detail: str) -> None:
        self.heard.put_nowait(("failed", load_id, outcome))

    async def next(self) -> tuple[object, ...]:
        async with asyncio.timeout(60):
            return await self.heard.get()


class Miner:
    """A port that answers "ok" to setpoints and its step to everything else, and writes down all bytes it got."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.marked = asyncio.Event()
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            data = await reader.read(100)
            self.got.append(data)
            if data == MARKER:
                self.marked.set()
            if self.silent:
                await reader.read()
            elif data.startswith(b"set"):
                writer.write(b"ok\0")
            else:
                writer.write(b"state on\0")
        except ConnectionError:
            self.got.append(b"reset")
        finally:
            writer.close()


@asynccontextmanager
async def wired(miner: Miner) -> AsyncIterator[tuple[Exchanger, Target]]:
    """The production way to a miner that listens."""
    server = await asyncio.start_server(miner.serve, "127.0.0.1", 0)
    dial = SocketDial()
    exchanger = Exchanger(dial, SystemClock().monotonic_ns)
    try:
        yield exchanger, Target("m0", "127.0.0.1", server.sockets[0].getsockname()[1], WordDialect())
    finally:
        exchanger.close()
        dial.shut()
        server.close()
        await server.wait_closed()


def volley(exchanger: Exchanger, ears: Ears, target: Target, *, observe: bool) -> Volley:
    return Volley(exchanger, ears, SystemClock(), [target], observe=observe, wanted=lambda load: "off")


def test_in_observe_no_connection_is_made_by_setpoints_and_polls_only_read() -> None:
    async def story() -> None:
        miner, ears = Miner(), Ears()
        async with wired(miner) as (exchanger, target):
            watching = volley(exchanger, ears, target, observe=True)
            poller = LoadPoller([PolledLoad(target, 10**10)], exchanger, ears, SystemClock(), watching)
            tasks = [asyncio.ensure_future(watching.run()), asyncio.ensure_future(poller.run())]

            held = watching.fire([OFF]) + watching.fire([ON])
            polled = await ears.next()
            _, writer = await asyncio.open_connection(target.host, target.port)
            writer.write(MARKER)
            await miner.marked.wait()
            writer.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        assert [one.why for one in held] == ["observe", "observe"]
        assert polled == ("read", "m0", "on")
        assert miner.got == [b"state", MARKER], "connections are served in order: there was none in between"

    asyncio.run(story())


def test_a_setpoint_reaches_the_port_and_its_answer_the_board() -> None:
    async def story() -> None:
        miner, ears = Miner(), Ears()
        async with wired(miner) as (exchanger, target):
            acting = volley(exchanger, ears, target, observe=False)

            acting.fire([OFF])
            told = [await ears.next(), await ears.next()]

        assert told == [("sent", "m0", "off"), ("answered", "m0", "off", Outcome.OK)]
        assert miner.got == [b"set off"]

    asyncio.run(story())


def test_a_miner_that_never_answers_is_told_again_after_two_seconds() -> None:
    async def story() -> None:
        miner, ears = Miner(), Ears()
        miner.silent = True
        async with wired(miner) as (exchanger, target):
            acting = volley(exchanger, ears, target, observe=False)
            task = asyncio.ensure_future(acting.run())

            acting.fire([OFF])
            told = [await ears.next(), await ears.next()]
            miner.silent = False
            told += [await ears.next(), await ears.next()]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        assert told == [
            ("sent", "m0", "off"),
            ("answered", "m0", "off", Outcome.SILENT),
            ("sent", "m0", "off"),
            ("answered", "m0", "off", Outcome.OK),
        ]
        assert miner.got.count(b"set off") >= 2
        assert set(miner.got) <= {b"set off", b"reset"}, "what was given up was ended by a reset"

    asyncio.run(story())
