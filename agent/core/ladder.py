"""The ladder: the loads' steps in shedding order with cumulative watts, so that a cut is one bisect.

Built off the path, whenever loads change and about once a second, in slices (`arm` is a generator that gives the loop
back): at 8,000 loads it takes some 10 ms in all. On the path it is only cut.

The order of one ladder:
    first    contactors for rules that must be faster than loads can be, with what they feed (grid and contract only)
    loads    cheapest watts first, each to its floor
    deep     below the floor, for protection alone (a GPU: minimum limit and lowest clocks)
    last     loads that are silent or did not follow last time: worth nothing, told only when everything goes; contested
             ones for protection alone
    final    contactors whose loads were asked and still draw

What a rung is worth: the load's present watts minus those of the step below, measured before rated; a contactor: the
present watts of what it feeds that is still on.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from agent.core.image import Image, LoadSeen, Outcome
from agent.core.setpoint import Setpoint
from agent.core.site import BoundClass, Contactor, Load
from agent.core.state import Durable
from agent.core.tree import Tree
from agent.core.values import DAY_NS, NS_PER_S

SLICE_LOADS = 200  # about 1 ms of Python
READ_POLLS_MAX = 3  # a load's own watts are believed for three of its poll periods
STILL_ANSWERS_NS = 2 * NS_PER_S  # who answers this long after its supply was cut has one
MIN_ON_CLASSES = frozenset({BoundClass.COMMAND, BoundClass.VALUE})  # bound by minimum on times


class Ladder(Struct, frozen=True):
    """One node's steps in shedding order."""

    setpoints: tuple[Setpoint, ...] = ()
    loads: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    worth_w: tuple[float, ...] = ()
    cumulative_w: tuple[float, ...] = ()  # cumulative_w[i] = what the first i+1 rungs give up
    reach_ns: tuple[int, ...] = ()  # the slowest of the first i+1
    doubled: bool = False  # some load stands in it twice, with a lower step the second time

    @property
    def total_w(self) -> float:
        return self.cumulative_w[-1] if self.cumulative_w else 0.0


EMPTY = Ladder()


class Armed(Struct, frozen=True):
    """All that is prepared off the path."""

    made_ns: int = 0
    protect: Mapping[str, Ladder] = {}  # node -> ladder for protect bounds: floors set aside
    urgent: Mapping[str, Ladder] = {}  # for grid and contract bounds
    gentle: Mapping[str, Ladder] = {}  # for command and value bounds: minimum on times respected
    own_w: Mapping[str, float] = {}  # node -> what the loads directly on it draw; one not heard counts as rated
    falling_w: Mapping[str, float] = {}  # node -> the part of these that was told to go and is not overdue
    heard: Mapping[str, bool] = {}  # node -> every load on it has been heard or given up on
    armed_loads: Mapping[str, str] = {}  # load -> the step that a cut may take it to

    def ladder(self, node: str, cls: BoundClass) -> Ladder:
        """The ladder that a bound of this class cuts."""
        if cls is BoundClass.PROTECT:
            return self.protect.get(node, EMPTY)
        if cls in MIN_ON_CLASSES:
            return self.gentle.get(node, EMPTY)
        return self.urgent.get(node, EMPTY)


Rung = tuple[Setpoint, float, int]  # worth, reach


class _Builder:
    """A ladder while it grows."""

    def __init__(self) -> None:
        self.first: list[Rung] = []
        self.loads: list[Rung] = []
        self.deep: list[Rung] = []
        self.last: list[Rung] = []
        self.final: list[Rung] = []

    def built(self) -> Ladder:
        rungs = [*self.first, *self.loads, *self.deep, *self.last, *self.final]
        sum_w = 0.0
        slowest_ns = 0
        cumulative_w: list[float] = []
        slowest: list[int] = []
        for _, worth_w, reach_ns in rungs:
            sum_w += worth_w
            slowest_ns = max(slowest_ns, reach_ns)
            cumulative_w.append(sum_w)
            slowest.append(slowest_ns)
        return Ladder(
            tuple(rung[0] for rung in rungs),
            tuple(rung[0].load for rung in rungs),
            tuple(rung[0].step for rung in rungs),
            tuple(rung[1] for rung in rungs),
            tuple(cumulative_w),
            tuple(slowest),
            bool(self.deep),
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


def dark(tree: Tree, image: Image, load: str) -> bool:
    """Whether a load has no supply: the contactor that feeds it says that it is open, and the load does not contradict
    by an answer of its own.
    """
    contactor = tree.fed_by.get(load)
    if contactor is None:
        return False
    seen = image.loads.get(contactor)
    if seen is None or seen.step != "open" or seen.poll is not Outcome.OK:
        return False
    own = image.loads.get(load)
    opened_ns = seen.taken_ns - (seen.agreed - 1) * tree.plcs[tree.contactors[contactor].plc].poll_ns
    return own is None or own.poll is not Outcome.OK or own.taken_ns <= opened_ns + STILL_ANSWERS_NS


def operable(tree: Tree, durable: Durable, image: Image, contactor: Contactor, now_ns: int) -> bool:
    """Whether a contactor may be opened: closed by its feedback, its PLC answering, no fault, operations left."""
    seen = image.loads.get(contactor.id)
    if seen is None or seen.step != "closed" or seen.poll is not Outcome.OK or contactor.id in durable.latched:
        return False
    if now_ns - seen.taken_ns > tree.plcs[contactor.plc].blind_after_ns or contactor.id in image.local:
        return False
    return operations_left(durable, contactor, now_ns) > 0 and contactor.id not in durable.lowered


def operations_left(durable: Durable, contactor: Contactor, now_ns: int) -> int:
    """How many more times a contactor may be told to move within the day."""
    done = sum(now_ns - at_ns < DAY_NS for at_ns in durable.operations.get(contactor.id, ()))
    return contactor.operations_per_day_max - done


class _Arming:
    """One building of everything anew."""

    def __init__(
        self, tree: Tree, durable: Durable, image: Image, now_ns: int, spares: Mapping[tuple[str, str], Setpoint]
    ) -> None:
        self.tree, self.durable, self.image, self.now_ns, self.spares = tree, durable, image, now_ns, spares
        nodes = tree.circuits
        self.builders = {kind: {node: _Builder() for node in nodes} for kind in ("protect", "urgent", "gentle")}
        self.own_w = dict.fromkeys(nodes, 0.0)
        self.falling_w = dict.fromkeys(nodes, 0.0)
        self.heard = dict.fromkeys(nodes, True)
        self.armed_loads: dict[str, str] = {}
        self.told = {
            load: step
            for cut in durable.cuts
            if not cut.settled
            for load, step in zip(cut.loads, cut.steps, strict=True)
        }
        self.quick: set[str] = set()  # loads whose contactor opens before they are asked
        self.fed_w: dict[str, float] = {}  # contactor -> what its loads draw
        self.stubborn_w: dict[str, float] = {}  # contactor -> what those of them draw that were asked
        self.usable = [one for one in tree.contactors.values() if operable(tree, durable, image, one, now_ns)]
        for contactor in self.usable:
            if contactor.first:
                self.quick.update(contactor.feeds)

    def load(self, load: Load, mistrusted: frozenset[str], contested: frozenset[str]) -> None:
        """One load's rungs."""
        image, now_ns = self.image, self.now_ns
        seen = image.loads.get(load.id)
        nodes = self.tree.nodes_of[load.id]
        if dark(self.tree, image, load.id):
            return
        draws_w, known = present_watts(load, seen, now_ns)
        self.own_w[load.circuit] += draws_w
        if load.tank is not None:
            self.own_w[nodes[-1]] += draws_w
        if seen is None:
            for node in (load.circuit, nodes[-1]):
                self.heard[node] = False
        silent = not known or load.id in mistrusted or (seen is not None and seen.poll is not Outcome.OK)
        contactor = self.tree.fed_by.get(load.id)
        down = self.durable.lowered.get(load.id)
        if contactor is not None:
            self.fed_w[contactor] = self.fed_w.get(contactor, 0.0) + draws_w
            late = down is not None and not down.confirmed and now_ns >= down.told_ns + load.steps[0].reach_ns
            if late or load.id in mistrusted or (silent and down is not None):
                self.stubborn_w[contactor] = self.stubborn_w.get(contactor, 0.0) + draws_w
        if load.id in image.local:
            return
        at = self.told.get(load.id) or (down.step if down is not None else None)
        if at is not None and (down is None or now_ns < down.told_ns + load.steps[0].reach_ns):
            self.falling_w[load.circuit] += max(0.0, draws_w - self.tree.step_watts(load.id, at))
        rising = self.durable.rising.get(load.id)
        climbing = rising is not None and not rising.arrived
        if at is None and known and not climbing and seen is not None:
            at = seen.step
        names = [step.name for step in load.steps]
        here = names.index(at) if at in names else len(names) - 1
        if here > load.floor:
            target = load.steps[load.floor]
            self.armed_loads[load.id] = target.name
            worth_w = rising.watts if rising is not None and climbing else max(0.0, draws_w - target.watts)
            busy = rising is not None and now_ns - rising.told_ns < load.on_ns_min
            rung = (self.spares[load.id, target.name], worth_w, target.reach_ns)
            spared = seen is None or load.id in contested  # whether it is on at all will be known in a moment
            self._shelve(load.id, nodes, rung, tail=silent and not climbing, busy=busy, spared=spared)
        if load.floor > 0 and here > 0:
            lowest = load.steps[0]
            left_w = max(0.0, min(draws_w, load.steps[load.floor].watts) - lowest.watts)
            for node in nodes:
                deep = self.builders["protect"][node].deep
                deep.append((self.spares[load.id, lowest.name], left_w, lowest.reach_ns))

    def _shelve(self, load: str, nodes: tuple[str, ...], rung: Rung, *, tail: bool, busy: bool, spared: bool) -> None:
        nothing = (rung[0], 0.0, rung[2])
        for node in nodes:
            for kind, builders in self.builders.items():
                builder = builders[node]
                if spared and kind != "protect":
                    continue
                if tail:
                    builder.last.append(nothing)
                elif kind == "urgent" and load in self.quick:
                    builder.first.append(nothing)
                elif kind != "gentle" or not busy:
                    builder.loads.append(rung)

    def contactors(self) -> None:
        """The contactors' rungs, when all loads have theirs."""
        for contactor in self.usable:
            load = self.tree.loads[contactor.id]
            opened = self.spares[contactor.id, "open"]
            reach_ns = load.steps[0].reach_ns
            short_w = self._short_w(contactor)
            for node in self.tree.nodes_of[contactor.id]:
                for kind, builders in self.builders.items():
                    if contactor.first and kind == "urgent":
                        builders[node].first.append((opened, self.fed_w.get(contactor.id, 0.0), reach_ns))
                    elif short_w > 0:
                        builders[node].final.append((opened, short_w, reach_ns))

    def _short_w(self, contactor: Contactor) -> float:
        """What a contactor's loads were asked and did not give: by themselves, or as the meter says of their event."""
        stubborn_w = self.stubborn_w.get(contactor.id, 0.0)
        by_event: dict[str, float] = {}
        for name in contactor.feeds:
            down = self.durable.lowered.get(name)
            if down is not None:
                by_event[down.event] = by_event.get(down.event, 0.0) + down.watts
        lied_w = sum(
            min(self.durable.events[event].short_w, asked_w)
            for event, asked_w in by_event.items()
            if event in self.durable.events
        )
        return max(stubborn_w, lied_w)


def arm(
    tree: Tree,
    durable: Durable,
    image: Image,
    now_ns: int,
    spares: Mapping[tuple[str, str], Setpoint],
    mistrusted: frozenset[str] = frozenset(),
    contested: frozenset[str] = frozenset(),
) -> Iterator[Armed | None]:
    """Builds everything anew; gives None after each slice, the result last.

    `spares` are the prepared lowering setpoints (made once): nothing is allocated that a cut would have to make.
    """
    arming = _Arming(tree, durable, image, now_ns, spares)
    for number, load in enumerate(tree.shed_order):
        if number % SLICE_LOADS == SLICE_LOADS - 1:
            yield None
        arming.load(load, mistrusted, contested)
    arming.contactors()
    yield None
    ladders: dict[str, dict[str, Ladder]] = {"protect": {}, "urgent": {}, "gentle": {}}
    for node in tree.circuits:
        urgent = arming.builders["urgent"][node]
        ladders["urgent"][node] = urgent.built()
        yield None
        for kind in ("protect", "gentle"):
            other = arming.builders[kind][node]
            same = len(other.loads) == len(urgent.loads) and len(other.last) == len(urgent.last)
            same = same and not urgent.first and not other.deep
            ladders[kind][node] = ladders["urgent"][node] if same else other.built()
            yield None
    yield Armed(
        now_ns,
        ladders["protect"],
        ladders["urgent"],
        ladders["gentle"],
        arming.own_w,
        arming.falling_w,
        arming.heard,
        arming.armed_loads,
    )


def lowering_setpoints(tree: Tree) -> dict[tuple[str, str], Setpoint]:
    """The prepared setpoint for every step below the top of every load and contactor."""
    return {
        (load.id, step.name): Setpoint(load.id, step.name, step.watts)
        for load in tree.loads.values()
        for step in load.steps[:-1]
    }
