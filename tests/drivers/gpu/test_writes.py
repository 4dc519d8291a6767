"""Setpoints to GPUs: what goes out, what is held back, what is repeated. Time is a number, nothing runs."""

from itertools import count

import pytest

from agent.core.setpoint import Setpoint
from drivers.gpu.messages import FromClient, Health, Refusal, Set, SetDone
from drivers.gpu.steps import steps_of
from drivers.gpu.writes import ANSWER_S_MAX, Held, Writes
from tests.drivers.gpu.virtual import Ears, info

S = 1_000_000_000
STEPS = steps_of(info("u"), 350.0)
FLOOR = Setpoint("r/u", "floor", 350.0, "e", lowers=True)
FULL = Setpoint("r/u", "full", 700.0, "e", lowers=False)


class Rig:
    """Writes of one GPU, gpud there unless shut; the core wants what it was told last."""

    def __init__(self, *, observe: bool = False, prepared: bool = True) -> None:
        self.now_ns = 1000 * S
        self.ears = Ears()
        self.sent: list[Set] = []
        self.wanted: dict[str, str] = {}
        self.writes = Writes(
            self.ears,
            lambda: self.now_ns,
            count(1),
            gpu_of=lambda load: ("u", STEPS if prepared else ()),
            wanted=self.wanted.get,
            soon=lambda callback: self.soon.append(callback),
            observe=observe,
        )
        self.soon: list[object] = []
        self.writes.open(self.send)

    def send(self, message: FromClient) -> None:
        assert isinstance(message, Set)
        self.sent.append(message)

    def fire(self, setpoint: Setpoint) -> tuple[Held, ...]:
        self.wanted[setpoint.load] = setpoint.step
        held = self.writes.fire((setpoint,))
        self.turn()
        return held

    def turn(self) -> None:
        while self.soon:
            callback = self.soon.pop(0)
            assert callable(callback)
            callback()

    def answer(self, outcome: Health | Refusal, tried: bool = True) -> None:
        self.writes.answered(SetDone(self.sent[-1].id, "u", outcome, tried))

    def after(self, seconds: float) -> None:
        self.now_ns += round(seconds * S)
        self.writes.tick()
        self.turn()


def test_a_setpoint_is_the_limit_and_clocks_of_its_step_and_is_told_when_done() -> None:
    rig = Rig()

    assert rig.fire(FLOOR) == ()
    rig.answer("ok")

    assert rig.sent == [Set(1, "u", 350.0, STEPS[1].clocks)]
    assert rig.ears.heard == [("sent", "r/u", "floor"), ("ok", "r/u", "floor")]


def test_the_sink_hears_nothing_while_fire_runs() -> None:
    rig = Rig()

    rig.writes.fire((FLOOR,))

    assert rig.sent != []
    assert rig.ears.heard == []


@pytest.mark.parametrize(("observe", "prepared", "why"), [(True, True, "observe"), (False, False, "unprepared")])
def test_what_must_not_be_sent_comes_back(observe: bool, prepared: bool, why: str) -> None:
    rig = Rig(observe=observe, prepared=prepared)

    assert rig.fire(FLOOR) == (Held(FLOOR, why),)
    assert rig.sent == []


def test_a_raise_waits_for_an_answer_and_a_lowering_does_not() -> None:
    rig = Rig()
    rig.fire(FULL)

    assert rig.fire(FULL) == (Held(FULL, "unanswered"),)
    assert rig.fire(FLOOR) == ()
    assert [sent.limit_w for sent in rig.sent] == [700.0, 350.0]


def test_the_answer_to_an_older_setpoint_says_nothing_of_the_newer() -> None:
    rig = Rig()
    rig.fire(FULL)
    rig.fire(FLOOR)

    rig.writes.answered(SetDone(rig.sent[0].id, "u", "no_lease", False))

    assert rig.ears.heard == [("sent", "r/u", "full"), ("sent", "r/u", "floor")]


@pytest.mark.parametrize(
    ("outcome", "tried", "told"),
    [
        ("ok", True, "ok"),
        ("no_permission", True, "refused"),
        ("no_lease", False, "refused"),
        ("out_of_range", False, "refused"),
        ("read_back", True, "refused"),
        ("hung", True, "silent"),
        ("crashed", True, "silent"),
        ("hung", False, "unreachable"),
        ("lost", False, "unreachable"),
        ("no_library", False, "unreachable"),
    ],
)
def test_each_outcome_of_gpud_is_one_of_ours(outcome: Health | Refusal, tried: bool, told: str) -> None:
    rig = Rig()
    rig.fire(FLOOR)

    rig.answer(outcome, tried)

    assert rig.ears.heard[-1] == (told, "r/u", "floor")


def test_after_silence_a_raise_waits_until_two_reads_agree() -> None:
    rig = Rig()
    rig.fire(FLOOR)
    before_ns = rig.now_ns
    rig.answer("hung")

    rig.writes.seen("r/u", "floor", before_ns)  # no newer than the write
    assert rig.fire(FULL) == (Held(FULL, "unknown"),)
    rig.writes.seen("r/u", "floor", rig.now_ns + 1)
    rig.writes.seen("r/u", "full", rig.now_ns + 2)
    assert rig.fire(FULL) == (Held(FULL, "unknown"),)
    rig.writes.seen("r/u", "full", rig.now_ns + 3)
    assert rig.fire(FULL) == ()


def test_an_answer_that_does_not_come_is_silence() -> None:
    rig = Rig()
    rig.fire(FULL)

    rig.after(ANSWER_S_MAX + 0.1)

    assert rig.ears.heard[-1] == ("silent", "r/u", "full")


def test_a_lowering_setpoint_that_came_to_nothing_is_repeated_until_a_read_agrees() -> None:
    rig = Rig()
    rig.fire(FLOOR)
    rig.answer("lost", tried=False)
    times = []
    for _ in range(700):
        before = len(rig.sent)
        rig.after(0.1)
        if len(rig.sent) > before:
            times.append(round((rig.now_ns - 1000 * S) / S, 1))
            rig.answer("lost", tried=False)

    assert times == [2.0, 5.0, 15.0, 60.0]

    rig = Rig()
    rig.fire(FLOOR)
    rig.answer("lost", tried=False)
    rig.writes.seen("r/u", "floor", rig.now_ns + 1)
    rig.after(60)
    assert len(rig.sent) == 1


def test_what_the_core_does_not_want_any_more_and_raises_are_not_repeated() -> None:
    rig = Rig()
    rig.fire(FLOOR)
    rig.answer("lost", tried=False)
    rig.wanted.clear()
    rig.after(60)
    rig.fire(FULL)
    rig.answer("lost", tried=False)
    rig.after(60)

    assert len(rig.sent) == 2


def test_with_gpud_away_it_is_unreachable_at_once_and_goes_when_gpud_is_back() -> None:
    rig = Rig()
    rig.writes.shut()

    rig.fire(FLOOR)

    assert rig.ears.heard == [("sent", "r/u", "floor"), ("unreachable", "r/u", "floor")]
    rig.writes.open(rig.send)
    assert [sent.limit_w for sent in rig.sent] == [350.0]


def test_a_connection_that_ends_leaves_its_setpoints_unknown() -> None:
    rig = Rig()
    rig.fire(FULL)

    rig.writes.shut()

    assert rig.ears.heard[-1] == ("silent", "r/u", "full")
    assert rig.fire(FULL) == (Held(FULL, "unknown"),)
