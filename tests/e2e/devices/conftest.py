"""The broker of these sites, and the sites themselves: one for all of a module, mended before each test."""

from collections.abc import Iterator

import pytest

from tests.e2e.agent.broker import Broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as started:
        yield started
