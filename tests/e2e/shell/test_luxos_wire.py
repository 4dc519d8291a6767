"""LuxOS on real sockets: a volley and a poller before a stand-in that has one session, and faults that are its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from agent.core.image import Outcome
from agent.core.setpoint import Setpoint
from agent.shell.clock import SystemClock
from agent.shell.load_polling import LoadPoller, PolledLoad
from agent.shell.volley import Target, Volley
from drivers.dial import SocketDial
from drivers.miners.client import Exchanger, Limits
from drivers.miners.families import FAMILIES
from hil.fleet import Endpoint, Fleet, MinerFault
from hil.miner import Miner, load_families
from tests.e2e.shell.test_volley_wire import Ears

LOAD = "a/127.9.7.1"
OFF = Setpoint(LOAD, "off", 25.0, "e", lowers=True)
ON = Setpoint(LOAD, "on", 3250.0, "e", lowers=False)
LIMITS = Limits(answer_ns=300_000_000)  # the hung ones need not be waited for any longer here


class Scene:
    """One stand-in, and a volley that lowers and raises it."""

    def __init__(self, endpoint: Endpoint, volley: Volley, exchanger: Exchanger, ears: Ears) -> None:
        self.endpoint = endpoint
        self.volley = volley
        self.exchanger = exchanger
        self.ears = ears
        self.target = Target(LOAD, endpoint.miner.address, endpoint.port, FAMILIES["luxos"])

    @property
    def sent(self) -> list[str]:
        """The writes that the miner has read, as words, without the session's name."""
        words = []
        for _, request in self.endpoint.writes:
            text = request.decode()
            words.append(next(word for word in ("logon", "logoff", "sleep", "wakeup") if word in text))
        return words

    @property
    def in_session(self) -> bool:
        return self.endpoint.miner.session.active(time.monotonic_ns())

    async def told(self, setpoint: Setpoint) -> Outcome:
        """Fire it and give what came of it."""
        assert self.volley.fire([setpoint]) == ()
        while True:
            match await self.ears.next():
                case ("answered", _, step, Outcome() as outcome) if step == setpoint.step:
                    return outcome


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - the stand-in tells nobody
            await asyncio.sleep(0.005)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    fleet = Fleet()
    miner = Miner("127.9.7.1", load_families()["luxos"], 3250.0, "seed")
    fleet.add(miner, "luxos", 0)
    fleet.open()
    endpoint = fleet.endpoints[miner.address]
    dial, clock, ears = SocketDial(), SystemClock(), Ears()
    exchanger = Exchanger(dial, clock.monotonic_ns, LIMITS)
    target = Target(LOAD, miner.address, endpoint.port, FAMILIES["luxos"])
    volley = Volley(exchanger, ears, clock, [target], observe=False, wanted=lambda load: "off")
    running = asyncio.create_task(volley.run(), name="volley")
    try:
        yield Scene(endpoint, volley, exchanger, ears)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        exchanger.close()
        dial.shut()
        fleet.close()


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(120), scene() as set_up:
            await story(set_up)

    asyncio.run(whole())


def test_it_sleeps_and_wakes_and_no_session_stays_open() -> None:
    async def story(scene: Scene) -> None:
        slept = await scene.told(OFF)
        await until(lambda: not scene.in_session)
        asleep = not scene.endpoint.miner.told_on
        woke = await scene.told(ON)
        await until(lambda: not scene.in_session)

        assert (slept, asleep, woke, scene.endpoint.miner.told_on) == (Outcome.OK, True, Outcome.OK, True)
        assert scene.sent == ["logon", "sleep", "logoff", "logon", "wakeup", "logoff"]

    play(story)


def test_it_waits_a_little_for_a_session_of_somebody_else() -> None:
    async def story(scene: Scene) -> None:
        scene.endpoint.miner.session.locked = True
        scene.volley.fire([OFF])
        await until(lambda: len(scene.endpoint.writes) >= 2)

        scene.endpoint.miner.session.locked = False
        await until(lambda: scene.sent[-1] == "logoff")

        assert not scene.endpoint.miner.told_on
        assert scene.sent[-3:] == ["logon", "sleep", "logoff"]

    play(story)


@pytest.mark.parametrize(
    ("fault", "outcome", "sent", "open_after", "obeyed"),
    [
        (MinerFault.SESSION_HELD, Outcome.REFUSED, ["logon"] * 6, True, False),
        (MinerFault.HANG_LOGON, Outcome.UNREACHABLE, ["logon"], True, False),
        (MinerFault.SESSION_LOST, Outcome.OK, ["logon", "sleep", "logoff", "logon", "sleep", "logoff"], False, True),
        (MinerFault.DENIED, Outcome.REFUSED, ["logon", "sleep", "logoff"], False, False),
    ],
)
def test_what_a_faulty_miner_comes_to_and_what_it_was_sent(
    fault: MinerFault, outcome: Outcome, sent: list[str], open_after: bool, obeyed: bool
) -> None:
    async def story(scene: Scene) -> None:
        scene.endpoint.set_fault(fault)

        came_to = await scene.told(OFF)
        await until(lambda: scene.in_session is open_after and len(scene.sent) >= len(sent))

        assert (came_to, scene.endpoint.miner.told_on) == (outcome, not obeyed)
        assert scene.sent == sent

    play(story)


def test_a_curtail_that_is_never_answered_is_unknown_and_its_session_is_ended() -> None:
    async def story(scene: Scene) -> None:
        scene.endpoint.set_fault(MinerFault.HANG_CURTAIL)

        came_to = await scene.told(OFF)
        await until(lambda: not scene.in_session)

        assert came_to is Outcome.SILENT
        assert scene.volley.fire([ON])[0].why == "unknown"
        assert scene.sent[0] == "logon"
        assert scene.sent.count("logon") == 1
        assert scene.sent[-1] == "logoff"

    play(story)


def test_a_stop_in_the_middle_of_a_conversation_leaves_no_session_behind() -> None:
    async def story(scene: Scene) -> None:
        scene.endpoint.set_fault(MinerFault.HANG_CURTAIL)
        scene.volley.fire([OFF])
        await until(lambda: "sleep" in scene.sent)

        await scene.exchanger.leave()

        assert not scene.in_session

    play(story)


def test_a_poll_reads_it_without_a_session_beside_somebody_elses() -> None:
    async def story(scene: Scene) -> None:
        scene.endpoint.set_fault(MinerFault.SESSION_HELD)
        poller = LoadPoller(
            [PolledLoad(scene.target, 3_600_000_000_000)], scene.exchanger, scene.ears, SystemClock(), scene.volley
        )
        polling = asyncio.create_task(poller.run(), name="poll")
        try:
            assert await scene.ears.next() == ("read", LOAD, "on")
        finally:
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling

        assert scene.sent == []

    play(story)
