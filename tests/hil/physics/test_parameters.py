"""Every number of the physics has its source beside it, and no model reads a clock."""

import ast
from pathlib import Path

import pytest

import hil
from hil.physics.parameters import FOLDER

_HIL = Path(hil.__file__).parent
_TABLES = [*sorted(FOLDER.glob("*.toml")), _HIL / "families.toml"]
_PURE = [*sorted(FOLDER.glob("*.py")), _HIL / "plant.py", _HIL / "miner.py", _HIL / "recording.py"]


@pytest.mark.parametrize("table", _TABLES, ids=lambda path: path.name)
def test_every_number_says_where_it_comes_from(table: Path) -> None:
    bare = []
    for line in table.read_text(encoding="utf-8").splitlines():
        value, _, source = line.partition("#")
        is_number = "=" in value and any(char.isdigit() for char in value.partition("=")[2]) and '"' not in value
        if is_number and len(source.strip()) < 12:
            bare.append(line)

    assert bare == []


@pytest.mark.parametrize("file", _PURE, ids=lambda path: path.name)
def test_no_model_reads_a_clock_or_sleeps(file: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")

    assert not imported & {"time", "asyncio", "socket", "threading"}
