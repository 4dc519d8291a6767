"""Growth: what a program holds at the end of its longest life against what it held when it was warm."""

from hil.soak.growth import MIB, growths
from hil.soak.judges import Judged
from hil.soak.trace import Sample
from tests.hil.soak.traces import ns, well


def _life(mib_per_hour: float, pid: int = 1, for_s: int = 3600, descriptors: int = 30) -> list[Sample]:
    return [
        Sample(ns(at_s), "agent", pid, round((50 + mib_per_hour * at_s / 3600) * MIB), descriptors, 3, 0.0, 0)
        for at_s in range(0, for_s, 5)
    ]


def test_a_program_that_holds_what_it_held_does_not_grow() -> None:
    memory, descriptors = growths(well(samples=_life(0.0)), [])

    assert (memory.grows, descriptors.grows) == (False, False)
    assert round(memory.per_hour, 3) == 0.0


def test_a_leak_is_seen_with_its_slope() -> None:
    memory, _ = growths(well(samples=_life(20.0)), [])

    assert memory.grows
    assert round(memory.per_hour, 1) == 20.0


def test_descriptors_that_are_left_open_are_seen() -> None:
    leaking = [
        Sample(one.at_ns, "agent", 1, one.rss_bytes, 30 + number // 50, 3, 0.0, 0)
        for number, one in enumerate(_life(0.0))
    ]

    assert growths(well(samples=leaking), [])[1].grows


def test_the_longest_life_is_looked_at_and_short_ones_say_nothing() -> None:
    assert growths(well(samples=_life(50.0, for_s=300)), []) == []
    both = _life(50.0, pid=1, for_s=300) + _life(0.0, pid=2)
    assert not growths(well(samples=both), [])[0].grows


def test_latency_that_drifts_is_seen() -> None:
    steady = Judged("a crossing sheds", 40, times_ms=tuple((ns(at), 80.0) for at in range(40)))
    drifting = Judged("a crossing sheds", 40, times_ms=tuple((ns(at), 80.0 + 20 * at) for at in range(40)))

    assert [one.grows for one in growths(well(), [steady])] == [False]
    assert [one.grows for one in growths(well(), [drifting])] == [True]
