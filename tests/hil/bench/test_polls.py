"""The lateness of polls, worked out from nothing but when they came."""

import pytest

from hil.bench.polls import lateness

MS = 1_000_000


def came(*offsets_ms: float) -> list[int]:
    """One poll each 20 ms, each so much after its slot."""
    return [round((slot * 20 + offset) * MS) + 7_123_456 for slot, offset in enumerate(offsets_ms)]


def test_polls_on_their_schedule_are_not_late_wherever_it_lies() -> None:
    assert lateness(came(*[0.0] * 50)) == [0.0] * 50


def test_one_that_is_late_is_late_by_what_it_came_after_its_slot() -> None:
    assert lateness(came(*[0.0] * 30, 12.5, *[0.0] * 30)) == [*[0.0] * 30, 12.5, *[0.0] * 30]


def test_one_that_is_early_is_on_time() -> None:
    assert max(lateness(came(*[0.0] * 150, -0.4, *[0.0] * 150))) == 0.0


def test_slots_that_were_skipped_count_until_the_next_poll() -> None:
    offsets = came(*[0.0] * 40)
    del offsets[20:22]

    assert lateness(offsets) == pytest.approx([*[0.0] * 20, 40.0, 20.0, *[0.0] * 18])


def test_a_usual_delay_is_part_of_the_schedule_and_its_scatter_is_not() -> None:
    assert lateness(came(*[3.0, 3.5] * 30)) == [0.0, 0.5] * 30
