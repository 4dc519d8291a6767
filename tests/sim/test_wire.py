"""The virtual network: what a connect, a request and an answer meet on each kind of bad day, and at which time."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from tests.sim.life import Life
from tests.sim.loop import NS_PER_S, VirtualLoop
from tests.sim.miners import VirtualMiner
from tests.sim.weather import Weather
from tests.sim.wire import Network, VirtualDial


class Asked:
    """One request put by hand, and what came of it."""

    def __init__(self) -> None:
        self.reply = b""
        self.end: str | None = None
        self.took_s = 0.0


def ask(
    request: bytes, prepare: Callable[[Network, VirtualMiner], None], for_s: float = 60.0
) -> tuple[Asked, VirtualMiner]:
    """Ask a virtual miner, as the plainest client would."""
    loop = VirtualLoop()
    network = Network(loop, Random(7), Weather(latency_s_min=0.001, latency_s_max=0.001))
    miner = VirtualMiner(network, "10.0.0.1", Random(7), rated_w=1000.0)
    prepare(network, miner)
    asked = Asked()

    async def run() -> None:
        dial = VirtualDial(network, Life(1))
        done = asyncio.Event()
        handle = dial.open("10.0.0.1", 4028)
        from_ns = loop.now_ns
        sent = False

        def ready() -> None:
            nonlocal sent
            for event in dial.poll():
                try:
                    if event.writable and not sent:
                        sent = dial.send(event.handle, request) == len(request)
                        dial.watch(event.handle, read=True, write=False)
                    data = dial.receive(event.handle, 65536)
                except ConnectionError as error:
                    data, asked.end = b"", type(error).__name__
                if data == b"":
                    asked.end = asked.end or "end"
                    asked.took_s = (loop.now_ns - from_ns) / NS_PER_S
                    dial.close(event.handle)
                    done.set()
                asked.reply += data or b""

        dial.on_ready(ready)
        dial.watch(handle, read=True, write=True)
        try:
            async with asyncio.timeout(for_s):
                await done.wait()
        except TimeoutError:
            dial.close(handle, reset=True)
        await asyncio.sleep(30)

    loop.run_until_complete(run())
    loop.close()
    return asked, miner


def ailing(ailment: str) -> Callable[[Network, VirtualMiner], None]:
    return lambda network, miner: setattr(miner, "ails", ailment)


SOFT_OFF = b"ascset|0,softoff,1:1"


def test_a_well_miner_acknowledges_soft_off_and_its_watts_fall_along_a_ramp() -> None:
    asked, miner = ask(SOFT_OFF, ailing(""))

    assert b"Code=118" in asked.reply
    assert b"success softoff:1" in asked.reply
    assert asked.end == "end"
    order = miner.orders[0]
    assert miner.watts(order.at_ns) == miner.rated_w
    assert 25.0 < miner.watts(order.at_ns + round(miner.down_s / 2 * NS_PER_S)) < miner.rated_w
    assert miner.watts(order.at_ns + 10 * NS_PER_S) == 25.0


def test_it_answers_in_json_when_asked_in_json_and_its_packed_state_tells_the_wall_watts() -> None:
    asked, miner = ask(b'{"command":"estats"}', ailing(""))

    assert asked.reply.startswith(b'{"STATUS": [{"STATUS": "S"')
    assert f"2245 {round(miner.rated_w)}]".encode() in asked.reply
    assert b"In Work" in asked.reply


@pytest.mark.parametrize(
    ("ailment", "end", "obeys"),
    [
        ("refuse", "ConnectionRefusedError", False),
        ("void", None, False),
        ("deaf", None, False),
        ("mute", None, True),
        ("stuck", None, False),
        ("curt", "end", True),
        ("junk", "end", True),
        ("lie", "end", False),
        ("deceive", "end", False),
    ],
)
def test_each_ailment_ends_and_obeys_as_its_name_says(ailment: str, end: str | None, obeys: bool) -> None:
    asked, miner = ask(SOFT_OFF, ailing(ailment))

    assert asked.end == end
    assert (miner.settles_w() == 25.0) is obeys


def test_a_miner_that_drips_sends_a_byte_a_second() -> None:
    asked, _ = ask(SOFT_OFF, ailing("drip"), for_s=20.5)

    assert 19 <= len(asked.reply) <= 21


def test_a_lost_syn_costs_one_and_three_hundredths_of_a_second() -> None:
    class LosesFirst(Random):
        lost = False

        def random(self) -> float:
            if self.lost:
                return 0.9
            self.lost = True
            return 0.0

        def uniform(self, a: float, b: float) -> float:
            return a

    def lose(network: Network, miner: VirtualMiner) -> None:
        network.weather = Weather(latency_s_min=0.0, latency_s_max=0.0, loss=0.5)
        network.random = LosesFirst(1)
        miner.service_s = 0.0

    asked, _ = ask(SOFT_OFF, lose)

    assert asked.took_s == pytest.approx(1.03, abs=0.001)


def test_the_same_seed_writes_the_same_bytes_at_the_same_times() -> None:
    def digest(seed: int) -> str:
        loop = VirtualLoop()
        network = Network(loop, Random(seed), Weather(loss=0.2, split=0.5))
        VirtualMiner(network, "10.0.0.1", Random(seed), rated_w=1000.0)

        async def run() -> None:
            dial = VirtualDial(network, Life(1))
            handle = dial.open("10.0.0.1", 4028)
            await asyncio.sleep(30)
            dial.send(handle, SOFT_OFF)
            await asyncio.sleep(30)
            dial.receive(handle, 100)

        loop.run_until_complete(run())
        loop.close()
        return network.digest()

    assert digest(5) == digest(5)
    assert digest(5) != digest(6)
