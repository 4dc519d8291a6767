"""Other rules on the same readings: when each would have shed, how much, and what is said of it; and the command."""

import json
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.flight.compare import Row, compare
from agent.flight.reading import Flight
from agent.flight.scene import NoScene, other_scene, scene, without_rules
from tests.flight.flown import entries_of, paths
from tests.sim.site import Site
from tests.sim.sitefile import site_toml

UFR = """
[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = {hz}
shed_kw = {kw}
release = {{ above_hz = 49.8, for_s = 30 }}
"""


def rows(path: Path, text: str) -> list[Row]:
    head = Flight(path).head
    return compare(entries_of(path), scene(head), other_scene(head, text))


def test_the_same_rules_would_have_done_the_same(flights: Path) -> None:
    path = paths(flights)[0]

    same = rows(path, Flight(path).head.text)

    assert same
    assert all(row.did is not None and row.did == row.would for row in same)


def test_a_higher_figure_sheds_more_at_the_same_instant(flights: Path) -> None:
    (first, *_) = rows(paths(flights)[0], UFR.format(hz=49.5, kw=50))

    assert first.did is not None
    assert first.would is not None
    assert first.did.loads == 8
    assert first.would.loads == 16
    assert (first.rule, first.circuit) == ("ufr", "poi")


def test_a_lower_threshold_sheds_nothing_where_the_other_did(flights: Path) -> None:
    first = next(row for row in rows(paths(flights)[0], UFR.format(hz=49.0, kw=25)) if row.did is not None)

    assert first.would is None


def test_a_rule_that_was_not_there_sheds_where_nothing_did(flights: Path) -> None:
    cap = '[[rule]]\nid = "limits"\nkind = "power_cap"\ncircuit = "poi"\nmargin_kw = 40\n'

    first = rows(paths(flights)[0], cap)[0]

    assert first.rule == "limits"
    assert first.did is None
    assert first.would is not None


def test_rules_of_a_whole_site_toml_are_taken_with_its_limits(flights: Path) -> None:
    path = paths(flights)[0]
    text = Flight(path).head.text.replace("limit_kw = 90.0", "limit_kw = 50.0")

    assert rows(path, text)[0].did is None


def test_a_site_toml_that_lacks_a_circuit_of_the_recording_is_refused(flights: Path) -> None:
    head = Flight(paths(flights)[0]).head

    with pytest.raises(NoScene, match="it lacks the circuits poi"):
        other_scene(head, head.text.replace('"poi"', '"other"'))


def test_a_file_that_is_neither_is_refused_with_the_mend(flights: Path) -> None:
    with pytest.raises(NoScene, match="--print-site"):
        other_scene(Flight(paths(flights)[0]).head, '[mqtt]\nurl = "mqtt://h"\n')


def test_rules_are_cut_out_of_a_site_toml_and_nothing_else_is() -> None:
    text = site_toml(Site()) + "\n# [[rule]] in a comment\n[keys] # and a comment\n"

    left = without_rules(text)

    assert "[[rule]]\n" not in left
    assert "shed_below_hz" not in left
    for table in ("[site]", "[[circuit]]", "[[meter]]", "[[miners]]", "[mqtt]", "[telemetry]", "[keys]"):
        assert table in left


def test_replay_says_identical_and_by_whom(flights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = paths(flights)[0]

    assert main(["replay", str(path)]) == 0

    said = capsys.readouterr().out
    assert "Identical: " in said
    assert f"site.toml sha256 {Flight(path).head.sha256[:16]}" in said


def test_replay_of_a_flight_that_differs_ends_with_1_and_says_when(
    flights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = paths(flights)[0]
    text = Flight(path).head.text
    monkeypatch.setattr(
        "agent.cli.replay.scene",
        lambda head: other_scene(head, text.replace("shed_below_hz = 49.5", "shed_below_hz = 49")),
    )

    assert main(["replay", str(path)]) == 1

    said = capsys.readouterr().out
    assert "DIFFERENCES" in said
    assert "  setpoints\n  recorded  (Setpoint(load='a/10.20" in said
    assert "  replayed  ()" in said


def test_replay_refuses_a_flipped_byte_with_its_offset(
    flights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(paths(flights)[0].read_bytes())
    data[len(data) // 2] ^= 1
    spoilt = tmp_path / "000001-spoilt.flight"
    spoilt.write_bytes(data)

    assert main(["replay", str(spoilt)]) == 1

    assert f"{spoilt}: byte " in capsys.readouterr().err


def test_replay_with_rules_prints_both_and_that_the_plant_does_not_answer(
    flights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.toml"
    new.write_text(UFR.format(hz=49.0, kw=25))

    assert main(["replay", str(paths(flights)[0]), "--rules", str(new)]) == 0
    said = capsys.readouterr().out
    assert main(["replay", str(paths(flights)[0]), "--rules", str(new), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert "8 loads, 25." in said
    assert "nothing" in said
    assert "They part at 2027-01-03 18:30:" in said
    assert "The plant did not answer to the new decisions" in said
    assert told["sheds"][0]["did"]["loads"] == 8
    assert "The plant did not answer" in told["note"]


def test_rules_with_a_fault_are_refused_as_check_would(
    flights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.toml"
    new.write_text(UFR.format(hz=4.9, kw=25))

    assert main(["replay", str(paths(flights)[0]), "--rules", str(new)]) == 78

    assert "shed_below_hz" in capsys.readouterr().err


def test_the_site_toml_comes_out_as_it_went_in(flights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(paths(flights)[0]), "--print-site"]) == 0

    assert capsys.readouterr().out == site_toml(Site())
