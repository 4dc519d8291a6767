"""Conversations under virtual time: two round trips, sessions that are always ended, and who is turned away."""

import asyncio
from collections.abc import Sequence

import pytest

from drivers.miners.client import Answer, Limits, Shot
from drivers.miners.luxos import LuxosDialect
from tests.drivers.miners.network import LOST, MS, MUTE, Link, Scene, Script, play
from tests.sim.loop import VirtualLoop

LUXOS = LuxosDialect()
LOGON = b'{"command":"logon"}'
SLEEP = b'{"command":"curtail","parameter":"yJN2nlj1,sleep"}'
WAKEUP = b'{"command":"curtail","parameter":"yJN2nlj1,wakeup"}'
LOGOFF = b'{"command":"logoff","parameter":"yJN2nlj1"}'


def says(code: int, words: str, section: str = "", letter: str = "S") -> Script:
    status = f'"STATUS":[{{"STATUS":"{letter}","When":1,"Code":{code},"Msg":"{words}","Description":"LUXminer"}}]'
    return Script(reply=f'{{{section}{status},"id":1}}\0'.encode())


OPENED = says(316, "Session created", '"SESSION":[{"SessionID":"yJN2nlj1"}],')
TAKEN = says(335, "Curtailment command sent", '"CURTAIL":[{"Action":"sleep mode"}],')
ENDED = says(317, "Session dropped")
BUSY = says(402, "Another session is active", letter="E")
LOST_SESSION = says(499, "Invalid session", letter="E")
REFUSED = says(433, "Not allowed now", letter="E")


def told(step: str, host: str = "m") -> Shot:
    return Shot(host, host, 4028, LOGON, step == "off", 0, LUXOS.conversation(step))


def requests(links: Sequence[Link]) -> list[bytes]:
    return [link.request for link in links]


def scene_of(loop: VirtualLoop, *plays: Script, limits: Limits | None = None) -> Scene:
    return Scene(loop, lambda host, nth: plays[min(nth, len(plays) - 1)], limits)


def test_a_miner_is_logged_on_to_told_and_logged_off_from_on_a_connection_each() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, TAKEN, ENDED)

        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(1)

        assert requests(scene.dial.links) == [LOGON, SLEEP, LOGOFF]
        assert scene.opened_ms("m") == [0, 2, 4]
        [(at, answer)] = scene.answers
        assert (at, answer.outcome, answer.reply) == (4, "ok", TAKEN.reply)
        assert answer.sent_ns == scene.began_ns + 3 * MS
        assert answer.opened_ns == scene.began_ns
        assert scene.dial.open_now == 0
        assert not scene.exchanger.firing

    play(story)


def test_everybody_is_logged_on_to_before_anybody_is_told_and_told_before_anybody_is_logged_off_from() -> None:
    async def story(loop: VirtualLoop) -> None:
        def plays(host: str, nth: int) -> Script:
            script = (OPENED, TAKEN, ENDED)[nth]
            return Script(connects=0, answers=1, reply=script.reply)

        scene = Scene(loop, plays)

        scene.exchanger.fire([told("off", f"m{at}") for at in range(1000)], scene.done)
        await asyncio.sleep(1)

        assert requests(scene.dial.links) == [LOGON] * 1000 + [SLEEP] * 1000 + [LOGOFF] * 1000
        assert len(scene.answers) == 1000
        assert {answer.outcome for _, answer in scene.answers} == {"ok"}

    play(story)


def test_a_slow_logon_keeps_nobody_else_from_being_told() -> None:
    async def story(loop: VirtualLoop) -> None:
        hung = {"m3"}
        scene = Scene(loop, lambda host, nth: MUTE if host in hung else (OPENED, TAKEN, ENDED)[nth])

        scene.exchanger.fire([told("off", f"m{at}") for at in range(9)], scene.done)
        await asyncio.sleep(0.1)

        assert len(scene.answers) == 8
        assert {at for at, _ in scene.answers} == {4}
        assert requests(scene.dial.to("m3")) == [LOGON]

    play(story)


def test_a_logon_that_was_written_is_never_repeated_and_without_its_answer_nothing_was_told() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, MUTE)

        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON]
        [(at, answer)] = scene.answers
        assert (at, answer.outcome, answer.sent_ns, answer.reply) == (1500, "unreachable", None, b"")
        assert answer.detail == "no session: no answer"

    play(story)


@pytest.mark.parametrize("step", ["off", "on"])
def test_a_logon_that_never_left_is_tried_anew_and_its_older_connection_is_reset_first(step: str) -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, LOST, LOST, OPENED, TAKEN, ENDED)

        scene.exchanger.fire([told(step)], scene.done)
        await asyncio.sleep(3)

        assert scene.opened_ms("m") == [0, 30, 60, 62, 64]
        assert [link.request for link in scene.dial.links if link.request].count(LOGON) == 1
        assert [link.reset for link in scene.dial.links] == [True, True, False, False, False]
        assert scene.dial.links[0].closed_ns == scene.began_ns + 30 * MS

    play(story)


def test_a_curtailing_verb_is_hedged_in_its_session_and_the_session_is_ended_once() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, MUTE, MUTE, TAKEN, ENDED)

        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON, SLEEP, SLEEP, SLEEP, LOGOFF]
        assert scene.opened_ms("m") == [0, 2, 32, 62, 64]
        assert [answer.outcome for _, answer in scene.answers] == ["ok"]

    play(story)


def test_a_waking_verb_is_written_once_and_its_silence_is_unknown_and_its_session_is_ended() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, MUTE, ENDED)

        scene.exchanger.fire([told("on")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON, WAKEUP, LOGOFF]
        [(at, answer)] = scene.answers
        assert (at, answer.outcome) == (1502, "silent")
        assert answer.sent_ns == scene.began_ns + 3 * MS
        assert scene.opened_ms("m")[2] == 1502

    play(story)


def test_the_end_of_a_session_is_repeated_too_and_given_up_with_the_session_left_to_lapse() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, TAKEN, MUTE)

        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON, SLEEP] + [LOGOFF] * 4
        assert [answer.outcome for _, answer in scene.answers] == ["ok"]
        assert scene.dial.open_now == 0

    play(story)


def test_who_is_turned_away_by_another_session_asks_again_a_little_later() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, BUSY, BUSY, OPENED, TAKEN, ENDED)

        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON, LOGON, LOGON, SLEEP, LOGOFF]
        assert scene.opened_ms("m") == [0, 52, 154, 156, 158]
        assert [answer.outcome for _, answer in scene.answers] == ["ok"]

    play(story)


def test_who_is_turned_away_all_the_time_is_told_so_after_five_more_tries() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, BUSY)

        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(5)

        assert requests(scene.dial.links) == [LOGON] * 6
        [(at, answer)] = scene.answers
        assert (at, answer.outcome, answer.reply) == (6 * 2 + 1550, "ok", BUSY.reply)
        assert LUXOS.decode_answer("off", answer.reply).passes

    play(story)


def test_a_session_that_was_lost_before_the_verb_is_opened_anew_and_the_lost_one_is_ended_all_the_same() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, LOST_SESSION, ENDED, OPENED, TAKEN, ENDED)

        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON, SLEEP, LOGOFF, LOGON, SLEEP, LOGOFF]
        assert scene.opened_ms("m")[3] == 54
        assert [answer.outcome for _, answer in scene.answers] == ["ok"]
        assert scene.dial.open_now == 0

    play(story)


@pytest.mark.parametrize(
    "reply", [b"<html>\0", b'{"STATUS":[{"STATUS":"S","Code":316}],"SESSION":[{"SessionID":"a,b"}]}\0']
)
def test_an_opening_without_a_session_that_can_be_used_is_the_answer(reply: bytes) -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, Script(reply=reply))

        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON]
        [(_, answer)] = scene.answers
        assert LUXOS.decode_answer("off", answer.reply).outcome == "garbled"

    play(story)


def test_a_verb_that_is_refused_is_answered_so_and_its_session_is_ended() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, REFUSED, ENDED)

        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON, SLEEP, LOGOFF]
        [(_, answer)] = scene.answers
        verdict = LUXOS.decode_answer("off", answer.reply)
        assert (verdict.outcome, verdict.passes) == ("refused", False)

    play(story)


def test_what_replaces_a_setpoint_whose_logon_is_out_waits_for_that_logon_and_speaks_alone() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, Script(answers=40, reply=OPENED.reply), TAKEN, ENDED)
        older: list[Answer] = []

        scene.exchanger.fire([told("on")], older.append)
        await asyncio.sleep(0.02)
        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON, SLEEP, LOGOFF]
        assert older == []
        assert [(at, answer.outcome) for at, answer in scene.answers] == [(42, "ok")]

    play(story)


def test_what_replaces_a_setpoint_whose_session_is_open_goes_into_that_session_at_once() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, MUTE, TAKEN, ENDED)
        older: list[Answer] = []

        scene.exchanger.fire([told("on")], older.append)
        await asyncio.sleep(0.02)
        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON, WAKEUP, SLEEP, LOGOFF]
        assert [link.reset for link in scene.dial.links] == [False, True, False, False]
        assert scene.opened_ms("m") == [0, 2, 20, 22]
        assert older == []
        assert [answer.outcome for _, answer in scene.answers] == ["ok"]

    play(story)


def test_what_replaces_a_setpoint_that_waits_to_be_let_in_does_not_wait_with_it() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, BUSY, BUSY, BUSY, OPENED, TAKEN, ENDED)
        older: list[Answer] = []

        scene.exchanger.fire([told("on")], older.append)
        await asyncio.sleep(0.2)  # turned away at 2, 54 and 156 ms
        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON] * 4 + [SLEEP, LOGOFF]
        assert scene.opened_ms("m")[3:] == [200, 202, 204]
        assert older == []

    play(story)


def test_a_session_that_is_about_to_be_ended_is_used_by_who_comes_at_that_moment() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, TAKEN, TAKEN, ENDED)

        def once_more(answer: Answer) -> None:
            scene.exchanger.fire([told("on")], scene.done)

        scene.exchanger.fire([told("off")], once_more)
        await asyncio.sleep(3)

        assert requests(scene.dial.links) == [LOGON, SLEEP, WAKEUP, LOGOFF]
        assert len(scene.answers) == 1

    play(story)


def test_leaving_waits_for_the_conversations_that_are_out_and_for_the_ends_of_their_sessions() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, Script(answers=50, reply=TAKEN.reply), ENDED)
        scene.exchanger.fire([told("on")], scene.done)
        await asyncio.sleep(0.001)

        await scene.exchanger.leave()

        assert requests(scene.dial.links) == [LOGON, WAKEUP, LOGOFF]
        assert scene.dial.open_now == 0

    play(story)


def test_closing_in_the_middle_of_conversations_resets_them_and_begins_nothing_more() -> None:
    async def story(loop: VirtualLoop) -> None:
        plays = {"opening": [MUTE], "telling": [OPENED, MUTE], "away": [BUSY], "ending": [OPENED, TAKEN, MUTE]}
        scene = Scene(loop, lambda host, nth: plays[host][min(nth, len(plays[host]) - 1)])
        scene.exchanger.fire([told("on", host) for host in plays], scene.done)
        await asyncio.sleep(0.01)
        begun = len(scene.dial.links)

        scene.exchanger.close()
        await asyncio.sleep(3)

        assert len(scene.dial.links) == begun
        assert scene.dial.open_now == 0
        assert [answer.key for _, answer in scene.answers] == ["ending"]

    play(story)


def test_without_room_for_another_connection_a_verb_waits_for_it() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = Scene(loop, lambda host, nth: (OPENED, TAKEN, ENDED)[nth], Limits(open_max=2))

        scene.exchanger.fire([told("off", f"m{at}") for at in range(8)], scene.done)
        await asyncio.sleep(3)

        assert sorted(requests(scene.dial.links)) == sorted([LOGON, SLEEP, LOGOFF] * 8)
        assert len(scene.answers) == 8

    play(story)


def test_a_poll_is_answered_beside_a_session_that_is_being_ended() -> None:
    async def story(loop: VirtualLoop) -> None:
        scene = scene_of(loop, OPENED, TAKEN, Script(answers=100, reply=ENDED.reply), Script())
        scene.exchanger.fire([told("off")], scene.done)
        await asyncio.sleep(0.02)

        answer = await scene.exchanger.ask(Shot("m", "m", 4028, b"config"))

        assert answer.outcome == "ok"
        assert loop.now_ns == scene.began_ns + 22 * MS

    play(story)
