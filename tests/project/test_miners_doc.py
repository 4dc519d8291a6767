"""docs/miners.md has a line for every family, with the times that are used."""

import re
from pathlib import Path

from drivers.miners.dialect import Account, Secret
from drivers.miners.families import FAMILIES, speak

DOCS = (Path(__file__).parents[2] / "docs" / "miners.md").read_text(encoding="utf-8")


def _seconds(text: str) -> int:
    number, unit = text.strip().split()
    return int(number) * {"s": 1, "min": 60}[unit]


def test_every_family_is_in_the_table_with_its_times() -> None:
    lines = [line for line in DOCS.splitlines() if line.startswith("| `") and "`family`" not in line]
    told = {
        name: line.split("|")[5].strip() for line in lines for name in re.findall(r"`([a-z0-9-]+)`", line.split("|")[1])
    }

    assert told.keys() == FAMILIES.keys()
    for name, times in told.items():
        steps = speak(name, Account(password=Secret("x"), unverified=True)).steps
        if len(steps) == 1:
            assert times == "", name
        else:
            assert [_seconds(one) * 1000 for one in times.split(",")] == [step.reach_ms for step in steps], name
