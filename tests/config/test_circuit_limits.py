"""What must hold of a circuit's amperes and demand, and of the rule that says how demand is kept."""

from pathlib import Path

import pytest

from agent.config import DemandWindowRule, load
from tests.config.sites import SITE, changed, faults_of, written

RULE = """
[[rule]]
id = "demand"
kind = "demand_window"
circuit = "poi"
"""
LIMITS = ("limit_kw = 400", "limit_kw = 400\ndemand_kw = 380\nwindow_min = 15\nlimit_a = 600\nexport_limit_kw = 0")


def test_a_circuits_further_limits_are_read(tmp_path: Path) -> None:
    site = load(written(tmp_path, changed(LIMITS) + RULE))

    poi = site.circuits[0]
    assert (poi.demand_kw, poi.window_min, poi.limit_a, poi.export_limit_kw) == (380, 15, 600, 0)
    assert site.rules[-1] == DemandWindowRule(id="demand", circuit="poi")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("demand_kw = 380", "demand_kw = 500", "demand_kw = 500: above limit_kw, so it never binds; write 400 or less"),
        ("window_min = 15", "window_min = 0", "window_min = 0: too low"),
        ("demand_kw = 380\n", "", 'circuit = "poi": "poi" has no demand_kw; give it one'),
        ('circuit = "poi"\n', 'circuit = "poi"\nmargin_kw = 380\n', "margin_kw = 380: all of demand_kw (380)"),
        ('circuit = "poi"\n', 'circuit = "poi"\ninterval = "pulse"\n', "pulse: missing; add it: the PLC.BIT"),
        ('circuit = "poi"\n', 'circuit = "poi"\npulse = "gear.di1"\n', 'without effect with interval = "clock"'),
        (
            'circuit = "poi"\n',
            'circuit = "poi"\ninterval = "pulse"\npulse = "gear.di1"\n',
            'pulse = "gear.di1": there is no [[plc]] "gear"',
        ),
        (
            'parent = "poi"\n',
            'parent = "poi"\nlimit_a = 5\n',
            "limit_a = 5: no meter on this circuit, so no amperes; give it a meter",
        ),
    ],
)
def test_each_slip_is_told_with_its_mend(tmp_path: Path, before: str, after: str, expected: str) -> None:
    head, _, tail = (changed(LIMITS) + RULE).rpartition(before)

    (fault,) = faults_of(written(tmp_path, head + after + tail))

    assert expected in str(fault)


def test_two_rules_for_one_demand_are_refused(tmp_path: Path) -> None:
    (fault,) = faults_of(written(tmp_path, changed(LIMITS) + RULE + RULE.replace('"demand"', '"again"')))

    assert 'rule "demand" is the demand_window rule of this circuit already' in str(fault)


def test_a_rule_about_no_demand_has_none_to_keep(tmp_path: Path) -> None:
    (fault,) = faults_of(written(tmp_path, SITE + RULE))

    assert '"poi" has no demand_kw' in str(fault)
