"""One run for all tests of this folder: a shed, a kill in the middle of it, a broker lost, a command, and returns."""

from pathlib import Path

import pytest

from tests.flight.flown import fly
from tests.sim.world import World


async def _eventful(world: World) -> None:
    await world.pass_s(5)
    world.dip(49.3)
    await world.pass_s(3)
    await world.kill()
    await world.pass_s(2)
    await world.start()
    await world.pass_s(12)
    world.recover()
    await world.pass_s(120)
    world.issuer.limit(50.0, lease_s=15)
    await world.pass_s(5)
    world.broker.ail("away")
    await world.pass_s(140)


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with its flights."""
    folder = tmp_path_factory.mktemp("flights")
    fly(_eventful, folder)
    return folder
