"""Did the meter see it? Cuts are judged by the watts that fell, and what did not deliver is named.

A cut is judged at the nearest meter above its loads whose noise (three sigma of the refreshes before it) is under a
quarter of what it was worth; else at the nearest meter there is. Delivered: at least 95 % of the watts fell, less that
noise. It is judged as soon as that is seen, and at the latest when its slowest load was due and the meter has refreshed
since. With the meter silent nothing is judged: the cut stays outstanding.
"""

from collections.abc import Mapping
from math import sqrt

from msgspec import Struct
from msgspec.structs import replace

from agent.core.power import NO_MEMORY, Net
from agent.core.state import Cut, State
from agent.core.tree import Tree

DELIVERED_PU = 0.95
SIGMAS = 3.0
WHOLE_PU = 0.999
NOISE_SHARE_MAX = 0.25


class Verdict(Struct, frozen=True):
    """What one circuit's outstanding cuts came to."""

    cuts: tuple[Cut, ...]
    delivered: bool
    fell_w: float
    wanted_w: float
    meter: str | None
    net_w: float


def noise_w(state: State, meter: str, before_ns: int) -> float:
    """Three sigma of the power of the refreshes before an instant; 0 with fewer than three."""
    watts = [
        refresh.power_w
        for refresh in state.refreshes.get(meter, ())
        if refresh.power_w is not None and refresh.taken_ns <= before_ns
    ]
    if len(watts) < 3:
        return 0.0
    mean = sum(watts) / len(watts)
    return SIGMAS * sqrt(sum((value - mean) ** 2 for value in watts) / (len(watts) - 1))


def judging_circuit(tree: Tree, state: State, cut: Cut) -> str:
    """Where a cut is judged: the nearest circuit up from it whose meter is quiet enough to see it."""
    # A tank's loads may hang on several circuits: only those that all of its watts flow through can judge it.
    whole = [name for name, watts in cut.falls.items() if watts >= WHOLE_PU * cut.watts]
    whole.sort(key=lambda name: -len(tree.path[name]))
    with_meter = [name for name in whole if tree.circuits[name].meter is not None]
    for name in with_meter:
        meter = tree.circuits[name].meter
        if meter is not None and noise_w(state, meter, cut.told_ns) < NOISE_SHARE_MAX * cut.watts:
            return name
    return with_meter[0] if with_meter else cut.circuit


def with_judges(tree: Tree, state: State) -> State:
    """Chooses who judges each new cut, and notes the noise there: in a moment the refreshes before it are forgotten."""
    if all(cut.judged_at for cut in state.durable.cuts):
        return state
    cuts: list[Cut] = []
    for cut in state.durable.cuts:
        if not cut.judged_at:
            node = judging_circuit(tree, state, cut)
            meter = tree.circuits[node].meter
            noise = noise_w(state, meter, cut.told_ns) if meter is not None else 0.0
            cut = replace(cut, judged_at=node, noise_w=noise, base_w=state.circuits.get(node, NO_MEMORY).base_w)
        cuts.append(cut)
    return replace(state, durable=replace(state.durable, cuts=tuple(cuts)))


def judge(tree: Tree, state: State, found: Mapping[str, Net], now_ns: int) -> list[Verdict]:
    """The verdicts that can be given now, one for each circuit that judges."""
    waiting: dict[str, list[Cut]] = {}
    for cut in state.durable.cuts:
        if cut.settled:
            waiting.setdefault(cut.judged_at or judging_circuit(tree, state, cut), []).append(cut)
    verdicts: list[Verdict] = []
    for name, cuts in waiting.items():
        net = found[name]
        if net.watts is None:
            continue
        base_w = state.circuits.get(name, NO_MEMORY).base_w
        fell_w = max(0.0, base_w - net.watts) if base_w is not None else 0.0
        wanted_w = sum(cut.watts for cut in cuts)
        noise = max(cut.noise_w for cut in cuts)
        # A step just before the cut looks like noise; without this bound it would prove a cut that has not fallen yet.
        noise = min(noise, NOISE_SHARE_MAX * wanted_w)
        enough = fell_w >= DELIVERED_PU * wanted_w - noise and net.taken_ns > max(cut.told_ns for cut in cuts)
        due_ns = max(cut.due_ns for cut in cuts)
        # The meter must have renewed its values since the slowest load was due.
        refreshed = net.meter is None or any(
            refresh.taken_ns > due_ns for refresh in state.refreshes.get(net.meter, ())[-1:]
        )
        if enough or (now_ns >= due_ns and refreshed):
            verdicts.append(Verdict(tuple(cuts), enough, fell_w, wanted_w, net.meter, net.watts))
    return verdicts
