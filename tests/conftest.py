"""Every test is pure or slow, told by its folder; `make check` runs the pure ones, within a minute.

The simulation is as pure as the rest but plays hours of virtual time, so it goes with the slow ones: `make test`.
"""

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_SLOW = (_TESTS / "e2e", _TESTS / "sim", _TESTS / "breaks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker("slow" if any(item.path.is_relative_to(folder) for folder in _SLOW) else "pure")
