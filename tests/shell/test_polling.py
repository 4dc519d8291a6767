"""Polling one link: the schedule never drifts, slow rounds give way, and a lost meter is proven before it is read."""

import asyncio
from collections.abc import Callable

from agent.shell.lateness import Lateness
from agent.shell.polling import LinkPoller, PolledMeter
from drivers.errors import Garbled, Silent
from drivers.modbus.meter import BlockRead, Proof, Proved
from tests.shell.virtual import MS, Ears, Since, run
from tests.sim.clock import VirtualClock

NOTHING = BlockRead((), (), 0, 0, 0)


class Meter:
    """A reader that takes a while, and fails or is another device when told to."""

    def __init__(self, clock: VirtualClock, name: str = "main") -> None:
        self._since = Since(clock)
        self.name = name
        self.calls: list[tuple[float, str]] = []
        self.fast_s = 0.002
        self.slow_s = 0.004
        self.fails: Callable[[float], bool] = lambda ms: False
        self.garbles = False
        self.wrong = False

    async def probe(self) -> Proved:
        await self._call("probe", self.fast_s)
        return Proved(Proof.WRONG if self.wrong else Proof.PROVEN, "4711")

    async def read_fast(self) -> BlockRead:
        return await self._call("fast", self.fast_s)

    async def read_slow(self) -> BlockRead:
        return await self._call("slow", self.slow_s)

    def forget_refusals(self) -> None:
        self.calls.append((self._since.ms(), "forget"))

    async def _call(self, what: str, takes_s: float) -> BlockRead:
        at = self._since.ms()
        self.calls.append((at, what))
        await asyncio.sleep(takes_s)
        if self.fails(at):
            raise Garbled(self.name, "noise") if self.garbles else Silent(self.name, "no answer")
        return NOTHING

    def times(self, what: str) -> list[float]:
        return [at for at, called in self.calls if called == what]


def polled(meter: Meter, fast_ms: int = 20, slow_ms: int = 1000) -> PolledMeter:
    return PolledMeter(meter.name, meter, fast_ms * MS, slow_ms * MS)


def start(clock: VirtualClock, ears: Ears, *meters: PolledMeter) -> LinkPoller:
    poller = LinkPoller(meters, ears, clock)
    poller.task = asyncio.get_running_loop().create_task(poller.run(), name="poll")  # type: ignore[attr-defined]
    return poller


def test_fast_rounds_keep_their_slots_whatever_a_round_takes() -> None:
    async def story(clock: VirtualClock) -> None:
        meter, ears = Meter(clock), Ears(clock)
        poller = start(clock, ears, polled(meter))

        await asyncio.sleep(0.999)

        assert [round(at) for at in meter.times("fast")][1:] == list(range(20, 1000, 20))
        assert (poller.turns[0].rounds, poller.turns[0].skipped) == (50, 0)
        assert poller.turns[0].lateness.worst_ns < MS / 1_000

    run(story)


def test_a_round_that_takes_too_long_skips_slots_and_is_back_on_schedule_after() -> None:
    async def story(clock: VirtualClock) -> None:
        meter, ears = Meter(clock), Ears(clock)
        poller = start(clock, ears, polled(meter))
        await asyncio.sleep(0.199)
        meter.fast_s = 0.050
        await asyncio.sleep(0.002)
        meter.fast_s = 0.002

        await asyncio.sleep(0.1)

        assert [round(at) for at in meter.times("fast")][9:13] == [180, 200, 260, 280]
        assert poller.turns[0].skipped == 2

    run(story)


def test_slow_rounds_fit_between_two_fast_slots() -> None:
    async def story(clock: VirtualClock) -> None:
        meter, ears = Meter(clock), Ears(clock)
        meter.slow_s = 0.015
        start(clock, ears, polled(meter))

        await asyncio.sleep(10.49)

        assert len(meter.times("slow")) == 11
        assert all(at % 20 < 5 for at in meter.times("slow"))
        assert [round(at) for at in meter.times("fast")[1:]] == list(range(20, 10_500, 20))

    run(story)


def test_a_slow_round_that_never_fits_goes_after_five_periods_and_makes_one_fast_round_late() -> None:
    async def story(clock: VirtualClock) -> None:
        meter, ears = Meter(clock), Ears(clock)
        meter.slow_s = 0.030
        poller = start(clock, ears, polled(meter))

        await asyncio.sleep(30.5)

        assert 4 <= len(meter.times("slow")) <= 7, "the first, and then one about every five seconds"
        assert 11 * MS < poller.turns[0].lateness.worst_ns < 15 * MS
        assert poller.turns[0].skipped == 0

    run(story)


def test_meters_of_one_link_take_turns_and_the_slow_one_keeps_its_own_pace() -> None:
    async def story(clock: VirtualClock) -> None:
        main, incomer, ears = Meter(clock, "main"), Meter(clock, "incomer"), Ears(clock)
        start(clock, ears, polled(main, 20), polled(incomer, 100))

        await asyncio.sleep(1.01)

        assert len(main.times("fast")) == 51
        assert len(incomer.times("fast")) == 11

    run(story)


def test_an_error_posts_itself_and_nothing_else_and_the_next_slot_is_tried() -> None:
    async def story(clock: VirtualClock) -> None:
        meter, ears = Meter(clock), Ears(clock)
        meter.fails = lambda ms: 30 < ms < 50
        start(clock, ears, polled(meter))

        await asyncio.sleep(0.1)

        assert [told[1] for told in ears.heard if told[1] != "slow"] == ["fast", "fast", "Silent", "fast", "fast"]
        assert len(meter.times("probe")) == 1

    run(story)


def test_a_meter_alone_on_its_link_is_tried_at_every_slot_and_proven_before_it_is_read_again() -> None:
    async def story(clock: VirtualClock) -> None:
        meter, ears = Meter(clock), Ears(clock)
        meter.fails = lambda ms: 90 < ms < 990
        start(clock, ears, polled(meter))

        await asyncio.sleep(1.1)

        tries = [at for at, _ in meter.calls if 90 < at < 990]
        assert len(tries) == 45, "every slot of it"
        assert [called for at, called in meter.calls if called != "slow" and 990 < at < 1_030] == [
            "probe",
            "forget",
            "fast",
            "fast",
        ]

    run(story)


def test_a_lost_meter_does_not_take_the_slots_of_the_others_on_its_link() -> None:
    async def story(clock: VirtualClock) -> None:
        main, dead, ears = Meter(clock, "main"), Meter(clock, "dead"), Ears(clock)
        start(clock, ears, polled(main), polled(dead))
        await asyncio.sleep(0.1)
        dead.fails = lambda ms: True
        dead.fast_s = 0.25

        await asyncio.sleep(20)

        tried_at = [at for at, _ in dead.calls if at > 3_000]
        assert len(tried_at) <= 4, "by then it is tried every 5 s"
        assert len(main.times("fast")) > 880

    run(story)


def test_another_device_at_the_meters_address_is_never_read() -> None:
    async def story(clock: VirtualClock) -> None:
        meter, ears = Meter(clock), Ears(clock)
        meter.wrong = True
        start(clock, ears, polled(meter))

        await asyncio.sleep(11)

        assert [(round(at), called) for at, called in meter.calls] == [
            (0, "probe"),
            (5_020, "probe"),
            (10_040, "probe"),
        ]
        assert ears.kinds() == ["WrongDevice"] * 3

    run(story)


def test_noise_alone_is_no_other_device() -> None:
    async def story(clock: VirtualClock) -> None:
        meter, ears = Meter(clock), Ears(clock)
        meter.garbles = True
        meter.fails = lambda ms: 90 < ms < 190
        start(clock, ears, polled(meter))

        await asyncio.sleep(0.3)

        assert [told[1] for told in ears.heard if 190 < float(str(told[0])) < 230] == ["fast", "fast"]

    run(story)


def test_refused_registers_are_asked_for_again_every_five_minutes() -> None:
    async def story(clock: VirtualClock) -> None:
        meter, ears = Meter(clock), Ears(clock)
        start(clock, ears, polled(meter, 200))

        await asyncio.sleep(601)

        assert [round(at / 1_000) for at in meter.times("forget")] == [0, 300, 600]

    run(story)


def test_lateness_tells_the_share_of_the_newest() -> None:
    lateness = Lateness(kept_max=100)
    empty = lateness.percentile_ns(99)
    for late_ns in [10_000, *range(1, 101), -5]:
        lateness.add(late_ns)

    assert empty == 0
    assert (lateness.percentile_ns(50), lateness.percentile_ns(99), lateness.percentile_ns(100)) == (50, 99, 100)
    assert lateness.worst_ns == 10_000
