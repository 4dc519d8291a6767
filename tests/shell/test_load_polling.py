"""Polling the loads: evenly, few at once, after a write until it is sure, and never in a volley's way."""

import asyncio
from collections.abc import Callable

from msgspec import structs

from agent.core.image import Outcome
from agent.shell.load_polling import LoadPoller, PolledLoad
from agent.shell.volley import Target
from drivers.miners.client import Shot
from drivers.miners.dialect import Framing, Poll, Request, Seen, State, maybe_read
from tests.shell.virtual import MS, Ears, Wire, WordDialect, run
from tests.sim.clock import VirtualClock


class Writer:
    """The volley, as far as polling knows it."""

    def __init__(self) -> None:
        self.told: list[Callable[[str, int], None]] = []
        self.reads: list[tuple[str, str | None]] = []

    def on_turned_away(self, callback: Callable[[str], None]) -> None:
        self.turned_away = callback

    def on_sent(self, callback: Callable[[str, int], None]) -> None:
        self.told.append(callback)

    def seen(self, load_id: str, state: State, taken_ns: int) -> None:
        self.reads.append((load_id, state.step))


class Rig:
    def __init__(
        self, clock: VirtualClock, loads: int, *, poll_s: int = 10, dialect: WordDialect | None = None
    ) -> None:
        self.clock = clock
        self.wire = Wire(clock)
        self.ears = Ears(clock)
        self.writer = Writer()
        targets = [Target(f"m{number}", "127.1.0.1", 4028, dialect or WordDialect()) for number in range(loads)]
        poller = LoadPoller(
            [PolledLoad(target, poll_s * 1_000 * MS) for target in targets],
            self.wire,  # type: ignore[arg-type]
            self.ears,
            clock,
            self.writer,
        )
        self.running = asyncio.get_running_loop().create_task(poller.run(), name="polls")

    def sent(self, load: str) -> None:
        for callback in self.writer.told:
            callback(load, self.clock.monotonic_ns())

    def asked(self, load: str, after_ms: float = 0) -> list[float]:
        return [at for at, key in self.wire.asked if key == load and at >= after_ms]


def test_the_first_round_is_as_quick_as_thirty_two_at_once_can_be() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 320)
        rig.wire.takes_s = 0.1

        await asyncio.sleep(1.05)

        assert rig.wire.asking_max == 32
        assert {str(told[2]) for told in rig.ears.heard} == {f"m{number}" for number in range(320)}

    run(story)


def test_after_the_first_round_the_polls_lie_evenly_over_the_period() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 100)

        await asyncio.sleep(40.05)

        per_100_ms = [sum(at <= asked < at + 100 for asked, _ in rig.wire.asked) for at in range(10_000, 40_000, 100)]
        assert set(per_100_ms) == {1}
        assert rig.asked("m42", 1_000) == [4_200, 14_200, 24_200, 34_200]

    run(story)


def test_a_load_that_was_told_something_is_looked_at_after_1_2_5_and_15_seconds() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 10, poll_s=1_000)
        await asyncio.sleep(1)
        rig.sent("m0")

        await asyncio.sleep(50)

        assert rig.asked("m0", 1) == [2_000, 3_000, 6_000, 16_000]

    run(story)


def test_a_newer_write_has_checks_of_its_own_and_ends_those_of_the_older() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 10, poll_s=1_000)
        await asyncio.sleep(1)
        rig.sent("m0")
        await asyncio.sleep(3)
        rig.sent("m0")

        await asyncio.sleep(50)

        assert rig.asked("m0", 1) == [2_000, 3_000, 5_000, 6_000, 9_000, 19_000]

    run(story)


def test_polls_give_way_while_a_volley_is_out() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 100)
        await asyncio.sleep(5.001)
        rig.wire.firing = True
        await asyncio.sleep(1)
        rig.wire.firing = False
        await asyncio.sleep(1)

        during = [at for at, _ in rig.wire.asked if 5_002 < at < 6_000]
        assert during == []
        assert len([at for at, _ in rig.wire.asked if 6_000 <= at < 6_050]) >= 10, "what was due is made up for"

    run(story)


def test_checks_of_a_volley_to_thousands_never_pile_up() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 2_000, poll_s=1_000)
        rig.wire.takes_s = 0.064
        await asyncio.sleep(10)
        for number in range(2_000):
            rig.sent(f"m{number}")

        await asyncio.sleep(14)

        # 32 at once of 64 ms each ask 500 a second: 2,000 take 4 s, and the check after 2 s comes too soon for most.
        most = max(len(rig.asked(f"m{number}", 10_000)) for number in range(2_000))
        assert most <= 3
        assert all(rig.asked(f"m{number}", 15_000) for number in range(2_000)), "each is looked at after 5 s or later"

    run(story)


def test_a_load_is_never_asked_twice_at_once() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 1, poll_s=1)
        rig.wire.takes_s = 3.5
        rig.sent("m0")

        await asyncio.sleep(20)

        assert rig.wire.asking_max == 1
        assert len(rig.wire.asked) >= 4

    run(story)


def test_every_way_to_fail_is_told_as_itself() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 4)
        said = {
            "m0": ("ok", b"state off"),
            "m1": ("silent", b""),
            "m2": ("unreachable", b""),
            "m3": ("ok", b"rubbish !"),
        }
        rig.wire.says = lambda shot: said[shot.key]

        await asyncio.sleep(0.5)

        assert {told[1:] for told in rig.ears.heard} == {
            ("read", "m0", "off"),
            ("failed", "m1", Outcome.SILENT),
            ("failed", "m2", Outcome.UNREACHABLE),
            ("failed", "m3", Outcome.GARBLED),
        }
        assert rig.writer.reads == [("m0", "off")]

    run(story)


def test_a_poll_that_a_volley_ended_tells_nothing_and_is_made_again_once() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 1, poll_s=1_000)
        answers = iter([("preempted", b""), ("preempted", b""), ("ok", b"state off"), ("ok", b"state off")])
        rig.wire.says = lambda shot: next(answers)

        await asyncio.sleep(900)

        assert rig.ears.kinds() == ["read"]
        assert rig.asked("m0") == [0, 201, 402]

    run(story)


def test_the_requests_of_one_poll_follow_one_another_and_end_with_the_first_that_fails() -> None:
    async def story(clock: VirtualClock) -> None:
        dialect = WordDialect()
        dialect.polls = 3
        rig = Rig(clock, 2, poll_s=1_000, dialect=dialect)
        replies = {"m0": [b"state on"] * 3, "m1": [b"state on"]}

        def says(shot: Shot) -> tuple[str, bytes]:
            return ("ok", replies[shot.key].pop()) if replies[shot.key] else ("silent", b"")

        rig.wire.says = says
        await asyncio.sleep(1)

        assert rig.asked("m0") == [0, 1, 2]
        assert rig.asked("m1") == [0, 1]
        assert sorted(map(str, rig.ears.kinds())) == ["failed", "read"]

    run(story)


def test_a_load_that_turned_us_away_is_asked_at_once() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 2)
        await asyncio.sleep(3)

        rig.writer.turned_away("m0")
        await asyncio.sleep(0.01)

        assert len(rig.asked("m0", after_ms=3000)) == 1
        assert rig.asked("m1", after_ms=3000) == []

    run(story)


class Doubtful(WordDialect):
    """Asks twice; does without an answer to the first."""

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        first = yield from maybe_read(Request(b"first", port=80, framing=Framing.HTTP, answer_ns=7))
        heard = yield Request(b"state")
        state = self.decode_state([heard.raw], now_ns)
        return structs.replace(state, detail="" if first is None else "first")


def test_a_read_that_may_fail_does_not_end_the_poll_and_goes_to_its_own_port() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, 1, dialect=Doubtful())
        shots: list[Shot] = []

        def says(shot: Shot) -> tuple[str, bytes]:
            shots.append(shot)
            return ("ok", b"state on") if shot.request == b"state" else ("silent", b"")

        rig.wire.says = says
        await asyncio.sleep(0.5)

        assert [(shot.port, shot.framing, shot.answer_ns) for shot in shots] == [
            (80, Framing.HTTP, 7),
            (4028, Framing.NUL, 0),
        ]
        assert [told[1:] for told in rig.ears.heard] == [("read", "m0", "on")]

    run(story)
