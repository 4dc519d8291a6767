"""An event in plain sentences: complete, in order, each from an entry that is really there."""

import json
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.flight.entries import Attended, Reacted
from agent.flight.explain import NAMED_MAX, Sentence, Teller, events_of
from agent.flight.reading import Flight
from agent.flight.scene import scene
from tests.flight.flown import paths


def known(flights: Path) -> dict[str, str]:
    """The events, each with its rule."""
    return {one.id: one.rule for path in paths(flights) for one in events_of(Flight(path).entries())}


def tell(flights: Path, rule: str) -> list[Sentence]:
    """The sentences of the first event of a rule."""
    teller = Teller(next(event for event, of in known(flights).items() if of == rule))
    sentences: list[Sentence] = []
    for path in paths(flights):
        flight = Flight(path)
        teller.begin(flight.head.boot, scene(flight.head))
        for placed in flight.entries():
            sentences += teller.feed(placed)
    return sentences


def assert_in_order(sentences: list[Sentence], *parts: str) -> None:
    """Each of these is said, one after the other."""
    at = 0
    for part in parts:
        found = next((number for number in range(at, len(sentences)) if part in sentences[number].says), None)
        assert found is not None, f"{part!r} is not said behind the {at}th of {[one.says for one in sentences]}"
        at = found


def test_a_shed_is_told_from_its_reading_across_a_kill_to_its_end(flights: Path) -> None:
    assert_in_order(
        tell(flights, "ufr"),
        "main reads 49.3",
        "Rule ufr (below 49.5 Hz), class grid, binds circuit poi: at most",
        "8 loads, worth",
        "read back as told",
        "8 of 8 by now",
        "its loads may return",
        "told to rise; 1 of 8 by now",
        "The event is over",
    )


def test_a_shed_that_ended_with_the_agent_is_told_once_each(flights: Path) -> None:
    says = [sentence.says for sentence in tell(flights, "ufr")]

    assert sum("binds circuit poi" in text for text in says) == 1
    assert sum("is over" in text for text in says) == 1


def test_a_command_is_told_with_who_asked_and_for_how_long(flights: Path) -> None:
    sentences = tell(flights, "commands")

    assert_in_order(
        sentences,
        "main reads",
        "class command, binds circuit poi: at most 50.0 kW",
        "of dispatch, for at most 50.0 kW; its lease ends 15.0 s later.",
        "is verified: the meter shows",
        "is ended (lease)",
        "The event is over",
    )


def test_every_sentence_stands_at_an_entry_of_its_instant_and_kind(flights: Path) -> None:
    for sentence in [*tell(flights, "ufr"), *tell(flights, "commands")]:
        placed = next(
            placed
            for placed in Flight(flights / sentence.file).entries()
            if (placed.offset, placed.number) == (sentence.offset, sentence.number)
        )
        assert isinstance(placed.entry, Reacted if sentence.kind == "react" else Attended)
        assert placed.entry.now_ns == sentence.now_ns


def test_sentences_come_in_the_order_of_time_and_in_utc(flights: Path) -> None:
    sentences = tell(flights, "ufr")

    assert [one.now_ns for one in sentences] == sorted(one.now_ns for one in sentences)
    walls = [one.wall_ms for one in sentences if one.wall_ms is not None]
    assert len(walls) == len(sentences)
    assert walls[0] > 1_767_225_600_000


def test_of_many_loads_a_few_are_named(flights: Path) -> None:
    told = next(one.says for one in tell(flights, "ufr") if "loads, worth" in one.says)

    assert told.count("a/10.20") == NAMED_MAX
    assert told.endswith("and 2 more.")


def test_the_command_finds_an_event_by_its_beginning(flights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = next(iter(known(flights)))
    files = [str(path) for path in paths(flights)]

    assert main(["explain", event[:-3].lower(), "--file", *files]) == 0

    said = capsys.readouterr().out
    assert said.startswith(f"Event {event}: ufr on poi\n")
    assert "entry" in said
    assert f"`ballast replay` decides it again from {paths(flights)[0].name}" in said


def test_without_an_event_the_command_lists_them(flights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(path) for path in paths(flights)]

    assert main(["explain", "--json", "--file", *files]) == 0

    listed = json.loads(capsys.readouterr().out)["events"]
    assert {row["id"]: row["rule"] for row in listed} == known(flights)


@pytest.mark.parametrize(("event", "why"), [("99", "no flight tells of"), ("01", "events begin with")])
def test_an_event_that_is_not_there_or_not_one_alone_is_refused(
    flights: Path, capsys: pytest.CaptureFixture[str], event: str, why: str
) -> None:
    files = [str(path) for path in paths(flights)]

    assert main(["explain", event, "--file", *files]) == 1

    said = capsys.readouterr().err
    assert why in said
    assert "`ballast explain` lists" in said


def test_a_damaged_flight_is_told_and_the_others_are_read(
    flights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = tmp_path / "000000-spoilt.flight"
    spoilt.write_bytes(b"BFR1" + bytes(40))
    files = [str(spoilt), *(str(path) for path in paths(flights))]

    assert main(["explain", "--file", *files]) == 0

    said = capsys.readouterr()
    assert "byte 0: the sum of this block's head is wrong" in said.err
    assert "ufr" in said.out


def test_a_folder_that_is_not_there_is_told_with_the_mend(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("agent.cli.explain.STATE_DIR", str(tmp_path / "nothing"))

    assert main(["explain"]) == 1

    assert "give flights with --file" in capsys.readouterr().err
