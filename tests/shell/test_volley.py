"""The volley: what goes out, what is held back, what is repeated, and when the board hears of it."""

import asyncio

from agent.core.image import Outcome
from agent.core.setpoint import Setpoint
from agent.shell.volley import Held, Target, Volley, worst
from drivers.miners.dialect import Seen, State
from drivers.miners.luxos import LuxosDialect, LuxosTalk
from tests.shell.virtual import MS, Ears, Wire, WordDialect, run
from tests.sim.clock import VirtualClock


def off(load: str) -> Setpoint:
    return Setpoint(load, "off", 25.0, "e", lowers=True)


def on(load: str) -> Setpoint:
    return Setpoint(load, "on", 3250.0, "e", lowers=False)


def state(step: str | None) -> State:
    return State(step, None, False, None, None)


class Rig:
    """A volley between stand-ins; the core wants everything off that it was told to put off."""

    def __init__(
        self, clock: VirtualClock, loads: int = 3, *, observe: bool = False, dialect: WordDialect | None = None
    ):
        self.clock = clock
        self.wire = Wire(clock)
        self.ears = Ears(clock)
        self.wanted: dict[str, str] = {}
        self.volley = Volley(
            self.wire,  # type: ignore[arg-type]
            self.ears,
            clock,
            [Target(f"m{number}", "127.1.0.1", 4028, dialect or WordDialect()) for number in range(loads)],
            observe=observe,
            wanted=self.wanted.get,
        )
        self.running = asyncio.get_running_loop().create_task(self.volley.run(), name="volley")

    def fire(self, *setpoints: Setpoint) -> tuple[Held, ...]:
        self.wanted |= {setpoint.load: setpoint.step for setpoint in setpoints if setpoint.lowers}
        return self.volley.fire(setpoints)

    async def answer(self, outcome: str, reply: bytes = b"") -> None:
        self.wire.answer(outcome, reply)
        await turns()

    def read(self, load: str, step: str | None) -> None:
        self.volley.seen(load, state(step), self.clock.monotonic_ns())


async def turns() -> None:
    """Let everything happen that happens at this instant."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_setpoint_goes_out_at_once_and_the_board_hears_sent_then_answered() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)

        held = rig.fire(off("m0"), off("m2"))
        gone = rig.wire.requests()
        await turns()
        await asyncio.sleep(0.1)
        await rig.answer("ok", b"ok")
        await rig.answer("ok", b"refused")

        assert held == ()
        assert gone == [("m0", b"set off"), ("m2", b"set off")]
        assert rig.ears.heard == [
            (0.0, "sent", "m0", "off"),
            (0.0, "sent", "m2", "off"),
            (100.0, "answered", "m0", "off", Outcome.OK),
            (100.0, "answered", "m2", "off", Outcome.REFUSED),
        ]

    run(story)


def test_in_observe_nothing_is_sent_and_everything_comes_back() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, observe=True)

        held = rig.fire(off("m0"), on("m1"))
        await asyncio.sleep(100)

        assert held == (Held(off("m0"), "observe"), Held(on("m1"), "observe"))
        assert rig.wire.fired == []
        assert rig.ears.heard == []

    run(story)


def test_answers_wait_until_the_bytes_of_the_volley_are_out_but_not_for_ever() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.wire.firing = True
        rig.fire(off("m0"), off("m1"))
        await rig.answer("ok", b"ok")
        await asyncio.sleep(0.1)
        early = rig.ears.kinds()

        rig.wire.firing = False
        await asyncio.sleep(0.005)
        after = rig.ears.kinds()
        rig.wire.firing = True
        await rig.answer("ok", b"ok")
        await asyncio.sleep(0.3)

        assert early == ["sent", "sent"]
        assert after == ["sent", "sent", "answered"]
        assert rig.ears.kinds() == ["sent", "sent", "answered", "answered"]

    run(story)


def test_the_newest_setpoint_of_a_load_speaks_for_it_and_the_older_ones_answer_is_ignored() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.fire(on("m0"))
        await turns()
        await asyncio.sleep(0.01)

        held = rig.fire(off("m0"))
        await rig.answer("ok", b"refused")
        await rig.answer("ok", b"ok")

        assert held == ()
        assert rig.ears.heard == [
            (0.0, "sent", "m0", "on"),
            (10.0, "sent", "m0", "off"),
            (10.0, "answered", "m0", "off", Outcome.OK),
        ]

    run(story)


def test_a_raise_is_never_hedged_and_a_lowering_always_may_be() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)

        rig.fire(off("m0"), on("m1"))

        assert [(shot.request, shot.hedge) for _, shot in rig.wire.fired] == [(b"set off", True), (b"set on", False)]

    run(story)


def test_a_raise_waits_for_the_answer_to_what_was_written_before() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.fire(off("m0"))
        await turns()

        early = rig.fire(on("m0"))
        await rig.answer("ok", b"ok")
        late = rig.fire(on("m0"))

        assert early == (Held(on("m0"), "unanswered"),)
        assert late == ()
        assert rig.wire.requests() == [("m0", b"set off"), ("m0", b"set on")]

    run(story)


def test_after_an_unknown_write_a_raise_waits_until_two_reads_agree_that_were_asked_after_it() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        asked_before_ns = clock.monotonic_ns()
        await asyncio.sleep(0.01)
        rig.fire(off("m0"))
        await asyncio.sleep(1.5)
        await rig.answer("silent")
        held: list[bool] = []

        def tried() -> None:
            held.append(bool(rig.volley.fire([on("m0")])))

        rig.volley.seen("m0", state("off"), asked_before_ns)
        rig.volley.seen("m0", state("off"), asked_before_ns)
        tried()
        rig.read("m0", "off")
        tried()
        rig.read("m0", "on")
        tried()
        rig.read("m0", None)
        tried()
        rig.read("m0", "on")
        tried()

        assert held == [True, True, True, True, False]

    run(story)


def test_a_lowering_of_unknown_effect_is_repeated_at_2_5_15_and_60_s_and_no_more() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.fire(off("m0"))
        await asyncio.sleep(0.5)
        for outcome, until_next_s in (("silent", 2), ("unreachable", 3), ("ok", 10), ("silent", 45), ("silent", 300)):
            await rig.answer(outcome, b"garbled")
            await asyncio.sleep(until_next_s)

        assert [at for at, _ in rig.wire.fired] == [0.0, 2_000.0, 5_000.0, 15_000.0, 60_000.0]
        assert {request for _, request in rig.wire.requests()} == {b"set off"}
        assert rig.ears.kinds() == ["sent", "answered"] * 5

    run(story)


def test_a_lowering_is_not_repeated_when_a_read_agrees_or_the_core_wants_it_no_more_or_it_was_acknowledged() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 5)
        rig.fire(*(off(f"m{number}") for number in range(5)))
        for outcome in ("silent", "silent", "silent", "ok", "silent"):
            await rig.answer(outcome, b"ok")
        await asyncio.sleep(0.1)
        rig.read("m0", "off")
        del rig.wanted["m1"]
        rig.wanted["m2"] = "lower"

        await asyncio.sleep(3)

        assert [key for at, (key, _) in zip(rig.wire.fired, rig.wire.requests(), strict=True) if at[0] > 0] == ["m4"]

    run(story)


def test_a_lowering_that_is_refused_is_repeated_only_when_the_refusal_passes_and_a_raise_never_is() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.fire(off("m0"), off("m1"), on("m2"))
        for reply in (b"busy", b"refused", b"busy"):
            await rig.answer("ok", reply)

        await asyncio.sleep(3)

        assert rig.wire.requests() == [("m0", b"set off"), ("m1", b"set off"), ("m2", b"set on"), ("m0", b"set off")]
        assert [told[2:] for told in rig.ears.heard if told[1] == "answered"] == [
            ("m0", "off", Outcome.REFUSED),
            ("m1", "off", Outcome.REFUSED),
            ("m2", "on", Outcome.REFUSED),
        ]

    run(story)


def test_a_poll_that_brings_what_a_verb_was_wanting_repeats_it_at_once() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        away: list[str] = []
        rig.volley.on_turned_away(away.append)
        rig.fire(off("m0"), off("m1"))
        for _ in range(2):
            await rig.answer("ok", b"busy")

        await asyncio.sleep(0.1)
        news = State("on", None, False, None, None, seen=Seen(verbs="new token"))
        rig.volley.seen("m0", news, clock.monotonic_ns())
        await asyncio.sleep(0.1)

        assert away == ["m0", "m1"]
        assert rig.wire.requests()[2:] == [("m0", b"set off")]

    run(story)


def test_a_load_that_was_told_nothing_for_want_of_a_session_may_be_raised_at_once() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.fire(on("m0"))
        await rig.answer("unreachable")

        assert rig.fire(on("m0")) == ()

    run(story)


def test_every_shot_carries_what_follows_its_request_in_that_family() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, dialect=LuxosDialect())  # type: ignore[arg-type]

        rig.fire(off("m0"), on("m1"))

        assert [(shot.request, shot.talk, shot.hedge) for _, shot in rig.wire.fired] == [
            (b'{"command":"logon"}', LuxosTalk("sleep"), True),
            (b'{"command":"logon"}', LuxosTalk("wakeup"), False),
        ]

    run(story)


def test_it_does_not_end_before_every_session_is() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await turns()

        rig.running.cancel()
        await asyncio.gather(rig.running, return_exceptions=True)

        assert rig.wire.left

    run(story)


def test_a_raise_of_unknown_effect_is_never_repeated() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.fire(on("m0"))
        await rig.answer("silent")

        await asyncio.sleep(100)

        assert len(rig.wire.fired) == 1

    run(story)


def test_a_load_whose_verbs_need_a_poll_is_not_prepared_before_it() -> None:
    async def story(clock: VirtualClock) -> None:
        dialect = WordDialect()
        dialect.needs_poll = True
        rig = Rig(clock, dialect=dialect)

        before = rig.volley.prepared("m0"), rig.fire(off("m0"))
        rig.read("m0", "on")
        after = rig.volley.prepared("m0"), rig.fire(off("m0"))

        assert before == (False, (Held(off("m0"), "unprepared"),))
        assert after == (True, ())

    run(story)


def test_verbs_that_perish_are_kept_fresh_and_never_sent_old() -> None:
    async def story(clock: VirtualClock) -> None:
        dialect = WordDialect()
        dialect.verb_good_ns = 2_000 * MS
        rig = Rig(clock, 200, dialect=dialect)
        for number in range(200):
            rig.read(f"m{number}", "on")

        def age_ms() -> int:
            return clock.monotonic_ns() // MS - int(rig.wire.fired[-1][1].request.split()[-1])

        await asyncio.sleep(33.3)
        rig.fire(off("m7"))
        kept_fresh_ms = age_ms()
        rig.running.cancel()
        await asyncio.sleep(33.3)
        rig.fire(off("m8"))

        assert 0 < kept_fresh_ms <= 1_000
        assert age_ms() == 0, "nothing kept it fresh any more, so it was made when it was fired"

    run(story)


def test_a_setpoint_of_several_requests_is_answered_when_the_last_of_them_is() -> None:
    async def story(clock: VirtualClock) -> None:
        dialect = WordDialect()
        dialect.verbs = 3
        rig = Rig(clock, dialect=dialect)
        rig.fire(off("m0"))
        await turns()
        for outcome in ("ok", "unreachable"):
            await rig.answer(outcome, b"ok")
        before = rig.ears.kinds()

        await rig.answer("ok", b"ok")

        assert [shot.part for _, shot in rig.wire.fired] == [0, 1, 2]
        assert before == ["sent"]
        assert rig.ears.heard[1:] == [(0.0, "answered", "m0", "off", Outcome.SILENT)]

    run(story)


def test_what_several_requests_come_to_together_is_the_least_that_is_known() -> None:
    ok, refused, silent = Outcome.OK, Outcome.REFUSED, Outcome.SILENT
    garbled, unreachable = Outcome.GARBLED, Outcome.UNREACHABLE

    assert worst([ok, ok]) is ok
    assert worst([ok, refused]) is refused
    assert worst([refused, garbled]) is garbled
    assert worst([garbled, silent]) is silent
    assert worst([unreachable, unreachable]) is unreachable
    assert worst([ok, unreachable]) is silent


def test_a_volley_to_thousands_is_told_to_the_board_in_slices_and_complete() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 4_000)
        rig.fire(*(off(f"m{number}") for number in range(4_000)))
        at_once = len(rig.ears.heard)
        await asyncio.sleep(0)
        after_one_turn = len(rig.ears.heard)
        while rig.wire.answers:
            rig.wire.answer("ok", b"ok")

        await asyncio.sleep(1)

        assert at_once == 0
        assert 0 < after_one_turn <= 256
        assert rig.ears.kinds().count("sent") == rig.ears.kinds().count("answered") == 4_000

    run(story)
