"""After a restart nothing is assumed: what the journal kept becomes a state to start BOOT from.

Within one boot of the machine the monotonic clock goes on, so times stay as they are. After another boot they mean
nothing: timers of unknown age start again in full, and loads that were rising count as lowered, to be raised anew.
Cuts that the meter had not judged still count as falling, or they would be made a second time.
"""

from msgspec.structs import replace

from agent.core.follow import settle
from agent.core.state import CircuitMemory, Durable, State
from agent.core.tree import Tree


def restored(tree: Tree, kept: Durable, *, same_boot: bool, now_ns: int) -> State:
    """The state to start from. Loads and circuits that site.toml no longer has are dropped."""
    events = {name: event for name, event in kept.events.items() if event.circuit in tree.circuits}
    durable = settle(State(durable=kept)).durable
    cuts = tuple(replace(cut, answered=True) for cut in durable.cuts if cut.event in events)
    lowered = {load: down for load, down in durable.lowered.items() if load in tree.loads}
    rising = {load: up for load, up in durable.rising.items() if load in tree.loads}
    if not same_boot:
        # Whether a load that was told to rise did so is not known: found on, it is up, and nobody moved it.
        unsure = {load: replace(up.was, confirmed=False) for load, up in rising.items() if not up.arrived}
        lowered = {
            load: replace(down, told_ns=now_ns, moved_ns=None, not_before_ns=0)
            for load, down in (lowered | unsure).items()
        }
        rising = {}
        events = {name: replace(event, began_ns=now_ns) for name, event in events.items()}
        cuts = tuple(
            replace(cut, told_ns=now_ns, due_ns=now_ns + cut.due_ns - cut.told_ns, reading_ns=0, landed_w=0.0)
            for cut in cuts
        )
    lowered = {
        load: down if not down.event or down.event in events else replace(down, event="")
        for load, down in lowered.items()
    }
    # Without the power before them, what fell of them before the crash would be missed, and asked for elsewhere.
    circuits = {
        cut.judged_at or cut.circuit: CircuitMemory(
            since_ns=now_ns, base_w=events[cut.event].base_w if cut.base_w is None else cut.base_w
        )
        for cut in cuts
        if cut.base_w is not None or events[cut.event].circuit == cut.circuit
    }
    return State(durable=replace(durable, events=events, cuts=cuts, lowered=lowered, rising=rising), circuits=circuits)
