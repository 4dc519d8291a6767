"""Deciding again: bit for bit, from the first whole state to the end; and what is not the same is found."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.flight.entries import Attended, Entry, Lost, Points, Reacted
from agent.flight.reading import Flight
from agent.flight.replay import Decider
from agent.flight.scene import scene
from tests.flight.flown import decided, entries_of, paths


def test_every_decision_of_sheds_a_kill_a_command_and_returns_comes_out_the_same(flights: Path) -> None:
    replayed = [decided(path) for path in paths(flights)]

    assert len(replayed) >= 2, "each life has flights of its own"
    assert [one.differences for one in replayed] == [[] for _ in replayed]
    assert sum(one.decisions for one in replayed) > 3_000
    assert all(one.stands > 1 for one in replayed), "whole states were compared on the way"
    assert all(one.skipped < 30 and not one.lost for one in replayed)


def test_a_flight_begins_five_seconds_before_what_it_was_written_for_and_ends_sixty_after(flights: Path) -> None:
    for path in paths(flights)[1:]:
        entries = entries_of(path)
        told_ns = [entry.now_ns for entry in entries if isinstance(entry, Reacted | Attended) and _matters(entry)]
        made_ns = [entry.now_ns for entry in entries if isinstance(entry, Reacted)]

        assert told_ns[0] - made_ns[0] >= 5e9 or made_ns[0] < _first_ns(flights, path) + 1e9
        assert 59e9 <= made_ns[-1] - told_ns[-1] <= 63e9 or path is paths(flights)[-1]


def _matters(entry: Reacted | Attended) -> bool:
    return bool(entry.setpoints) or (isinstance(entry, Attended) and bool(entry.notes))


def _first_ns(flights: Path, path: Path) -> int:
    """The first thing that the life of this flight recorded at all."""
    boot = Flight(path).head.boot
    same = [other for other in paths(flights) if Flight(other).head.boot == boot]
    return next(entry.now_ns for entry in entries_of(same[0]) if isinstance(entry, Reacted))


def _replayed(path: Path, entries: list[Entry]) -> Decider:
    decider = Decider(scene(Flight(path).head))
    for _ in decider.feed(entries):
        pass
    return decider


def _first_shed(entries: list[Entry]) -> int:
    return next(at for at, entry in enumerate(entries) if isinstance(entry, Reacted) and entry.setpoints)


def test_another_reading_than_the_recorded_one_is_a_difference_at_its_instant(flights: Path) -> None:
    path = paths(flights)[0]
    entries = entries_of(path)
    shed = _first_shed(entries)
    read = next(at for at in range(shed, 0, -1) if isinstance(entries[at], Points))
    was = entries[read]
    assert isinstance(was, Points)
    entries[read] = replace(was, values={**was.values, "frequency_hz": 50.0})

    differences = _replayed(path, entries).differences

    shed_entry = entries[shed]
    assert isinstance(shed_entry, Reacted)
    assert differences[0].now_ns == shed_entry.now_ns
    assert differences[0].what == "setpoints"
    assert "a/10.20" in differences[0].recorded
    assert differences[0].replayed == "()"


@pytest.mark.parametrize("part", ["setpoints", "notes", "delta"])
def test_a_decision_that_was_recorded_otherwise_is_a_difference(flights: Path, part: str) -> None:
    path = paths(flights)[0]
    entries = entries_of(path)
    at = next(
        at
        for at, entry in enumerate(entries)
        if isinstance(entry, Reacted | Attended) and getattr(entry, part, None) and at > _first_shed(entries) - 1
    )
    entries[at] = replace(entries[at], **{part: None if part == "delta" else ()})

    assert _replayed(path, entries).differences


def test_what_was_lost_is_counted_and_replay_goes_on_at_the_next_whole_state(flights: Path) -> None:
    path = paths(flights)[0]
    entries = entries_of(path)
    at = _first_shed(entries) + 5
    whole = _replayed(path, entries)

    replayed = _replayed(path, [*entries[:at], Lost(40), *entries[at + 40 :]])

    assert replayed.lost == 40
    assert replayed.differences == []
    assert whole.skipped < replayed.skipped < whole.decisions
