"""rig.toml: those that come with it can be read; a fault is told with its mend."""

from pathlib import Path

import pytest

from hil.rig_file import FOLDER, STAND_INS, RigFileError, load_rig_file
from hil.rig_protocols import BREAK_LINK, LOWER, ON, POWER, RAISE, TRAFFIC, VERBS
from hil.rig_real import summary_rate
from hil.rig_whole import WholeRig

BENCH = load_rig_file(FOLDER / "bench.example.toml")
GOOD = """
name = "x"
circuit = { id = "poi" }
[[meter]]
id = "main"
"""


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.toml")), ids=lambda file: file.stem)
def test_a_rig_that_comes_with_it_is_good(file: Path) -> None:
    rig = load_rig_file(file)

    assert rig.meter
    assert {"full_kw", "load_kw", "shed_kw", "limit_kw", "fallback_kw", "nominal_hz"} <= set(rig.figures)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name =", "it must be TOML"),
        ("name = 'x'", "Object missing required field `circuit`"),
        (GOOD + "speed = 1", "unknown field `speed`"),
        (GOOD + "[[meter]]\nid = 'main'", "two devices are called 'main'"),
        (
            GOOD + "[[miners]]\nid = 'a'\nhosts = ['h']\nparts = [{ name = 'e', count = 2 }]",
            "1 hosts and its parts have 2",
        ),
    ],
)
def test_a_fault_is_told_with_its_mend(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rig.toml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(RigFileError) as caught:
        load_rig_file(file)

    assert str(file) in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RigFileError, match="rigs that come with ballast-hil are in"):
        load_rig_file(tmp_path / "none.toml")


def test_a_scenario_gets_the_devices_that_it_uses_and_its_changes() -> None:
    rig = load_rig_file(STAND_INS)

    chosen = rig.choose(
        ("main", "a", "switchgear"),
        {"main": {"refresh_ms": 200}, "grid": {"wander_w": 9.0}, "a": {"parts": [{"name": "east", "count": 2}]}},
    )

    assert [device.id for device in chosen.devices] == ["main", "a", "switchgear"]
    assert chosen.meter[0].stand_in["refresh_ms"] == 200
    assert chosen.meter[0].stand_in["layout"] == "janitza-umg604"
    assert chosen.grid["wander_w"] == 9.0
    assert chosen.miners[0].count == 2
    assert [contactor.id for contactor in chosen.contactor] == ["a-east"]
    assert rig.choose(("main", "a"), {}).contactor == ()


def test_a_device_that_there_is_not_and_a_changed_real_one_are_refused() -> None:
    with pytest.raises(ValueError, match="no device 'tank-z'"):
        BENCH.choose(("main", "tank-z"), {})
    with pytest.raises(ValueError, match="'a' is a real device"):
        BENCH.choose(("main", "a"), {"a": {"family": "luxos"}})


def test_a_followed_meter_counts_as_real_where_results_name_them() -> None:
    assert BENCH.real == ("a", "main (watts)")


@pytest.mark.parametrize(
    ("verb", "device", "said"),
    [
        (ON, "a", ""),
        (LOWER, "a", ""),
        (RAISE, "a", ""),
        (POWER, "main", ""),
        ("frequency", "main", ""),
        (VERBS, "a", "a is real (miners): no verbs is to be had of it"),
        (TRAFFIC, "a", "a is real (miners): no traffic is to be had of it"),
        ("lie", "a", "a is real (miners): no lie is to be had of it"),
        (
            BREAK_LINK,
            "a",
            "a is real (miners): no break_link is to be had of it; a [[relay]] whose links name it can do it",
        ),
        (POWER, "incomer", "this rig has no 'incomer'"),
    ],
)
def test_a_bench_says_what_it_lacks_and_what_would_mend_it(verb: str, device: str, said: str) -> None:
    assert WholeRig(BENCH).lacks(verb, device) == said


@pytest.mark.parametrize(
    ("answer", "rate"),
    [
        (b'{"SUMMARY":[{"MHS 5s":83000000.0,"MHS av":1.0}]}\x00', 83_000_000.0),
        (b'{"SUMMARY":[{"GHS 5s":0.0}]}', 0.0),
        (b'{"STATUS":[{"STATUS":"E"}]}', None),
        (b'{"SUMMARY":[]}', None),
    ],
)
def test_a_hash_rate_is_read_by_whatever_name_it_has(answer: bytes, rate: float | None) -> None:
    assert summary_rate(answer) == rate
