"""Playing a scenario: a world, its agent started and settled, the scenario, and every judge at the end."""

from collections.abc import Awaitable, Callable

from tests.sim.judges import judge_all
from tests.sim.judges.outside import Asks, Outside, sent_at
from tests.sim.site import Site
from tests.sim.weather import Weather
from tests.sim.world import World

SETTLE_S = 30.0  # from start to NORMAL with every load heard, in good weather


def play(
    scenario: Callable[[World], Awaitable[None]],
    *,
    seed: int = 1,
    site: Site | None = None,
    weather: Weather | None = None,
    settle_s: float = SETTLE_S,
) -> Outside:
    """What the outside saw; AssertionError with every judge's complaint if there is one."""
    with World(seed, site, weather=weather) as world:

        async def whole(world: World) -> None:
            await world.start(settle_s=settle_s)
            await scenario(world)

        world.run(whole)
        outside = world.look()
        faults = judge_all(outside)
        assert not faults, "\n".join(map(str, faults))
        return outside


def told(outside: Outside, kind: Asks, from_s: float = 0.0) -> list[tuple[float, str]]:
    """(second, load) of each verb of a kind, from a time on."""
    verbs = [(sent_at(verb) / 1e9, verb.load) for verb in outside.verbs(kind)]
    return [verb for verb in verbs if verb[0] >= from_s]


def told_loads(outside: Outside, kind: Asks) -> set[str]:
    """The loads that were sent a verb of a kind."""
    return {load for _, load in told(outside, kind)}
