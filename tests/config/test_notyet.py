"""What the format has and this version does not do: refused by name and line. These lists only shrink."""

from pathlib import Path

import pytest

from agent.config import notyet
from tests.config.sites import changed, faults_of, told

EXAMPLE = Path(__file__).parents[2] / "docs" / "site.example.toml"


def test_of_the_example_exactly_this_is_not_yet_supported() -> None:
    faults = faults_of(EXAMPLE)

    assert {fault.wrong for fault in faults} == {"not yet supported"}
    assert [f"{fault.line} {fault.table} {fault.name} {fault.key}" for fault in faults] == [
        "146 [[rule]] ufr event_limits",
        "170 [ride_through]  ",
        "173 [enter_service]  ",
        "176 [[maintenance]] #1 ",
        "188 [mqtt]  key",
        "195 [keys]  agent",
    ]


def test_the_whole_list_of_what_is_not_yet_supported() -> None:
    assert notyet.TABLES == ("ride_through", "enter_service", "maintenance")
    assert notyet.KEYS == ("rule.event_limits",)
    assert set(notyet.RULE_KINDS) == {
        "over_frequency", "droop", "rocof", "voltage", "adopt_relay", "meter_loss",
        "schedule", "coincident_peak", "price", "follow", "heat",
    }  # fmt: skip
    assert set(notyet.VALUES) == {"rule.kind", "rule.release"}
    assert notyet.VALUES["rule.release"] == ("recall",)
    assert notyet.BEGINNINGS == {
        "gpus.at": ("tls://",),
        "mqtt.ca": ("credential:",),
        "mqtt.cert": ("credential:",),
        "mqtt.key": ("credential:",),
        "keys.agent": ("credential:",),
        "keys.keyring": ("credential:",),
    }


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("{ above_hz = 49.9, for_s = 5 }", '"recall"', 'release = "recall": not yet supported; write { above_hz'),
        ('kind = "under_frequency"', 'kind = "price"', 'kind = "price": not yet supported; take the rule out, knowing'),
        ("[mqtt]", "[ride_through]\n[mqtt]", "[ride_through]: not yet supported; take the table out"),
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
