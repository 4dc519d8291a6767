"""One seed: a site, a storm, a calm, every judge; and the command that replays it."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tests.sim.chaos import judge_all_came_back, site_of, storm
from tests.sim.judges import judge_all
from tests.sim.judges.outside import Asks
from tests.sim.world import World


class Told(Struct, frozen=True):
    """What came of one seed."""

    seed: int
    faults: Sequence[str]
    exercised: Sequence[str]
    digest: str
    virtual_s: float
    sheds: int
    raises: int
    judged: Mapping[str, int]  # judge -> how many times it had something to judge


def run_seed(seed: int) -> Told:
    """Play it; whatever goes wrong in the agent is a fault of the seed, not of the run."""
    with World(seed, site_of(seed)) as world:
        faults: list[str] = []
        try:
            world.run(storm)
        except BaseExceptionGroup as group:
            faults += [f"{type(error).__name__}: {error} {error.__cause__ or ''}" for error in group.exceptions]
        except Exception as error:  # noqa: BLE001 (of the agent or of the simulation: either must be looked at)
            faults.append(f"{type(error).__name__}: {error} {error.__cause__ or ''}")
        outside = world.look()
        faults += [str(fault) for fault in judge_all(outside)]
        if not faults:
            faults += [str(fault) for fault in judge_all_came_back(outside)]
        return Told(
            seed=seed,
            faults=faults,
            exercised=[f"control {world.site.control}", *world.exercised],
            digest=world.network.digest(),
            virtual_s=world.now_s - 1000,
            sheds=len(outside.verbs(Asks.OFF)),
            raises=len(outside.verbs(Asks.ON)),
            judged=dict(outside.judged),
        )


def replay(seed: int) -> str:
    """What to type to see it again."""
    return f"PYTHONHASHSEED=0 python -m tests.sim --first {seed} --seeds 1"
