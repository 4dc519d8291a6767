"""Scenario files: those that come with the rig can be read, and a fault names file, table, key and mend."""

from pathlib import Path

import pytest

from hil.rig_file import STAND_INS, load_rig_file
from hil.scenario import verbs
from hil.scenario.choosing import choose
from hil.scenario.expect import Records, Sound
from hil.scenario.file import FOLDER, ScenarioError, load_scenario, scenario_files
from hil.scenario.place import namespaces, not_on_this_rig

FIGURES = load_rig_file(STAND_INS).figures
GOOD = """
[scenario]
title = "A drop"
stands_for = "rule under_frequency"

[[at]]
id = "drop"
do = "frequency"
hz = 49.3

[[at]]
do = "wait"
for = { mode = "HOLDING" }

[[expect]]
that = "delivered"
after = "drop"
kw = "=0.5 * shed_kw"
"""


def written(folder: Path, text: str, name: str = "drop") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("file", scenario_files(), ids=lambda file: file.stem)
def test_a_scenario_that_comes_with_the_rig_is_good_and_names_what_it_stands_for(file: Path) -> None:
    scenario = load_scenario(file, FIGURES)

    assert scenario.head.stands_for
    assert scenario.expect


def test_there_are_at_least_thirty_of_them_and_most_are_fast() -> None:
    scenarios = [load_scenario(file, FIGURES) for file in scenario_files()]

    assert sum(scenario.head.fast for scenario in scenarios) >= 30


def test_a_good_file_is_read_with_its_figures_worked_out(tmp_path: Path) -> None:
    scenario = load_scenario(written(tmp_path, GOOD), FIGURES | {"shed_kw": 13.0})

    assert scenario.name == "drop"
    assert [entry.do for entry in scenario.at] == ["frequency", "wait"]
    assert getattr(scenario.expect[0], "kw", None) == 6.5


def test_records_and_soundness_are_expected_of_every_scenario(tmp_path: Path) -> None:
    silent = GOOD.replace('stands_for = "rule under_frequency"', 'stands_for = "x"\nuplink = false')

    assert {type(one) for one in load_scenario(written(tmp_path, GOOD), FIGURES).expect} >= {Records, Sound}
    assert Records not in {type(one) for one in load_scenario(written(tmp_path, silent), FIGURES).expect}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('title = "A drop"\n', "", "[scenario], key `title`: Object missing required field"),
        ('title = "A drop"', "title = 3", "[scenario], key `title`"),
        ('do = "frequency"\n', "", "[[at]] 1, key `do`: missing"),
        ('do = "frequency"', 'do = "frequenzy"', "[[at]] 1 (frequenzy): no verb 'frequenzy'; 'frequency'?"),
        (
            'do = "frequency"\nhz = 49.3',
            'do = "lie"\nlie = "dead"',
            "[[at]] 1 (lie): lie = 'dead': lie knows none, deaf, liar",
        ),
        (
            'do = "frequency"\nhz = 49.3',
            'do = "meter_fault"\nmeter = "main"\nfault = "slow"',
            "fault = 'slow': meter_fault knows none, silent",
        ),
        ("hz = 49.3", "herz = 49.3", "[[at]] 1 (frequency), key `"),
        ("hz = 49.3", 'hz = "low"', "[[at]] 1 (frequency), key `hz`"),
        ('mode = "HOLDING"', 'modus = "HOLDING"', "[[at]] 2 (wait), key `modus`"),
        ('that = "delivered"', 'that = "delivery"', "[[expect]] 1, key `that`: 'delivery' is none of"),
        ('after = "drop"', 'after = "fall"', "[[expect]] 1, key `after`: no [[at]] has id = 'fall'"),
        ("0.5 * shed_kw", "0.5 * shed_mw", "the rig has no figure 'shed_mw'"),
        ("0.5 * shed_kw", "0.5 ** shed_kw", "only numbers, figures"),
        ('id = "drop"', 'id = "end"', "[[at]] 1 (frequency), key `id`: 'end' is there already"),
        ("[[expect]]", "[[expected]]", "[expected]: no such table"),
        ("[[expect]]", "[expect", "it must be TOML"),
        ('for = { mode = "HOLDING" }', 'for = { ack = "ended", of = "limit" }', "no earlier send is called 'limit'"),
    ],
)
def test_a_fault_names_file_table_key_and_mend(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in GOOD
    file = written(tmp_path, GOOD.replace(before, after, 1))

    with pytest.raises(ScenarioError) as caught:
        load_scenario(file, FIGURES)

    assert str(file) in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_told_with_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="ballast-hil list"):
        load_scenario(tmp_path / "none.toml", FIGURES)


def test_names_are_files_of_the_rig_and_paths_are_themselves() -> None:
    assert scenario_files(["broker-away", "x/y.toml"]) == [FOLDER / "broker-away.toml", Path("x/y.toml")]


def test_namespaces_are_asked_for_by_what_needs_them_alone() -> None:
    def of(name: str) -> tuple[str, ...]:
        return namespaces(load_scenario(FOLDER / f"{name}.toml", FIGURES))

    assert of("frequency-crossing") == ()
    assert of("packet-loss-to-miners") == ("--net",)
    assert of("disk-full") == ("--mount",)


def test_every_verb_has_a_structure_whose_names_do_not_meet_those_of_an_entry() -> None:
    for name, structure in verbs.known().items():
        fields = set(structure.__struct_encode_fields__)
        assert not fields & {"do", "id", "s", "after_s"}, name


class Lacking:
    """A rig whose device a can do and show nothing."""

    def lacks(self, verb: str, device: str) -> str:
        return f"{device} has no {verb}" if device == "a" else ""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('mode = "HOLDING"', 'on = "north"', "[[at]] 2 (wait), `on`: no loads are called 'north'"),
        ('mode = "HOLDING"', 'told_off = "a:99"', "[[at]] 2 (wait), `told_off`: 'a:99': a has 1 to 12"),
        ('do = "frequency"\nhz = 49.3', 'do = "lower"\nminers = ["south"]', "[[at]] 1 (lower), `miners`: no loads"),
        (
            'that = "delivered"\nafter = "drop"\nkw = "=0.5 * shed_kw"',
            'that = "told"\nloads = ["b"]',
            "[[expect]] 1, `loads`",
        ),
    ],
)
def test_loads_that_a_rig_does_not_have_are_told_before_anything_is_started(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    assert before in GOOD
    scenario = load_scenario(written(tmp_path, GOOD.replace(before, after, 1)), FIGURES)

    assert said in choose(scenario, load_rig_file(STAND_INS)).why_not


def test_a_scenario_that_needs_what_a_device_lacks_is_not_runnable_and_says_what() -> None:
    rig = load_rig_file(STAND_INS)
    needs_stamps = load_scenario(FOLDER / "frequency-crossing.toml", FIGURES)

    assert not_on_this_rig(needs_stamps, Lacking(), rig) == "a has no verbs"  # type: ignore[arg-type]
