"""docs/rig.md names everything that a scenario file can say."""

from pathlib import Path

import pytest

from hil.scenario import verbs
from hil.scenario.conditions import Condition
from hil.scenario.expect import KINDS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "rig.md").read_text(encoding="utf-8")
ROWS = [line for line in DOCUMENT.splitlines() if line.startswith("| `")]
LEFT_OUT = {"text", "after", "until", "within_s", "lag_s"}


@pytest.mark.parametrize("name", [*KINDS, *verbs.OWN, *Condition.__struct_fields__])
def test_it_is_named(name: str) -> None:
    wait_key = {"until": "for"}
    assert f"`{wait_key.get(name, name)}`" in DOCUMENT


@pytest.mark.parametrize("kind", KINDS)
def test_a_kinds_own_keys_are_named_in_its_row(kind: str) -> None:
    row = next(row for row in ROWS if f"`{kind}`" in row.split("|")[1])
    named = row.replace("`", " ").split()

    assert set(KINDS[kind].__struct_fields__) - LEFT_OUT <= set(named)
