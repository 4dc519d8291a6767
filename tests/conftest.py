"""Every test is one of two kinds, told by its folder: tests/e2e is slow, the rest is pure (words: pyproject.toml)."""

from pathlib import Path

import pytest

_E2E = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker("slow" if item.path.is_relative_to(_E2E) else "pure")
