"""Every test is pure or slow, told by its folder; `make check` runs the pure ones, within a minute.

The simulation is as pure as the rest but plays hours of virtual time, so it goes with the slow ones: `make test`.

The slow ones run side by side in worker processes (pytest-xdist). Those of one end-to-end file run one after the other
in one worker, since they may share what was started for them. Those marked `apart`, with about how many seconds they
take, share nothing: each goes to the next free worker, the longest first, so that nobody waits for the last of them;
and so do those of the simulation, at the end. What is marked `alone` runs afterwards, one by one.
"""

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_SLOW = (_TESTS / "e2e", _TESTS / "sim", _TESTS / "breaks")


@pytest.hookimpl(tryfirst=True)  # pytest-xdist's own looks for the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker("slow" if any(item.path.is_relative_to(folder) for folder in _SLOW) else "pure")
        if item.path.is_relative_to(_TESTS / "e2e") and not _apart_s(item):
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(_TESTS))))
    items.sort(key=_apart_s, reverse=True)


def _apart_s(item: pytest.Item) -> float:
    apart = item.get_closest_marker("apart")
    return apart.args[0] if apart is not None else 0.0
