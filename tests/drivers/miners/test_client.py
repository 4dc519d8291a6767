"""The exchanger under virtual time: slices, hedges and their bounds, newest wins, pre-emption, limits."""

import asyncio

import pytest

from drivers.miners.client import Answer, Limits
from tests.drivers.miners.network import LOST, MS, MUTE, OK, Scene, Script, play, shot
from tests.sim.loop import VirtualLoop


def test_a_volley_is_told_once_each_and_answered_once_each() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: OK)

        scene.exchanger.fire([shot(f"m{at}") for at in range(300)], scene.done)
        begun = len(scene.dial.links)
        await asyncio.sleep(1)

        assert begun == 64
        assert [link.request for link in scene.dial.links] == [b"off"] * 300
        assert sorted(answer.key for _, answer in scene.answers) == sorted(f"m{at}" for at in range(300))
        assert {(answer.outcome, answer.reply) for _, answer in scene.answers} == {("ok", b'{"ok":1}\0')}
        assert scene.dial.open_now == 0
        assert not scene.exchanger.firing

    play(story)


def test_a_lost_connection_is_repeated_every_30_ms_and_the_losers_are_reset() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: OK if nth == 2 else LOST)

        scene.exchanger.fire([shot("m")], scene.done)
        await asyncio.sleep(3)

        assert scene.opened_ms("m") == [0, 30, 60]
        assert [(at, answer.outcome) for at, answer in scene.answers] == [(62, "ok")]
        assert [link.reset for link in scene.dial.links] == [True, True, False]
        assert {link.closed_ns for link in scene.dial.links} == {scene.began_ns + 62 * MS}

    play(story)


def test_a_miner_that_never_answers_gets_four_connections_and_is_silent_after_its_time() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: MUTE)

        scene.exchanger.fire([shot("m")], scene.done)
        await asyncio.sleep(3)

        assert scene.opened_ms("m") == [0, 30, 60, 90]
        [(at, answer)] = scene.answers
        assert (at, answer.outcome, answer.reply) == (1590, "silent", b"")
        assert answer.sent_ns == scene.began_ns + MS
        assert scene.dial.open_now == 0

    play(story)


def test_a_miner_that_is_never_reached_is_unreachable_and_not_silent() -> None:
    async def story(loop: VirtualLoop) -> None:
        plays = {
            "void": LOST,
            "refused": Script(answers=None, connects=None, breaks=1),
            "no route": Script(refused=True),
        }
        scene = Scene(loop, lambda host, nth: plays[host])

        scene.exchanger.fire([shot(host) for host in plays], scene.done)
        await asyncio.sleep(3)

        said = {answer.key: (at, answer.outcome, answer.sent_ns) for at, answer in scene.answers}
        assert said == {
            "void": (1590, "unreachable", None),
            "refused": (1, "unreachable", None),
            "no route": (0, "unreachable", None),
        }

    play(story)


def test_a_raise_is_never_repeated() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: MUTE)

        scene.exchanger.fire([shot("m", hedge=False)], scene.done)
        await asyncio.sleep(3)

        assert scene.opened_ms("m") == [0]
        assert [at for at, _ in scene.answers] == [1500]

    play(story)


def test_a_fleet_that_is_slow_as_a_whole_is_not_flooded() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: Script(answers=400))

        scene.exchanger.fire([shot(f"m{at}") for at in range(1000)], scene.done)
        await asyncio.sleep(0.099)
        within_100_ms = len(scene.dial.links)
        await asyncio.sleep(3)

        assert within_100_ms == 1250
        assert len(scene.dial.links) <= 2250
        assert len(scene.answers) == 1000

    play(story)


def test_a_fleet_that_answers_slowly_but_in_order_gets_no_repeats() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: Script(answers=20 + int(host[1:]) * 0.5))

        scene.exchanger.fire([shot(f"m{at}") for at in range(400)], scene.done)
        await asyncio.sleep(1)

        assert len(scene.dial.links) == 400
        assert len(scene.answers) == 400

    play(story)


def test_the_one_that_is_late_while_later_ones_have_been_answered_is_repeated() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: LOST if host == "late" and nth == 0 else OK)

        scene.exchanger.fire([shot("late")], scene.done)
        await asyncio.sleep(0.025)
        scene.exchanger.fire([shot(f"m{at}") for at in range(400)], scene.done)
        await asyncio.sleep(1)

        assert scene.opened_ms("late") == [0, 30]
        assert len(scene.dial.links) == 402
        assert max(at for at, _ in scene.answers) == 32

    play(story)


def test_answers_that_came_while_a_slow_machine_was_still_opening_are_no_silence() -> None:
    async def story(loop: VirtualLoop) -> None:
        def slowly(host: str, nth: int) -> Script:
            loop.now_ns += 4 * MS
            return Script(connects=0)

        scene = Scene(loop, slowly)

        scene.exchanger.fire([shot(f"m{at}") for at in range(600)], scene.done)
        await asyncio.sleep(5)

        assert {answer.outcome for _, answer in scene.answers} == {"ok"}
        assert len(scene.answers) == len(scene.dial.links) == 600
        assert min(at for at, _ in scene.answers) >= 2400

    play(story)


def test_an_answer_that_has_begun_is_not_repeated() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: Script(reply=b'{"half'))

        scene.exchanger.fire([shot("m")], scene.done)
        await asyncio.sleep(3)

        assert scene.opened_ms("m") == [0]
        [(at, answer)] = scene.answers
        assert (at, answer.outcome, answer.reply) == (1500, "silent", b'{"half')

    play(story)


def test_a_reply_that_ends_without_any_sign_counts_at_the_time_limit() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: Script(reply=b'{"a":1}\n'))

        scene.exchanger.fire([shot("m")], scene.done)
        await asyncio.sleep(3)

        [(at, answer)] = scene.answers
        assert (at, answer.outcome, answer.reply) == (1500, "ok", b'{"a":1}\n')

    play(story)


def test_a_reset_after_a_reply_is_the_end_of_the_reply_and_one_before_it_is_silence() -> None:
    async def story(loop: VirtualLoop) -> None:
        plays = {"after": Script(reply=b'{"a":1}', breaks=3), "before": Script(answers=None, breaks=3)}
        scene = Scene(loop, lambda host, nth: plays[host])

        scene.exchanger.fire([shot(host) for host in plays], scene.done)
        await asyncio.sleep(1)

        said = {answer.key: (answer.outcome, answer.reply) for _, answer in scene.answers}
        assert said == {"after": ("ok", b'{"a":1}'), "before": ("silent", b"")}

    play(story)


def test_the_newest_shot_at_a_load_wins_and_the_older_one_is_reset_and_never_told() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: MUTE if nth == 0 else OK)
        told: list[Answer] = []

        scene.exchanger.fire([shot("m", request=b"on", hedge=False)], told.append)
        await asyncio.sleep(0.01)
        scene.exchanger.fire([shot("m", request=b"off")], scene.done)
        await asyncio.sleep(3)

        assert told == []
        assert [(at, answer.outcome) for at, answer in scene.answers] == [(12, "ok")]
        assert [(link.request, link.reset) for link in scene.dial.links] == [(b"on", True), (b"off", False)]
        assert scene.dial.links[0].closed_ns == scene.began_ns + 10 * MS

    play(story)


def test_a_shot_that_was_not_even_begun_gives_way_to_a_newer_one() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: OK)
        told: list[Answer] = []

        scene.exchanger.fire([shot(f"m{at}", request=b"on") for at in range(100)], told.append)
        scene.exchanger.fire([shot("m99", request=b"off")], scene.done)
        await asyncio.sleep(1)

        assert [link.request for link in scene.dial.to("m99")] == [b"off"]
        assert len(told) == 99
        assert [answer.key for _, answer in scene.answers] == ["m99"]

    play(story)


def test_parts_of_one_load_go_side_by_side_and_are_answered_one_by_one() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: OK)

        scene.exchanger.fire([shot("m", request=b"%d" % part, part=part) for part in range(3)], scene.done)
        await asyncio.sleep(1)

        assert [link.request for link in scene.dial.links] == [b"0", b"1", b"2"]
        assert sorted(answer.part for _, answer in scene.answers) == [0, 1, 2]

    play(story)


def test_a_shot_ends_a_running_poll_of_the_same_load_before_it_is_sent() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: MUTE if nth == 0 else OK)
        poll = asyncio.ensure_future(scene.exchanger.ask(shot("m", request=b"devs")))
        await asyncio.sleep(0.1)

        scene.exchanger.fire([shot("m")], scene.done)
        closed_first = scene.dial.links[0].reset
        refused = await scene.exchanger.ask(shot("m", request=b"devs"))
        answer = await poll
        await asyncio.sleep(1)

        assert closed_first
        assert (answer.outcome, refused.outcome) == ("preempted", "preempted")
        assert [link.request for link in scene.dial.links] == [b"devs", b"off"]
        assert (await scene.exchanger.ask(shot("m", request=b"devs"))).outcome == "ok"

    play(story)


@pytest.mark.parametrize("by_limit", [True, False])
def test_when_this_machine_is_full_the_rest_waits_and_all_are_told(by_limit: bool) -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: OK, Limits(open_max=10) if by_limit else None)
        scene.dial.room = 1 << 30 if by_limit else 10

        scene.exchanger.fire([shot(f"m{at}") for at in range(95)], scene.done)
        await asyncio.sleep(1)

        assert [answer.outcome for _, answer in scene.answers] == ["ok"] * 95
        assert len(scene.dial.links) == 95

    play(story)


def test_a_poll_that_finds_no_room_says_nothing_about_the_miner() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: OK)
        scene.dial.room = 0

        answer = await scene.exchanger.ask(shot("m"))

        assert answer.outcome == "preempted"
        assert "no descriptor" in answer.detail

    play(story)


def test_polls_are_told_to_give_way_until_repeats_are_over() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: MUTE)
        before = scene.exchanger.firing

        scene.exchanger.fire([shot("m")], scene.done)
        during = scene.exchanger.firing
        await asyncio.sleep(0.15)

        assert (before, during, scene.exchanger.firing) == (False, True, False)

    play(story)


def test_whoever_is_told_may_fire_again_at_once() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: OK)

        def again(answer: Answer) -> None:
            scene.exchanger.fire([shot("m", request=b"again")], scene.done)

        scene.exchanger.fire([shot("m")], again)
        await asyncio.sleep(1)

        assert [link.request for link in scene.dial.links] == [b"off", b"again"]
        assert len(scene.answers) == 1

    play(story)


def test_closing_resets_everything_and_tells_nobody() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: MUTE)
        scene.exchanger.fire([shot(f"m{at}") for at in range(100)], scene.done)
        poll = asyncio.ensure_future(scene.exchanger.ask(shot("p")))
        await asyncio.sleep(0.01)

        scene.exchanger.close()
        with pytest.raises(asyncio.CancelledError):
            await poll
        await asyncio.sleep(3)

        assert all(link.reset for link in scene.dial.links)
        assert scene.answers == []

    play(story)
