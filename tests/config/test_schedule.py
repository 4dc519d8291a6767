"""Times of the site's own day, as written."""

from pathlib import Path

import pytest

from agent.config import CoincidentPeakRule, load
from agent.core.rules.schedule import Hours, Schedule
from agent.core.site import BoundClass
from agent.translate_rules import rules_of
from tests.config.sites import SITE, faults_of, written

RULE = """
[[rule]]
id = "peak"
kind = "coincident_peak"
circuit = "poi"
to_kw = 100
hours = [{ from = "16:30", to = "17:45" }, { from = "22:00", to = "06:00", days = ["sat", "sun"] }]
"""


def test_hours_reach_the_core_as_minutes_days_and_months(tmp_path: Path) -> None:
    file = load(written(tmp_path, SITE + RULE))

    assert isinstance(file.rules[-1], CoincidentPeakRule)
    (rule,) = [rule for rule in rules_of(file) if isinstance(rule, Schedule)]
    summer = frozenset({6, 7, 8, 9})
    assert (rule.to_w, rule.cls) == (100_000, BoundClass.CONTRACT)
    assert rule.hours == (
        Hours(990, 1065, frozenset(range(5)), summer),
        Hours(1320, 360, frozenset({5, 6}), summer),
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('"16:30"', '"24:30"', 'hours[0].from = "24:30": not well formed; write hours and minutes, such as "16:30"'),
        ('"sat"', '"sab"', 'hours[1].days[0] = "sab": no such choice'),
        ('from = "16:30", ', "", "hours[0].from: missing"),
        ("to_kw = 100\n", "", "to_kw: missing"),
        ("to_kw", "months = [13]\nto_kw", "months[0] = 13: too high"),
    ],
)
def test_each_slip_is_told_with_its_mend(tmp_path: Path, before: str, after: str, expected: str) -> None:
    (fault,) = faults_of(written(tmp_path, SITE + RULE.replace(before, after, 1)))

    assert expected in str(fault)
