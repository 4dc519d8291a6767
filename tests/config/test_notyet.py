"""What the format has and this version does not do: refused by name and line. These lists only shrink."""

from pathlib import Path

import pytest

from agent.config import load, notyet
from tests.config.sites import changed, told

EXAMPLE = Path(__file__).parents[2] / "docs" / "site.example.toml"


def test_of_the_example_nothing_is_not_yet_supported() -> None:
    assert load(EXAMPLE).site.id == "granbury-07"


def test_the_whole_list_of_what_is_not_yet_supported() -> None:
    assert notyet.TABLES == ()
    assert notyet.KEYS == ()
    assert set(notyet.RULE_KINDS) == {
        "over_frequency", "droop", "rocof", "voltage", "adopt_relay", "meter_loss",
        "price", "follow", "heat",
    }  # fmt: skip
    assert set(notyet.VALUES) == {"rule.kind", "rule.release"}
    assert notyet.VALUES["rule.release"] == ("recall",)
    assert notyet.BEGINNINGS == {
        "gpus.at": ("tls://",),
    }


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("{ above_hz = 49.9, for_s = 5 }", '"recall"', 'release = "recall": not yet supported; write { above_hz'),
        ('kind = "under_frequency"', 'kind = "price"', 'kind = "price": not yet supported; take the rule out, knowing'),
    ],
)
def test_what_is_not_yet_supported_is_refused_with_its_mend(
    tmp_path: Path, before: str, after: str, expected: str
) -> None:
    lines = told(tmp_path, changed((before, after)))

    assert len(lines) == 1
    assert expected in lines[0]


def test_taking_out_what_protects_the_site_says_what_that_means(tmp_path: Path) -> None:
    (line,) = told(tmp_path, changed(("[mqtt]", '[[rule]]\nid = "x"\nkind = "voltage"\n[mqtt]')))

    assert line.endswith("take the rule out, knowing that nothing does its work meanwhile")
