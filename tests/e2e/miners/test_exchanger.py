"""The exchanger over real sockets, under the loop of the service (uvloop) and Python's own."""

import asyncio
import contextlib
import os
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from drivers.dial import SocketDial, raise_descriptor_limit
from drivers.miners.client import Answer, Exchanger, Limits, Shot
from hil.loopback import free_port
from tests.e2e.miners import servers
from tests.e2e.miners.servers import Miner, Talk, listening, serving

LIMITS = Limits(answer_ns=400_000_000)  # the hung ones need not be waited for any longer here
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(params=sorted(LOOPS))
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    def runs(story: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with asyncio.timeout(120):
                await story()

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(whole())

    return runs


Run = Callable[[Callable[[], Awaitable[None]]], None]


@contextlib.asynccontextmanager
async def exchanging(limits: Limits = LIMITS) -> AsyncIterator[Exchanger]:
    dial = SocketDial()
    exchanger = Exchanger(dial, time.monotonic_ns, limits)
    yield exchanger
    left_open = len(dial._sockets)
    exchanger.close()
    dial.shut()
    assert left_open == 0


async def fired(exchanger: Exchanger, *shots: Shot) -> dict[str, Answer]:
    """Fire and wait until every shot is answered."""
    found: dict[str, Answer] = {}
    whole = asyncio.Event()

    def done(answer: Answer) -> None:
        assert answer.key not in found
        found[answer.key] = answer
        if len(found) == len(shots):
            whole.set()

    exchanger.fire(shots, done)
    await whole.wait()
    return found


def to(miner: Miner, key: str = "m", *, hedge: bool = False, request: bytes = b'{"command":"devs"}') -> Shot:
    return Shot(key, miner.host, miner.port, request, hedge)


@pytest.mark.parametrize(
    "talk",
    [servers.answers, servers.answers_by_end_of_file, servers.answers_and_resets],
    ids=lambda talk: talk.__name__,
)
def test_an_answer_is_read_however_it_ends(run: Run, talk: Talk) -> None:
    async def story() -> None:
        async with serving(talk) as miner, exchanging() as exchanger:
            told = (await fired(exchanger, to(miner)))["m"]
            asked = await exchanger.ask(to(miner))

            for answer in (told, asked):
                assert answer.outcome == "ok"
                assert answer.reply.rstrip(b"\0") == servers.REPLY
                assert answer.sent_ns is not None
                assert answer.answered_ns is not None
                assert answer.opened_ns <= answer.sent_ns <= answer.answered_ns
            assert miner.requests == [b'{"command":"devs"}'] * 2

    run(story)


@pytest.mark.parametrize(
    ("talk", "reply"),
    [
        (servers.never_reads, b""),
        (servers.never_answers, b""),
        (servers.drips, servers.REPLY[:1]),
        (servers.closes_unread, b""),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_miner_that_hangs_is_silent_to_volleys_and_polls(run: Run, talk: Talk, reply: bytes) -> None:
    async def story() -> None:
        async with serving(talk) as miner, exchanging() as exchanger:
            told = (await fired(exchanger, to(miner)))["m"]
            asked = await exchanger.ask(to(miner))

            assert [(answer.outcome, answer.reply) for answer in (told, asked)] == [("silent", reply)] * 2

    run(story)


def test_a_miner_that_never_accepts_is_silent_since_the_kernel_took_the_request(run: Run) -> None:
    async def story() -> None:
        with listening() as listener:
            async with exchanging() as exchanger:
                told = await fired(exchanger, to(Miner(*listener.getsockname()), hedge=True))

                assert told["m"].outcome == "silent"

    run(story)


def test_a_miner_that_refuses_is_unreachable_at_once(run: Run) -> None:
    async def story() -> None:
        async with exchanging(Limits(answer_ns=3_600_000_000_000)) as exchanger:
            nobody = Miner("127.0.0.1", free_port())

            told = (await fired(exchanger, to(nobody, hedge=True)))["m"]
            asked = await exchanger.ask(to(nobody))

            assert [answer.outcome for answer in (told, asked)] == ["unreachable"] * 2
            assert "refused" in told.detail

    run(story)


def test_a_name_instead_of_an_address_is_unreachable(run: Run) -> None:
    async def story() -> None:
        async with exchanging() as exchanger:
            told = (await fired(exchanger, to(Miner("miner-1.example", 4028))))["m"]

            assert told.outcome == "unreachable"
            assert "write the address" in told.detail

    run(story)


def test_hung_miners_do_not_keep_the_others_from_being_told(run: Run) -> None:
    async def story() -> None:
        async with contextlib.AsyncExitStack() as stack:
            enter = stack.enter_async_context
            well = [await enter(serving(servers.answers, f"127.9.0.{at}")) for at in range(1, 41)]
            hung = [
                await enter(serving(talk, "127.9.1.1"))
                for talk in (servers.never_reads, servers.never_answers, servers.drips)
            ]
            exchanger = await enter(exchanging())

            told = await fired(exchanger, *(to(miner, f"m{at}", hedge=True) for at, miner in enumerate(well + hung)))

            assert [told[f"m{at}"].outcome for at in range(43)] == ["ok"] * 40 + ["silent"] * 3
            assert all(miner.requests for miner in well)

    run(story)


def test_a_request_that_is_not_answered_is_repeated_and_the_first_answer_wins(run: Run) -> None:
    async def story() -> None:
        async with serving(servers.answers_the_third) as miner, exchanging() as exchanger:
            told = await fired(exchanger, to(miner, hedge=True))

            assert told["m"].outcome == "ok"
            assert miner.connected in (3, 4)

    run(story)


def test_a_shot_takes_the_place_of_a_running_poll(run: Run) -> None:
    async def story() -> None:
        async with serving(servers.never_answers) as hung, serving(servers.answers) as well, exchanging() as exchanger:
            poll = asyncio.create_task(exchanger.ask(to(hung)), name="poll")
            await hung.heard.wait()

            told = await fired(exchanger, to(well, request=b"off"))

            assert (await poll).outcome == "preempted"
            assert told["m"].outcome == "ok"
            assert well.requests == [b"off"]

    run(story)


def test_the_newest_shot_takes_the_place_of_an_older_one(run: Run) -> None:
    async def story() -> None:
        async with serving(servers.never_answers) as hung, serving(servers.answers) as well, exchanging() as exchanger:
            older: list[Answer] = []
            exchanger.fire([to(hung, request=b"on")], older.append)
            await hung.heard.wait()

            told = await fired(exchanger, to(well, request=b"off"))

            assert told["m"].outcome == "ok"
            assert older == []

    run(story)


def test_a_reply_without_end_is_cut_at_its_limit(run: Run) -> None:
    async def floods(miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async def story() -> None:
        async with serving(floods) as miner, exchanging(Limits()) as exchanger:
            asked = await exchanger.ask(to(miner))

            assert asked.outcome == "ok"
            assert 1 << 20 < len(asked.reply) < (1 << 20) + 65_536

    run(story)


def test_without_descriptors_the_rest_waits_for_those_that_end(run: Run) -> None:
    async def story() -> None:
        with listening() as listener:
            async with exchanging(Limits(answer_ns=100_000_000)) as exchanger:
                limits = resource.getrlimit(resource.RLIMIT_NOFILE)
                resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, limits[1]))
                try:
                    told = await fired(exchanger, *(to(Miner(*listener.getsockname()), f"m{at}") for at in range(60)))
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, limits)

                assert {answer.outcome for answer in told.values()} == {"silent"}
                assert len(told) == 60

    run(story)


def test_the_soft_limit_of_descriptors_is_lifted_to_the_hard_one() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))

        assert raise_descriptor_limit() == before[1]
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
