"""The ladder: the loads' steps in shedding order with cumulative watts, so that a cut is one bisect.

Built off the path, whenever loads change and about once a second, in slices (`arm` is a generator that gives the loop
back): at 8,000 loads it takes some 30 ms in all. On the path it is only cut.

What a rung is worth: the load's present watts minus those of the step below, measured before rated. A load that is
silent or did not follow last time is worth nothing towards a response, and comes last: it is told only when everything
goes.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from agent.core.image import Image, LoadSeen, Outcome
from agent.core.setpoint import Setpoint
from agent.core.site import BoundClass, Load
from agent.core.state import Durable
from agent.core.tree import Tree

SLICE_LOADS = 200  # about 1 ms of Python
READ_POLLS_MAX = 3  # a load's own watts are believed for three of its poll periods
MIN_ON_CLASSES = frozenset({BoundClass.COMMAND, BoundClass.VALUE})  # bound by minimum on times


class Ladder(Struct, frozen=True):
    """One circuit's steps in shedding order."""

    setpoints: tuple[Setpoint, ...] = ()
    loads: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    worth_w: tuple[float, ...] = ()
    cumulative_w: tuple[float, ...] = ()  # cumulative_w[i] = what the first i+1 rungs give up
    reach_ns: tuple[int, ...] = ()  # the slowest of the first i+1

    @property
    def total_w(self) -> float:
        return self.cumulative_w[-1] if self.cumulative_w else 0.0


EMPTY = Ladder()


class Armed(Struct, frozen=True):
    """All that is prepared off the path."""

    made_ns: int = 0
    urgent: Mapping[str, Ladder] = {}  # circuit -> ladder for protect, grid and contract bounds
    gentle: Mapping[str, Ladder] = {}  # the same for command and value bounds: minimum on times respected
    own_w: Mapping[str, float] = {}  # circuit -> what the loads directly on it draw; one not heard counts as rated
    falling_w: Mapping[str, float] = {}  # circuit -> the part of these that was told to go and is not overdue
    heard: Mapping[str, bool] = {}  # circuit -> every load on it has been heard or given up on
    armed_loads: Mapping[str, str] = {}  # load -> the step that a cut may take it to


class _Builder:
    """A ladder while it grows."""

    def __init__(self) -> None:
        self.setpoints: list[Setpoint] = []
        self.worth_w: list[float] = []
        self.reach_ns: list[int] = []
        self.last: list[tuple[Setpoint, int]] = []

    def add(self, setpoint: Setpoint, worth_w: float, reach_ns: int) -> None:
        self.setpoints.append(setpoint)
        self.worth_w.append(worth_w)
        self.reach_ns.append(reach_ns)

    def built(self) -> Ladder:
        for setpoint, reach_ns in self.last:
            self.add(setpoint, 0.0, reach_ns)
        sum_w = 0.0
        slowest_ns = 0
        cumulative_w: list[float] = []
        slowest: list[int] = []
        for worth_w, reach_ns in zip(self.worth_w, self.reach_ns, strict=True):
            sum_w += worth_w
            slowest_ns = max(slowest_ns, reach_ns)
            cumulative_w.append(sum_w)
            slowest.append(slowest_ns)
        return Ladder(
            tuple(self.setpoints),
            tuple(setpoint.load for setpoint in self.setpoints),
            tuple(setpoint.step for setpoint in self.setpoints),
            tuple(self.worth_w),
            tuple(cumulative_w),
            tuple(slowest),
        )


def present_watts(load: Load, seen: LoadSeen | None, now_ns: int) -> tuple[float, bool]:
    """What a load draws now, and whether it said so itself: measured, else its step's rated watts, else the highest."""
    if seen is None or now_ns - seen.taken_ns > READ_POLLS_MAX * load.poll_ns or seen.step is None:
        return load.steps[-1].watts, False
    if seen.watts is not None and seen.measured:
        return seen.watts, True
    for step in load.steps:
        if step.name == seen.step:
            return step.watts, True
    return load.steps[-1].watts, False


def arm(
    tree: Tree,
    durable: Durable,
    image: Image,
    now_ns: int,
    spares: Mapping[str, Setpoint],
    mistrusted: frozenset[str] = frozenset(),
) -> Iterator[Armed | None]:
    """Builds everything anew; gives None after each slice, the result last.

    `spares` are the prepared lowering setpoints by load (made once): nothing is allocated that a cut would have to
    make.
    """
    urgent = {circuit: _Builder() for circuit in tree.circuits}
    gentle = {circuit: _Builder() for circuit in tree.circuits}
    own_w = {circuit.id: 0.0 for circuit in tree.site.circuits}
    falling_w = dict.fromkeys(own_w, 0.0)
    heard = dict.fromkeys(own_w, True)
    armed_loads: dict[str, str] = {}
    told = {load for cut in durable.cuts if not cut.settled for load in cut.loads}
    for number, load in enumerate(tree.shed_order):
        if number % SLICE_LOADS == SLICE_LOADS - 1:
            yield None
        seen = image.loads.get(load.id)
        draws_w, known = present_watts(load, seen, now_ns)
        own_w[load.circuit] += draws_w
        if seen is None:
            heard[load.circuit] = False
        below = load.steps[0]
        down = durable.lowered.get(load.id)
        if down is not None or load.id in told:
            if down is None or now_ns < down.told_ns + below.reach_ns:
                falling_w[load.circuit] += max(0.0, draws_w - below.watts)
            continue
        rising = durable.rising.get(load.id)
        climbing = rising is not None and not rising.arrived
        if known and not climbing and seen is not None and seen.step == below.name:
            continue
        armed_loads[load.id] = below.name
        setpoint = spares[load.id]
        worth_w = rising.watts if rising is not None and climbing else draws_w - below.watts
        silent = not known or load.id in mistrusted or (seen is not None and seen.poll is not Outcome.OK)
        minimum_on = rising is not None and now_ns - rising.told_ns < load.on_ns_min
        for circuit in tree.path[load.circuit]:
            if silent and not climbing:
                urgent[circuit].last.append((setpoint, below.reach_ns))
                gentle[circuit].last.append((setpoint, below.reach_ns))
                continue
            urgent[circuit].add(setpoint, max(0.0, worth_w), below.reach_ns)
            if not minimum_on:
                gentle[circuit].add(setpoint, max(0.0, worth_w), below.reach_ns)
    yield None
    built_urgent: dict[str, Ladder] = {}
    built_gentle: dict[str, Ladder] = {}
    for circuit in tree.circuits:
        built_urgent[circuit] = urgent[circuit].built()
        yield None
        same = len(gentle[circuit].setpoints) == len(urgent[circuit].setpoints) - len(urgent[circuit].last)
        built_gentle[circuit] = built_urgent[circuit] if same else gentle[circuit].built()
        yield None
    yield Armed(now_ns, built_urgent, built_gentle, own_w, falling_w, heard, armed_loads)


def lowering_setpoints(tree: Tree) -> dict[str, Setpoint]:
    """The prepared setpoint that takes each load to its lowest step."""
    return {load.id: Setpoint(load.id, load.steps[0].name, load.steps[0].watts) for load in tree.site.loads}
