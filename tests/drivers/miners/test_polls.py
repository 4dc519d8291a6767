"""The exchanger's polls under virtual time: two connects at most, given up in time, closed at once when cancelled."""

import asyncio

import pytest

from tests.drivers.miners.network import LOST, MS, MUTE, OK, Scene, Script, play, shot
from tests.sim.loop import VirtualLoop


@pytest.mark.parametrize(
    ("plays", "outcome", "opened", "took"),
    [
        ([OK], "ok", [0], 2),
        ([LOST, OK], "ok", [0, 400], 402),
        ([LOST, LOST], "unreachable", [0, 400], 800),
        ([MUTE], "silent", [0], 1500),
        ([Script(refused=True)], "unreachable", [], 0),
        ([Script(connects=None, answers=None, breaks=1)], "unreachable", [0], 1),
    ],
)
def test_a_poll_connects_twice_at_most_and_is_answered_in_time_or_given_up(
    plays: list[Script], outcome: str, opened: list[float], took: float
) -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: plays[nth])

        answer = await scene.exchanger.ask(shot("m"))

        assert answer.outcome == outcome
        assert scene.opened_ms("m") == opened
        assert (loop.now_ns - scene.began_ns) / MS == took
        assert scene.dial.open_now == 0

    play(story)


def test_a_cancelled_poll_is_closed_at_once() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: MUTE)
        poll = asyncio.ensure_future(scene.exchanger.ask(shot("m")))
        await asyncio.sleep(0.1)

        poll.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll

        assert scene.dial.links[0].reset
        assert scene.dial.open_now == 0

    play(story)
