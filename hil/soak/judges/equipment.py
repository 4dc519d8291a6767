"""Contactor, tank's pumps, GPUs, and the agent's absence (invariants 8, 9, 12, 14)."""

from bisect import bisect_left

from hil.soak.judges.view import Broken, Judged, truths
from hil.soak.site import TANK
from hil.soak.trace import S, Trace

_LOOK_NS = 500_000_000
_HEARTBEAT = "060000"  # function 6, register 0
_LEASE_NS = 15 * S
_CLOSES_NS = S  # coil to poles
_PERMITS = ("estop_ok", "leak_ok", "remote")
_LOWEST_W, _HIGHEST_W = 200.0, 700.0


def judge_contactor_closes(trace: Trace) -> Judged:
    """It is asked to close only with its permits 1 and its inputs read within 500 ms before, after its minimum open
    time; and its poles close for no other reason.
    """
    broken: list[Broken] = []
    asked = [turn for turn in trace.coils if turn.on]
    opened_ns = [turn.at_ns for turn in trace.poles if not turn.on]
    for turn in asked:
        number = bisect_left(trace.looks, turn.at_ns)
        if not number or turn.at_ns - trace.looks[number - 1] > _LOOK_NS:
            broken.append(Broken(turn.at_ns, "asked to close, and its permits were not read within 500 ms"))
        missing = [name for name in _PERMITS if not _input(trace, name, turn.at_ns - _LOOK_NS, turn.at_ns)]
        if missing:
            broken.append(Broken(turn.at_ns, f"asked to close without {', '.join(missing)}"))
        open_ns = [at_ns for at_ns in opened_ns if at_ns < turn.at_ns]
        if open_ns and turn.at_ns - open_ns[-1] < trace.rules.min_open_ns - S // 2:
            broken.append(Broken(turn.at_ns, f"asked to close {(turn.at_ns - open_ns[-1]) / S:.1f} s after it opened"))
    closes = [turn for turn in trace.poles if turn.on]
    for turn in closes:
        if not any(0 <= turn.at_ns - ask.at_ns <= _CLOSES_NS for ask in asked):
            broken.append(Broken(turn.at_ns, "it closed and nobody asked it to"))
    return Judged("a contactor closes with permits", len(asked) + len(closes), tuple(broken))


def judge_local_is_left_alone(trace: Trace) -> Judged:
    """With the panel in LOCAL no coil is written."""
    broken: list[Broken] = []
    spans = trace.during(0, trace.to_ns, "panel local")
    for fault in spans:
        broken += [
            Broken(turn.at_ns, f"coil {turn.name} was written in LOCAL")
            for turn in trace.coils
            if fault.from_ns + S <= turn.at_ns <= fault.to_ns
        ]
    return Judged("LOCAL is left alone", len(spans), tuple(broken))


def judge_pumps_are_left_alone(trace: Trace) -> Judged:
    """Nothing but its heartbeat is ever written to the tank's PLC, and to no meter anything."""
    broken = [
        Broken(write.at_ns, f"{write.device} was written {write.pdu}")
        for write in trace.writes
        if write.device != "switchgear" and not (write.device == TANK and write.pdu.startswith(_HEARTBEAT))
    ]
    return Judged("pumps are left alone", len(trace.rounds), tuple(broken))


def judge_absence_raises_nothing(trace: Trace) -> Judged:
    """While there is no agent nobody is told anything, no coil is written, no GPU's limit rises, no pole closes."""
    broken: list[Broken] = []
    away = _absences(trace)
    for from_ns, to_ns in away:
        broken += [
            Broken(verb.at_ns, f"{verb.load} was told {verb.step} with no agent alive")
            for verb in trace.verbs
            if from_ns + S // 10 < verb.at_ns < to_ns
        ]
        broken += [
            Broken(turn.at_ns, "a contactor closed with no agent alive")
            for turn in (*trace.coils, *trace.poles)
            if turn.on and from_ns + S // 10 < turn.at_ns < to_ns
        ]
        newest: dict[int, float] = {}
        for limit in trace.limits:
            rose = limit.watts > newest.get(limit.gpu, _HIGHEST_W) + 1.0
            if rose and from_ns + S // 10 < limit.at_ns < to_ns:
                broken.append(Broken(limit.at_ns, f"GPU {limit.gpu} rose to {limit.watts:g} W with no agent alive"))
            newest[limit.gpu] = limit.watts
    return Judged("absence raises nothing", len(away), tuple(broken))


def judge_gpu_leases(trace: Trace) -> Judged:
    """An agent that stays away for longer than the lease leaves GPUs at the lower of what they had and fallback_w; one
    that comes back within it leaves no dip.
    """
    broken: list[Broken] = []
    count = 0
    for from_ns, to_ns in _absences(trace):
        if trace.during(from_ns - 60 * S, to_ns, "gpu"):
            continue
        count += 1
        if to_ns - from_ns > _LEASE_NS + 3 * S:
            seen = truths(trace, to_ns - S, to_ns)
            high = max((watts for truth in seen[-1:] for watts in truth.gpu_limits_w), default=0.0)
            if high > trace.rules.gpu_fallback_w + 1.0:
                broken.append(Broken(to_ns, f"a GPU still has {high:g} W after the lease"))
        elif to_ns - from_ns < _LEASE_NS - 3 * S:
            broken += [
                Broken(limit.at_ns, f"GPU {limit.gpu} was set to {limit.watts:g} W within the lease")
                for limit in trace.limits
                if from_ns + S // 10 < limit.at_ns < to_ns
            ]
    return Judged("GPU leases", count, tuple(broken))


def judge_gpu_bounds(trace: Trace) -> Judged:
    """No limit outside the driver's bounds."""
    broken = [
        Broken(limit.at_ns, f"GPU {limit.gpu} was set to {limit.watts:g} W")
        for limit in trace.limits
        if not _LOWEST_W - 0.5 <= limit.watts <= _HIGHEST_W + 0.5
    ]
    return Judged("GPU limits keep to their bounds", len(trace.limits), tuple(broken))


def _absences(trace: Trace) -> list[tuple[int, int]]:
    """From one life's end to the next one's beginning."""
    return [
        (before.to_ns, after.from_ns)
        for before, after in zip(trace.lives, trace.lives[1:], strict=False)
        if before.to_ns is not None
    ]


def _input(trace: Trace, name: str, from_ns: int, to_ns: int) -> bool:
    """Whether an input was 1 at some time between: the agent may have read it then."""
    on = True
    for turn in trace.inputs:
        if turn.name != name or turn.at_ns > to_ns:
            continue
        if turn.at_ns >= from_ns and on:
            return True
        on = turn.on
    return on
