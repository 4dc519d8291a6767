"""What a soak says of itself, and a trace that is read back from its file."""

import json
from pathlib import Path

from hil.soak.judges import JUDGES
from hil.soak.report import as_json, as_page, as_text, judge, write
from hil.soak.trace import Keeper, load_trace
from tests.hil.soak.traces import MINERS, dry_round, fault, told, well


def test_nothing_is_broken_where_all_is_well() -> None:
    found = judge(well())

    assert found.ok
    assert len(found.judged) == len(JUDGES)


def test_what_is_broken_is_said_with_its_time_in_text_json_and_page() -> None:
    found = judge(well(verbs=told(30, "off", MINERS[:1]), faults=[fault("dip", 50, 60)]))

    assert not found.ok
    assert "at     30.0 s: 127.1.1.1 was told to go off and nothing called for it" in as_text(found)
    broken = [one for one in as_json(found)["judges"] if one["broken"]]
    assert broken[0]["broken"][0]["at_s"] == 30.0
    assert "nothing sheds without a cause" in as_page(found)


def test_a_report_is_three_files(tmp_path: Path) -> None:
    write(judge(well()), tmp_path)

    assert json.loads((tmp_path / "soak.json").read_text())["ok"]
    assert (tmp_path / "soak.txt").read_text().startswith("2.0 min")
    assert "<svg" in (tmp_path / "soak.html").read_text()


def test_a_trace_that_grew_is_read_back_as_it_was(tmp_path: Path) -> None:
    grown = well()
    keeper = Keeper(grown, tmp_path / "trace.jsonl")
    keeper.add("verbs", *told(30, "off"))
    keeper.add("rounds", dry_round(40))
    keeper.put("missing", ["evt 3 of boot b1"])
    keeper.close()

    assert load_trace(tmp_path / "trace.jsonl") == grown
