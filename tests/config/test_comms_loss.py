"""What must hold of a rule about the loss of the broker."""

from pathlib import Path

import pytest

from agent.config import CommsLossRule, load
from tests.config.sites import SITE, told, written

RULE = """
[[rule]]
id = "offline"
kind = "comms_loss"
after_s = 3600
then = "hold"
"""


def test_a_rule_about_the_loss_of_the_broker_is_read(tmp_path: Path) -> None:
    rules = load(written(tmp_path, SITE + RULE)).rules

    assert rules[-1] == CommsLossRule(id="offline", after_s=3600, then="hold")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('"hold"', '"holt"', 'then = "holt": no such choice; did you mean "hold"?'),
        ('then = "hold"\n', "", "then: missing; add it"),
        ("3600", "-1", "after_s = -1: too low"),
        ('"hold"', '"hold"\ncircuit = "hall"', 'circuit = "hall": without effect: only then = "fallback" takes'),
        ('"hold"', '"fallback"\ncircuit = "hall"', 'then = "fallback": "hall" has no fallback_kw; give it one'),
        ('"hold"', '"fallback"\ncircuit = "hal"', 'circuit = "hal": there is no [[circuit]] of this id'),
    ],
)
def test_each_slip_is_told_with_its_mend(tmp_path: Path, before: str, after: str, expected: str) -> None:
    (line,) = told(tmp_path, SITE + RULE.replace(before, after))

    assert expected in line


def test_without_a_broker_there_is_none_to_lose(tmp_path: Path) -> None:
    (line,) = told(tmp_path, SITE.split("[mqtt]")[0] + RULE)

    assert "there is no broker to lose; add [mqtt], or take the rule out" in line
