"""Recorded registers, read by the packaged profiles: two decoders that share no code come to the same numbers."""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.modbus.plan import plan_reads
from drivers.profile import load_profile

_FOLDER = Path(__file__).parents[2] / "captures" / "modbus"
_CAPTURES = sorted(path.stem for path in _FOLDER.glob("*.json"))


def _capture(name: str) -> dict[str, Any]:
    captured: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return captured


def test_there_are_captures_of_both_word_orders_and_tables() -> None:
    profiles = {load_profile(_capture(name)["profile"]) for name in _CAPTURES}

    assert {profile.word_order for profile in profiles} == {"big", "little"}
    assert {profile.table for profile in profiles} == {"holding", "input"}


@pytest.mark.parametrize("name", _CAPTURES)
def test_a_capture_is_read_as_the_probe_read_it(name: str) -> None:
    captured = _capture(name)
    words = {int(at): int(word, 16) for at, word in captured["registers"].items()}
    profile = load_profile(captured["profile"])

    read: dict[str, float | None] = {}
    for fast in (True, False):
        for block in plan_reads(profile, fast=fast):
            if block.table == captured["table"]:
                registers = tuple(words.get(block.at + offset, 0) for offset in range(block.count))
                read |= {sample.point: sample.value for sample in block.decode(registers)}

    values = {point: value for point, value in captured["values"].items() if point in read}
    assert len(values) >= len(captured["values"]) - 1  # but for a PLC's counter, which is no point of its profile
    assert values == pytest.approx({point: read[point] for point in values}, rel=1e-9)
