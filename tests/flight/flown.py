"""Flights to test with: the whole agent under virtual time, and the files that its recorder left on the disk."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from agent.flight.entries import Entry
from agent.flight.reading import Flight
from agent.flight.replay import Decider
from agent.flight.scene import scene
from tests.sim.site import STATE_DIR, Site
from tests.sim.world import World

FLIGHTS = f"{STATE_DIR}/flights/"


def fly(scenario: Callable[[World], Awaitable[None]], folder: Path, *, seed: int = 1, site: Site | None = None) -> None:
    """Plays a scenario, the agent started and settled, and puts its flights into a folder."""
    with World(seed, site) as world:

        async def whole(world: World) -> None:
            await world.start(settle_s=30)
            await scenario(world)

        world.run(whole)
        put(world, folder)


def put(world: World, folder: Path) -> None:
    """The flights of a world into a folder."""
    for name, stored in world.platter.files.items():
        if name.startswith(FLIGHTS):
            (folder / name.removeprefix(FLIGHTS)).write_bytes(stored.visible())


def paths(folder: Path) -> list[Path]:
    """The flights of a folder, the oldest first."""
    return sorted(folder.glob("*.flight"))


def entries_of(path: Path) -> list[Entry]:
    """Everything in a flight behind its head."""
    return [placed.entry for placed in Flight(path).entries()]


def decided(path: Path) -> Decider:
    """A flight decided again, with what came of it."""
    decider = Decider(scene(Flight(path).head))
    for _ in decider.feed(entries_of(path)):
        pass
    return decider
