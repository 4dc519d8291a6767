"""Switchgear on virtual time: what goes to the coils, what is never written, and when a PLC counts as stopped."""

import asyncio
from collections.abc import Callable

import pytest

from agent.core.image import Outcome
from agent.core.setpoint import Setpoint
from agent.shell.switching import CLOSED, OPEN, Contactor, Plc, Switchgear, feedback
from drivers.errors import Refused, Silent
from drivers.modbus.link import Link
from drivers.modbus.meter import BlockRead
from drivers.modbus.plc import PlcWriter
from drivers.profile import load_profile
from drivers.sample import Sample
from tests.drivers.modbus.fakes import SILENT, FakeTransport
from tests.shell.virtual import MS, Ears, run
from tests.sim.clock import VirtualClock

UNIT = 20
EAST = Contactor("east", "gear", "k1", "k1_52a", "k1_52b")
WEST = Contactor("west", "gear", "k2", "k2_52a")
FAR = Contactor("far", "gear", "k9", "k9_52a")


class Rig:
    """A switchgear with one PLC, whose wire does as it is told."""

    def __init__(self, clock: VirtualClock, *, observe: bool = False) -> None:
        self.clock = clock
        self.ears = Ears(clock)
        self.wire = FakeTransport()
        self.beats = 0
        self.local = False
        self.wanted: dict[str, str] = {}
        writer = PlcWriter(Link(self.wire, clock.monotonic_ns, lambda: 0.0), UNIT, load_profile("contactors-16"))
        self.gear = Switchgear(
            [Plc("gear", writer, 500 * MS)],
            [EAST, WEST, FAR],
            self.ears,
            clock,
            observe=observe,
            beats=lambda: self.beats,
            wanted=self.wanted.get,
            local=lambda plc: self.local,
        )
        self.task = asyncio.get_running_loop().create_task(self.gear.run(), name="gear")

    def fire(self, step: str, *contactors: Contactor) -> list[str]:
        """Why each was held."""
        self.wanted |= {contactor.id: step for contactor in contactors}
        setpoints = [Setpoint(contactor.id, step, 0.0, lowers=step == OPEN) for contactor in contactors]
        return [held.why for held in self.gear.fire(setpoints)]

    def shows(self, *, echo: float = 0.0, counter: float | None = None, **bits: float) -> None:
        """The PLC is read."""
        now_ns = self.clock.monotonic_ns()
        signs = {"heartbeat_echo": echo, "plc_counter": float(now_ns) if counter is None else counter}
        samples = tuple(Sample(name, value) for name, value in {**signs, **bits}.items())
        self.gear.meter_read("gear", BlockRead(samples, (), now_ns, now_ns, now_ns), True)

    def coils(self) -> list[tuple[int, tuple[int, ...]]]:
        return [(at, values) for _, table, at, values in self.wire.writes if table == "coil"]

    def beats_written(self) -> list[int]:
        return [values[0] for _, table, at, values in self.wire.writes if (table, at) == ("holding", 0)]

    def answers(self, contactor: Contactor = EAST) -> list[Outcome]:
        return [told[4] for told in self.ears.heard if told[1:3] == ("answered", contactor.id)]  # type: ignore[misc]

    def seen(self) -> list[tuple[object, ...]]:
        return [told[1:] for told in self.ears.heard]


def test_opening_writes_the_coil_and_tells_what_came_of_it() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)

        assert rig.fire(OPEN, EAST) == []
        await asyncio.sleep(0.05)

        assert rig.wire.writes == [(UNIT, "coil", 0, (0,))]
        assert rig.seen() == [("sent", "east", "open"), ("answered", "east", "open", Outcome.OK)]

    run(story)


def test_coils_side_by_side_go_in_one_frame() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)

        rig.fire(OPEN, FAR, WEST, EAST)
        await asyncio.sleep(0.05)

        assert rig.coils() == [(0, (0, 0)), (8, (0,))]

    run(story)


def test_nothing_is_closed_over_a_plc_that_was_not_read() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)

        assert rig.fire(CLOSED, EAST) == ["failed"]
        rig.shows()
        assert rig.fire(CLOSED, EAST) == []
        await asyncio.sleep(0.05)
        rig.gear.meter_failed("gear", Silent("gear", "no answer"))
        assert rig.fire(CLOSED, WEST) == ["failed"]

        assert rig.coils() == [(0, (1,))]

    run(story)


def test_a_newer_setpoint_takes_the_place_of_one_under_way() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.shows()
        rig.fire(CLOSED, EAST)
        await asyncio.sleep(0.002)
        rig.fire(OPEN, EAST)
        await asyncio.sleep(0.05)

        assert rig.coils() == [(0, (1,)), (0, (0,))]
        assert rig.answers() == [Outcome.OK]
        assert rig.ears.heard[-1][3] == OPEN

    run(story)


def test_an_opening_that_timed_out_is_read_back_and_then_repeated() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.wire.sayings.extend([SILENT, (1,)])  # the write; the coil, still set

        rig.fire(OPEN, EAST)
        await asyncio.sleep(1.0)

        assert rig.coils() == [(0, (0,)), (0, (0,))]
        assert [read[1:] for read in rig.wire.reads] == [("coil", 0, 1)]
        assert rig.answers() == [Outcome.SILENT, Outcome.OK]

    run(story)


def test_an_opening_that_was_done_after_all_is_not_repeated() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.wire.sayings.extend([SILENT, (0,)])

        rig.fire(OPEN, EAST)
        await asyncio.sleep(1.0)

        assert rig.coils() == [(0, (0,))]
        assert rig.answers() == [Outcome.SILENT, Outcome.OK]

    run(story)


def test_an_opening_is_repeated_only_while_the_core_wants_it() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.wire.sayings.append(SILENT)

        rig.fire(OPEN, EAST)
        rig.wanted.clear()
        await asyncio.sleep(20)

        assert rig.coils() == [(0, (0,))]

    run(story)


def test_a_closing_that_timed_out_is_not_repeated_and_waits_for_feedback_that_agrees() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.shows()
        rig.wire.sayings.append(SILENT)

        rig.fire(CLOSED, EAST)
        await asyncio.sleep(1.0)

        assert rig.coils() == [(0, (1,))]
        assert rig.answers() == [Outcome.SILENT]
        assert rig.fire(CLOSED, EAST) == ["unknown"]
        rig.shows(k1_52a=0.0, k1_52b=1.0)
        assert rig.fire(CLOSED, EAST) == ["unknown"]
        rig.shows(k1_52a=0.0, k1_52b=1.0)
        assert rig.fire(CLOSED, EAST) == []

    run(story)


def test_a_refused_opening_is_told_and_not_repeated() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.wire.sayings.append(Refused("gear", 4, "device fault"))

        rig.fire(OPEN, EAST)
        await asyncio.sleep(20)

        assert rig.answers() == [Outcome.REFUSED]
        assert len(rig.coils()) == 1

    run(story)


def test_in_observe_nothing_is_written() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock, observe=True)
        rig.shows()

        assert rig.fire(OPEN, EAST) == ["observe"]
        rig.beats = 1
        await asyncio.sleep(5)

        assert rig.wire.writes == []

    run(story)


def test_in_local_only_the_heartbeat_is_written() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(0.001)
        rig.local = True
        rig.shows()

        assert rig.fire(OPEN, EAST) == ["local"]
        rig.beats = 1
        await asyncio.sleep(0.6)

        assert rig.wire.writes == [(UNIT, "holding", 0, (1,))]

    run(story)


def test_the_heartbeat_follows_the_control_loops_beats_and_not_time() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        await asyncio.sleep(0.001)
        rig.shows(echo=41.0)
        for _ in range(19):
            rig.beats += 1
            await asyncio.sleep(0.1)
        assert rig.beats_written() == [42, 43, 44]

        await asyncio.sleep(10)  # one more for what the loop did since the last, and no other

        assert rig.beats_written() == [42, 43, 44, 45]

    run(story)


def test_the_heartbeat_skips_nought_and_waits_until_the_plc_was_read() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.beats = 1
        await asyncio.sleep(2.1)
        assert rig.beats_written() == []

        for beat in range(2, 4):
            rig.shows(echo=65534.0)
            rig.beats = beat
            await asyncio.sleep(0.5)

        assert rig.beats_written() == [65535, 1]

    run(story)


@pytest.mark.parametrize(
    ("stands", "said"), [("echo", "the echo of the heartbeat stands"), ("counter", "its own counter stands")]
)
def test_a_plc_whose_sign_of_life_stands_still_for_2_s_has_stopped_until_it_moves(stands: str, said: str) -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        rig.shows(k1_52a=1.0, k1_52b=0.0)
        shown: Callable[[int], None] = lambda at: rig.shows(  # noqa: E731
            echo=7.0 if stands == "echo" else float(at),
            counter=7.0 if stands == "counter" else None,
            k1_52a=1.0,
            k1_52b=0.0,
        )
        for at in range(1, 20):
            rig.beats += 1
            shown(at)
            await asyncio.sleep(0.1)
        assert rig.gear.stopped("gear") == ""

        rig.beats += 1
        for at in range(20, 30):
            shown(at)
            await asyncio.sleep(0.1)

        assert rig.gear.stopped("gear").startswith(said)
        assert rig.seen()[-1] == ("failed", "far", Outcome.SILENT)
        assert ("Silent", "gear") in rig.seen()
        assert rig.fire(CLOSED, EAST) == ["failed"]
        assert rig.fire(OPEN, EAST) == []

        rig.shows(echo=99.0, k1_52a=1.0, k1_52b=0.0)

        assert rig.gear.stopped("gear") == ""

    run(story)


def test_without_beats_of_ours_a_still_echo_says_nothing() -> None:
    async def story(clock: VirtualClock) -> None:
        rig = Rig(clock)
        for _ in range(50):
            rig.shows(echo=7.0)
            await asyncio.sleep(0.1)

        assert rig.gear.stopped("gear") == ""

    run(story)


@pytest.mark.parametrize(
    ("closed", "is_open", "step"),
    [(1.0, 0.0, CLOSED), (0.0, 1.0, OPEN), (1.0, 1.0, None), (0.0, 0.0, None), (None, 1.0, None), (1.0, None, None)],
)
def test_a_contactor_is_where_both_contacts_say(closed: float | None, is_open: float | None, step: str | None) -> None:
    assert feedback(EAST, {"k1_52a": closed, "k1_52b": is_open}).step == step


@pytest.mark.parametrize(("closed", "step"), [(1.0, CLOSED), (0.0, OPEN), (None, None)])
def test_with_one_contact_that_one_is_believed(closed: float | None, step: str | None) -> None:
    assert feedback(WEST, {"k2_52a": closed}).step == step
