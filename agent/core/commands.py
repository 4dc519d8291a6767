"""How far each command's limit has come (wire.md section 6.1): applied, verified or unverified, ended.

applied      its setpoints were read back, or nothing had to be lowered; loads that did not answer are counted
verified     a reading of the circuit's meter newer than that is within tolerance of the limit or below
unverified   the time for that passed; the limit stays
ended        its lease lapsed, or it was released or superseded; the circuit then returns by ramp
"""

from collections.abc import Mapping

from msgspec.structs import replace

from agent.core.bounds import Bound
from agent.core.image import Image, Lease
from agent.core.notes import CommandNote, Note
from agent.core.power import Net
from agent.core.react import event_of
from agent.core.rules.command import in_force
from agent.core.state import CommandMemory, State
from agent.core.tree import Tree
from agent.core.values import NS_PER_S

VERIFY_NS = 10 * NS_PER_S  # where the command does not say


def attend(
    tree: Tree, state: State, image: Image, found: Mapping[str, Net], bounds: tuple[Bound, ...], now_ns: int
) -> tuple[State, list[Note]]:
    """The state and the notes after this beat."""
    if not image.leases and not state.commands:
        return state, []
    leases = {lease.id: lease for lease in image.leases if in_force(lease, now_ns)}
    commands: dict[str, CommandMemory] = {}
    notes: list[Note] = []
    for name, lease in leases.items():
        memory = state.commands.get(name)
        if memory is None:
            before_w = _limit_w(tree, lease.circuit, bounds, without=name)
            memory = CommandMemory(lease.from_ns, lease.issuer, lease.circuit, lease.limit_w, before_w)
        commands[name], note = _advanced(tree, state, lease, memory, found[lease.circuit], now_ns)
        notes += note
    for name, memory in state.commands.items():
        if name not in leases:
            notes.append(_ended(tree, name, memory, leases, image, found[memory.circuit], bounds, now_ns))
    return replace(state, commands=commands), notes


def _limit_w(tree: Tree, circuit: str, bounds: tuple[Bound, ...], without: str) -> float:
    """The limit in force on a circuit but for one command."""
    edges = [bound.hi_w for bound in bounds if bound.circuit == circuit and bound.key != without]
    return min(edges, default=tree.circuits[circuit].limit_w)


def _advanced(
    tree: Tree, state: State, lease: Lease, memory: CommandMemory, net: Net, now_ns: int
) -> tuple[CommandMemory, list[Note]]:
    notes: list[Note] = []
    event = event_of(state.durable, lease.id)
    if memory.state == "accepted" and (event is None or not event.dry):
        waits, ok, fail = _read_back(tree, state, event.id if event is not None else None, now_ns)
        known = net.watts is not None and (event is not None or net.watts <= lease.limit_w + lease.tolerance_w)
        if known and not waits:
            memory = replace(memory, state="applied", applied_ns=now_ns)
            notes.append(_note(lease.id, memory, net, now_ns, ok=ok, fail=fail))
    if memory.state == "applied" and memory.applied_ns is not None and net.watts is not None:
        newer = net.taken_ns > memory.applied_ns
        if newer and net.watts <= lease.limit_w + lease.tolerance_w:
            memory = replace(memory, state="verified")
            notes.append(_note(lease.id, memory, net, now_ns))
    verify_ns = lease.verify_ns if lease.verify_ns is not None else VERIFY_NS
    if memory.state in ("accepted", "applied") and now_ns - memory.from_ns > verify_ns:
        why = "the meter is silent" if net.watts is None else "the meter stands above the limit"
        if event is not None and event.dry:
            why = "observed only, nothing was told"
        memory = replace(memory, state="unverified")
        notes.append(_note(lease.id, memory, net, now_ns, code=why))
    return memory, notes


def _read_back(tree: Tree, state: State, event: str | None, now_ns: int) -> tuple[bool, int, int]:
    """Whether some load may still confirm its setpoint, how many did, and how many are past their time."""
    ok = fail = 0
    waits = False
    for load, down in state.durable.lowered.items():
        if down.event != event:
            continue
        if down.confirmed:
            ok += 1
        elif now_ns < down.told_ns + tree.loads[load].steps[0].reach_ns:
            waits = True
        else:
            fail += 1
    waits = waits or any(sent.event == event and not sent.settled for sent in state.durable.cuts)
    return waits, ok, fail


def _ended(
    tree: Tree,
    name: str,
    memory: CommandMemory,
    leases: Mapping[str, Lease],
    image: Image,
    net: Net,
    bounds: tuple[Bound, ...],
    now_ns: int,
) -> CommandNote:
    lapsed = any(lease.id == name for lease in image.leases)
    newer = any(lease.issuer == memory.issuer and lease.circuit == memory.circuit for lease in leases.values())
    code = "lease" if lapsed else "superseded" if newer else "released"
    return CommandNote(
        now_ns,
        name,
        "ended",
        code,
        memory.limit_w,
        _limit_w(tree, memory.circuit, bounds, without=name),
        net.meter,
        net.watts,
        now_ns - net.taken_ns if net.taken_ns else None,
    )


def _note(
    name: str, memory: CommandMemory, net: Net, now_ns: int, code: str = "", ok: int = 0, fail: int = 0
) -> CommandNote:
    return CommandNote(
        now_ns,
        name,
        memory.state,
        code,
        memory.before_w,
        memory.limit_w,
        net.meter,
        net.watts,
        now_ns - net.taken_ns if net.taken_ns else None,
        ok,
        fail,
    )
