"""Cutting the ladder: the shortest run of steps that sheds what is needed; everything when even that is too little."""

from bisect import bisect_left, bisect_right

from msgspec import Struct

from agent.core.ladder import Ladder
from agent.core.setpoint import Setpoint


class Slice(Struct, frozen=True):
    """The rungs a cut takes."""

    setpoints: tuple[Setpoint, ...]
    loads: tuple[str, ...]
    steps: tuple[str, ...]
    worth_w: tuple[float, ...]
    watts: float
    reach_ns: int


NOTHING = Slice((), (), (), (), 0.0, 0)


def cut(ladder: Ladder, needed_w: float, worth_w_max: float = float("inf")) -> Slice:
    """The shortest run that gives up needed_w, never more than worth_w_max (the circuit's jump limit)."""
    if needed_w <= 0 or not ladder.cumulative_w:
        return NOTHING
    count = min(bisect_left(ladder.cumulative_w, needed_w) + 1, len(ladder.cumulative_w))
    count = min(count, bisect_right(ladder.cumulative_w, worth_w_max))
    if not count:
        return NOTHING
    taken = Slice(
        ladder.setpoints[:count],
        ladder.loads[:count],
        ladder.steps[:count],
        ladder.worth_w[:count],
        ladder.cumulative_w[count - 1],
        ladder.reach_ns[count - 1],
    )
    return _once_each(taken) if ladder.doubled else taken


def _once_each(taken: Slice) -> Slice:
    """A load that stands in it twice is told its lower step alone, for the watts of both."""
    places: dict[str, int] = {}
    worth_w = list(taken.worth_w)
    for number, load in enumerate(taken.loads):
        if load in places:
            worth_w[number] += worth_w[places[load]]
        places[load] = number
    if len(places) == len(taken.loads):
        return taken
    keep = sorted(places.values())
    return Slice(
        tuple(taken.setpoints[number] for number in keep),
        tuple(taken.loads[number] for number in keep),
        tuple(taken.steps[number] for number in keep),
        tuple(worth_w[number] for number in keep),
        taken.watts,
        taken.reach_ns,
    )


def without(ladder: Ladder, gone: frozenset[str] | set[str]) -> Ladder:
    """The ladder less the loads that were told since it was made."""
    keep = [number for number, load in enumerate(ladder.loads) if load not in gone]
    if len(keep) == len(ladder.loads):
        return ladder
    sum_w = 0.0
    cumulative_w: list[float] = []
    for number in keep:
        sum_w += ladder.worth_w[number]
        cumulative_w.append(sum_w)
    slowest_ns = 0
    reach_ns: list[int] = []
    for number in keep:
        # reach_ns is already a running maximum; taken over fewer rungs it can only be as slow or slower than needed.
        slowest_ns = max(slowest_ns, ladder.reach_ns[number])
        reach_ns.append(slowest_ns)
    return Ladder(
        tuple(ladder.setpoints[number] for number in keep),
        tuple(ladder.loads[number] for number in keep),
        tuple(ladder.steps[number] for number in keep),
        tuple(ladder.worth_w[number] for number in keep),
        tuple(cumulative_w),
        tuple(reach_ns),
        ladder.doubled,
    )
