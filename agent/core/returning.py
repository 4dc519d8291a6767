"""Return: loads come back by ramp, one after the other, in an order drawn from a seed, and stop within one tick.

What must hold for one load to rise (design.md section 4, invariants 3, 6, 8, 9, 13):
    it is one that we lowered, and its minimum off time is over
    it answered: its newest read-back says the step we told it, and no write to it is unanswered; after an unknown write
    two reads in a row agree
    what feeds it is closed; no tag and no LOCAL on it or on what feeds it; no latch and no missing permit above it
    a contactor: its permits are 1 and were read within 500 ms, no fault, operations left, no other one closing
    every circuit above it: its power is known, no cut is out, it is not BOOT, SHEDDING or BLIND
    there is room: net power, what is still climbing and this load stay under every bound above it
    ramp: the watts were earned at the circuit's ramp, one load's worth saved at most; its net power keeps to the line
    too jump: what rises in one beat stays under jump_up
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from agent.core.bounds import Bound, fold
from agent.core.image import Image, Outcome, Write
from agent.core.ladder import READ_POLLS_MAX, dark
from agent.core.names import draw
from agent.core.power import NO_MEMORY, Net, climbing_w, steady_w
from agent.core.rules.under_frequency import NOISE_PU
from agent.core.setpoint import Setpoint
from agent.core.state import CircuitMemory, Durable, Event, Lowered, Mode, ReturnPlan, Rising, State
from agent.core.switchgear import may_close
from agent.core.tree import Tree
from agent.core.values import NS_PER_S

LOOKED_AT_MAX = 256  # loads looked at in one beat: under 2 ms
PLAN_AGAIN_NS = 1 * NS_PER_S
SAVED_S_MAX = 0.2  # two beats: a ramp so fast that several loads rise in one beat is not slowed by the beat
RESTING = frozenset({Mode.NORMAL, Mode.HOLDING, Mode.RETURNING})


class Raised(Struct, frozen=True):
    """What may rise in this beat."""

    state: State
    setpoints: tuple[Setpoint, ...]


def room_w(bounds: Iterable[Bound], found: Mapping[str, Net]) -> dict[str, float]:
    """The upper edge of every circuit that has one."""
    by_circuit: dict[str, list[Bound]] = {}
    for bound in bounds:
        if bound.acts:
            by_circuit.setdefault(bound.circuit, []).append(bound)
    return {name: fold(here).hi_w for name, here in by_circuit.items()}


def order(tree: Tree, state: State, event: str, now_ns: int) -> ReturnPlan:
    """The dearest loads first, equals in an order drawn from site, agent and event, so that sites do not rise
    together.
    """
    seed = f"{tree.site.id}/{tree.site.agent}"
    loads = [load for load, down in state.durable.lowered.items() if down.event == event]
    loads.sort(
        key=lambda load: (
            load not in tree.contactors,  # what feeds others comes first
            -tree.loads[load].value_usd_per_mwh,
            draw(seed, event, load),
        )
    )
    return ReturnPlan(tuple(loads), 0, now_ns)


def raise_loads(
    tree: Tree,
    state: State,
    image: Image,
    found: Mapping[str, Net],
    edges: Mapping[str, float],
    events: Iterable[Event],
    blocked: frozenset[str],
    now_ns: int,
) -> Raised:
    """The setpoints that raise loads in this beat, and the state after them."""
    room = _Room(tree, state, image, found, edges, blocked, now_ns)
    setpoints: list[Setpoint] = []
    lowered = dict(state.durable.lowered)
    rising = dict(state.durable.rising)
    plans = dict(state.returns)
    switching = any(load in tree.contactors and not up.arrived for load, up in rising.items())
    for event in events:
        plan = plans.get(event.id)
        if plan is None or (plan.position >= len(plan.queue) and now_ns - plan.made_ns >= PLAN_AGAIN_NS):
            plan = replace(order(tree, state, event.id, now_ns), risen=plan is not None and plan.risen)
        position, risen = plan.position, plan.risen
        for load in plan.queue[position : position + LOOKED_AT_MAX]:
            down = lowered.get(load)
            if down is None or down.event != event.id or not may_rise(tree, state.durable, load, down, image, now_ns):
                position += 1
                continue
            top = tree.loads[load].steps[-1]
            from_w = tree.step_watts(load, down.step)
            watts = max(0.0, top.watts - from_w)
            if room.full(event, load, watts) or (load in tree.contactors and switching):
                position += 1
                continue  # contactors one at a time
            if not room.take(event, load, watts):
                break
            position += 1
            risen = True
            del lowered[load]
            switching |= load in tree.contactors
            rising[load] = Rising(event.id, top.name, now_ns, now_ns + top.reach_ns, watts, down, from_w)
            setpoints.append(Setpoint(load, top.name, top.watts, event.id, lowers=False))
        plans[event.id] = replace(plan, position=position, risen=risen)
    state = replace(state, returns=plans, circuits=room.circuits)
    if setpoints:
        state = replace(state, durable=replace(state.durable, lowered=lowered, rising=rising))
    return Raised(state, tuple(setpoints))


def may_rise(tree: Tree, durable: Durable, load: str, down: Lowered, image: Image, now_ns: int) -> bool:
    """Whether this load itself is ready to be raised."""
    site_load = tree.loads[load]
    write = image.writes.get(load)
    if now_ns - _off_ns(down, write) < site_load.off_ns_min or now_ns < down.not_before_ns or load in image.held:
        return False
    contactor = tree.contactors.get(load)
    if contactor is not None and not may_close(durable, image, contactor, now_ns):
        return False
    if dark(tree, image, load) or tree.fed_by.get(load, "") in durable.lowered:
        return False  # what feeds it closes first
    seen = image.loads.get(load)
    if (
        seen is None
        or seen.step is None
        or not tree.at_or_below(load, seen.step, down.step)
        or seen.poll is not Outcome.OK
    ):
        return False
    if now_ns - seen.taken_ns > READ_POLLS_MAX * site_load.poll_ns or seen.taken_ns <= down.told_ns:
        return False
    if write is None or write.outcome is Outcome.OK:
        return True
    if write.outcome is Outcome.PENDING:
        return False
    return seen.agreed >= 2 and seen.taken_ns > write.sent_ns


def _off_ns(down: Lowered, write: Write | None) -> int:
    """Since when a load is off: a session that had to be waited for, and a repeat, come later than it was told."""
    if write is None or write.step != down.step:
        return down.told_ns
    return max(down.told_ns, write.sent_ns if write.answered_ns is None else write.answered_ns)


class _Room:
    """What may still rise in this beat, circuit by circuit."""

    def __init__(
        self,
        tree: Tree,
        state: State,
        image: Image,
        found: Mapping[str, Net],
        edges: Mapping[str, float],
        blocked: frozenset[str],
        now_ns: int,
    ) -> None:
        self._tree = tree
        self._state = state
        self._now_ns = now_ns
        self._edges = edges
        self.circuits: dict[str, CircuitMemory] = dict(state.circuits)
        self._ends_w: dict[str, float | None] = {}
        self._raised_w: dict[str, float] = dict.fromkeys(tree.circuits, 0.0)
        out = {name for cut in state.durable.cuts for name in cut.falls}
        for name in tree.circuits:
            watts = found[name].watts
            resting = self.circuits.get(name, NO_MEMORY).mode in RESTING and name not in out
            if watts is None or not resting or name in blocked:
                self._ends_w[name] = None
                continue
            steady = steady_w(state, found[name], name)
            self._ends_w[name] = max(watts, steady if steady is not None else watts) + climbing_w(
                tree, state.durable, image, name
            )

    def full(self, event: Event, load: str, watts: float) -> bool:
        """Whether nothing may rise through a node above this load, or a circuit further in than the event's has no
        room for it: that holds up nobody else.
        """
        common = self._tree.path[event.circuit]
        for name in self._tree.nodes_of[load]:
            ends_w = self._ends_w[name]
            if ends_w is None or (name not in common and ends_w + watts > self._edges.get(name, float("inf"))):
                return True
        return False

    def take(self, event: Event, load: str, watts: float) -> bool:
        """Whether this load fits everywhere above it; if so it is counted."""
        path = self._tree.nodes_of[load]
        for name in path:
            ends_w = self._ends_w[name]
            if ends_w is None or ends_w + watts > self._edges.get(name, float("inf")):
                return False
            if self._raised_w[name] + watts > self._tree.circuits[name].jump_up_w and self._raised_w[name] > 0:
                return False
            if watts > self._tree.circuits[name].jump_up_w:
                return False
            if not self._within_ramp(name, event, ends_w, watts):
                return False
        for name in path:
            before_w = self._ends_w[name]
            assert before_w is not None
            self._ends_w[name] = before_w + watts
            self._raised_w[name] += watts
            memory = self.circuits.get(name, NO_MEMORY)
            self.circuits[name] = replace(memory, tokens_w=memory.tokens_w - watts)
        return True

    def _within_ramp(self, name: str, event: Event, ends_w: float, watts: float) -> bool:
        ramp = self._tree.circuits[name].ramp_up_w_per_s
        if ramp == float("inf"):
            return True
        memory = self.circuits.get(name, NO_MEMORY)
        if memory.return_from_ns is None:
            # This circuit's way up begins here, by up to the first load's own time later, drawn from the seed.
            owed_w = draw(self._tree.site.id, self._tree.site.agent, event.id, name) * watts
            memory = replace(
                memory, return_from_ns=self._now_ns, return_from_w=ends_w, tokens_w=-owed_w, tokens_ns=self._now_ns
            )
        assert memory.return_from_ns is not None
        saved_w_max = max(watts, ramp * SAVED_S_MAX)
        tokens_w = min(saved_w_max, memory.tokens_w + ramp * (self._now_ns - memory.tokens_ns) / NS_PER_S)
        self.circuits[name] = replace(memory, tokens_w=tokens_w, tokens_ns=self._now_ns)
        line_w = memory.return_from_w + ramp * (self._now_ns - memory.return_from_ns) / NS_PER_S
        return watts <= tokens_w and ends_w + watts <= line_w + NOISE_PU * abs(ends_w)
