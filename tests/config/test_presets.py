"""Presets: figures of grid programmes with their sources, and programmes that a site may not claim."""

import re
from pathlib import Path

import pytest

from agent.config import UnderFrequencyRule, load
from agent.config.presets import FOLDER, Preset, presets
from tests.config.devices import equipped
from tests.config.sites import SITE, changed, faults_of, written

DOCS = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
OLD = SITE[SITE.index("[[rule]]") : SITE.index("[mqtt]")]
RULE = '[[rule]]\nid = "ffr"\npreset = "nordic-ffr-a"\ncircuit = "poi"\nshed_kw = 5\n\n'


def with_rule(text: str) -> str:
    return SITE.replace(OLD, text)


def fast(folder: Path, rule: str) -> Path:
    """A site whose cheap loads hang on a contactor that goes first."""
    path = equipped(folder=folder)
    text = path.read_text(encoding="utf-8").replace(OLD, rule)
    for was, now in (
        ("nominal_ln_v = 230.0", "nominal_ln_v = 230.0\nfast_ms = 20\nrefresh_ms = 100"),
        ('id = "a"\ncircuit = "hall"', 'id = "a"\ncircuit = "hall"\nvalue_usd_per_mwh = 900.0'),
    ):
        assert was in text, was
        text = text.replace(was, now, 1)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", presets())
def test_every_figure_says_where_it_is_from_and_how_sure_that_is(name: str) -> None:
    preset, text = presets()[name], (FOLDER / f"{name}.toml").read_text(encoding="utf-8")

    figures = {"full_response_ms", *(["needs_relay"] if preset.needs_relay else [])}
    for key, value in preset.keys.items():
        figures |= {f"{key}.{inner}" for inner in value} if isinstance(value, dict) else {key}
    assert set(preset.sure) == figures
    assert preset.source
    for line in text.split("[sure]")[0].splitlines():
        if re.match(r"(full_response_ms|shed_below_hz|release|needs_relay) = ", line):
            assert "#" in line, f"{line}: no source"
    assert f"| `{name}` |" in DOCS


def test_what_the_rule_writes_itself_goes_before_the_presets(tmp_path: Path) -> None:
    rule = load(fast(tmp_path, RULE.replace("circuit", "confirm_refreshes = 2\ncircuit"))).rules[0]

    assert isinstance(rule, UnderFrequencyRule)
    assert (rule.shed_below_hz, rule.release.above_hz, rule.release.for_s, rule.confirm_refreshes) == (
        49.7,
        49.9,
        30,
        2,
    )


def test_a_programme_that_the_site_cannot_keep_in_time_is_refused_with_the_sum(tmp_path: Path) -> None:
    (fault,) = faults_of(written(tmp_path, with_rule(RULE)))

    assert re.search(
        r'preset = "nordic-ffr-a": it takes up to \d+ ms here \(refresh \d+, poll \d+, confirm 0', str(fault)
    )
    assert 'and has 1300; put its loads behind contactors with use = "first"' in str(fault)


def test_more_refreshes_that_must_agree_cost_their_time(tmp_path: Path) -> None:
    (fault,) = faults_of(fast(tmp_path, RULE.replace("circuit", "confirm_refreshes = 9\ncircuit")))

    assert "confirm 800" in str(fault)


def test_a_programme_that_asks_for_a_relay_is_not_claimed(tmp_path: Path) -> None:
    text = with_rule(RULE.replace("nordic-ffr-a", "ercot-rrs-ufr") + "release = { above_hz = 59.9, for_s = 5 }\n\n")

    (fault,) = faults_of(written(tmp_path, text.replace("nominal_hz = 50.0", "nominal_hz = 60.0")))

    assert "by its rules an under-frequency relay sheds, not a controller" in str(fault)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("nordic-ffr-a", "nordic-ffr-d", 'no such preset; did you mean "nordic-ffr-'),
        ("circuit", 'kind = "power_cap"\ncircuit', 'kind = "power_cap": the preset is of kind "under_frequency"'),
        ("nordic-ffr-a", "ercot-ffr", "a programme of 60 Hz grids; this site's nominal_hz is 50"),
        ("nordic-ffr-a", "aemo-very-fast", "shed_below_hz: missing"),
    ],
)
def test_each_slip_is_told_with_its_mend(tmp_path: Path, before: str, after: str, expected: str) -> None:
    faults = faults_of(written(tmp_path, with_rule(RULE.replace(before, after, 1))))

    assert any(expected in str(fault) for fault in faults), [str(fault) for fault in faults]


def test_a_rule_without_a_preset_claims_nothing_and_needs_no_time(tmp_path: Path) -> None:
    assert load(written(tmp_path, changed())).rules[0].id == "ufr"
    assert all(isinstance(preset, Preset) for preset in presets().values())
