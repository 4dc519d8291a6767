"""Lowering: what must fall falls in its time; what need not stays where it is (invariants 1, 2, 7)."""

from hil.soak.judges.causes import allowed_w_at, causes, crossings, over_limit, tank_trips
from hil.soak.judges.view import (
    POLLS_NS,
    Broken,
    Judged,
    first_verbs,
    lived,
    on_at,
    served,
    touched,
    truths,
    verbs_in,
)
from hil.soak.trace import S, Trace

_TOLD_NS = S  # a crossing's answer to the last verb, on a machine that is shared with the stand-ins
_TANK_TOLD_NS = S
_FELL_NS = 15 * S  # miners' own ramps, substitutes for those that did not follow
_BLIND_TOLD_NS = 5 * S


def judge_crossing_sheds(trace: Trace) -> Judged:
    """A crossing that was read tells shed_kw worth of loads, or all that are on, within its time. Judged where nothing
    was down already and nothing was ill with the meter; the times are to the last verb of those that were well.
    """
    rules = trace.rules
    broken: list[Broken] = []
    times: list[tuple[int, float]] = []
    count = 0
    for crossing in crossings(trace):
        at_ns = served(crossing)
        until_ns = at_ns + _TOLD_NS
        well = set(trace.rated_w) - touched(trace, at_ns - 30 * S, until_ns)
        on = on_at(trace, at_ns)
        stirred = trace.during(
            *(at_ns - S, until_ns, "meter", "agent", "over limit", "command", "condenser", "tank", "starved")
        )
        if stirred or lived(trace, at_ns, until_ns) is None or len(on & well) < 0.9 * len(well):
            continue
        count += 1
        told = _told(trace, at_ns, until_ns)
        told_w = sum(trace.rated_w[load] for load in told if load in on)
        if told_w < 0.95 * rules.shed_w and (on & well) - set(told):
            broken.append(Broken(at_ns, f"{told_w / 1e3:.0f} kW told within {_TOLD_NS / S:g} s of the crossing"))
        elif told.keys() & well:
            times.append((at_ns, (max(told[load] for load in told.keys() & well) - at_ns) / 1e6))
    return Judged("a crossing sheds", count, tuple(broken), tuple(times))


def judge_nothing_sheds_without_cause(trace: Trace) -> Judged:
    """No load is lowered unless a meter, a tank, a command or their silence gave a reason. Asking again what is down
    already does no harm; what moved or was dark or ill may be told again.
    """
    why = causes(trace)
    broken: list[Broken] = []
    first = first_verbs(trace.verbs, "off")
    for verb in first:
        if not any(cause.from_ns <= verb.at_ns <= cause.to_ns for cause in why) and verb.load not in touched(
            trace, verb.at_ns - 70 * S, verb.at_ns
        ):
            broken.append(Broken(verb.at_ns, f"{verb.load} was told to go off and nothing called for it"))
    return Judged("nothing sheds without a cause", len(first), tuple(broken))


def judge_silence_sheds_nothing(trace: Trace) -> Judged:
    """A meter that is silent, stuck, late or shows no number is by itself no reason to shed anything before the
    site's power has been unknown for its time.
    """
    why = causes(trace)
    broken: list[Broken] = []
    quiet = [fault for fault in trace.faults if fault.name in ("meter link", "meter shows", "dead bus", "shallow dip")]
    for fault in quiet:
        for verb in first_verbs(verbs_in(trace, fault.from_ns, fault.to_ns), "off"):
            called = any(cause.from_ns <= verb.at_ns <= cause.to_ns for cause in why)
            if not called and verb.load not in touched(trace, verb.at_ns - 70 * S, verb.at_ns):
                broken.append(Broken(verb.at_ns, f"{verb.load} was told to go off during {fault.name} {fault.what}"))
    return Judged("silence sheds nothing", len(quiet), tuple(broken))


def judge_tank_sheds(trace: Trace) -> Judged:
    """Shed values of the tank that were read for their time: every load that is on and well has its verb."""
    broken: list[Broken] = []
    times: list[tuple[int, float]] = []
    count = 0
    for from_ns, to_ns in tank_trips(trace):
        due_ns = from_ns + trace.rules.tank_shed_for_ns
        if to_ns < due_ns + POLLS_NS:
            continue
        until_ns = due_ns + _TANK_TOLD_NS
        if lived(trace, from_ns, until_ns) is None or trace.during(from_ns - S, until_ns, "tank", "agent", "starved"):
            continue
        well = on_at(trace, from_ns) - touched(trace, from_ns - 30 * S, until_ns)
        down = _down_at(trace, from_ns)
        due = well - down
        count += 1
        told = _told(trace, from_ns, until_ns)
        untold = due - set(told)
        if untold:
            broken.append(Broken(from_ns, f"{len(untold)} of {len(due)} loads of the tank were not told"))
        elif due:
            times.append((due_ns, (max(told[load] for load in due) - due_ns) / 1e6))
        broken += _gpus_down(trace, from_ns, due_ns + 3 * S)
    return Judged("a tank in need sheds", count, tuple(broken), tuple(times))


def judge_silent_tank_sheds(trace: Trace) -> Judged:
    """A tank whose PLC is silent for its blind time has its loads told to go off."""
    broken: list[Broken] = []
    count = 0
    for fault in trace.faults:
        silent = fault.name == "tank link" and not fault.what.startswith("late")
        due_ns = fault.from_ns + trace.rules.tank_blind_ns + 3 * S
        if not silent or fault.to_ns < due_ns or lived(trace, fault.from_ns, due_ns) is None:
            continue
        count += 1
        due = on_at(trace, fault.from_ns) - touched(trace, fault.from_ns - 30 * S, due_ns)
        untold = due - _down_at(trace, fault.from_ns) - set(_told(trace, fault.from_ns, due_ns))
        if untold:
            broken.append(Broken(due_ns, f"{len(untold)} loads were not told while the tank's PLC was silent"))
    return Judged("a silent tank sheds", count, tuple(broken))


def judge_limits_are_kept(trace: Trace) -> Judged:
    """What draws more than the limit, or than a command allows, is under it within its time, or nothing is left that
    is well and was not told. The times are to the first verb.
    """
    broken: list[Broken] = []
    times: list[tuple[int, float]] = []
    count = 0
    for from_ns, to_ns in over_limit(trace):
        until_ns = from_ns + _FELL_NS
        stirred = trace.during(from_ns - S, until_ns, "meter", "agent", "starved")
        if stirred or lived(trace, from_ns, until_ns) is None:
            continue
        count += 1
        first = next((verb for verb in verbs_in(trace, from_ns, from_ns + S, "off")), None)
        if first is not None:
            times.append((from_ns, (first.at_ns - from_ns) / 1e6))
        if to_ns < until_ns:
            continue
        told = set(_told(trace, from_ns - 2 * S, until_ns))
        left = on_at(trace, until_ns) - told - _down_at(trace, from_ns) - touched(trace, from_ns - 30 * S, until_ns)
        seen = truths(trace, until_ns - S, until_ns)
        allowed_w = allowed_w_at(trace, until_ns)
        if left and seen and seen[-1].watts > allowed_w * 1.01:
            what = f"{seen[-1].watts / 1e3:.0f} kW, {allowed_w / 1e3:.0f} allowed"
            broken.append(Broken(until_ns, f"still {what} after {_FELL_NS / S:g} s; {len(left)} loads were not told"))
    return Judged("limits are kept", count, tuple(broken), tuple(times))


def judge_blind_goes_to_fallback(trace: Trace) -> Judged:
    """With both meters silent the site is called BLIND, and what obeys is told until the rest fits under the fallback,
    within the ramp's time.
    """
    rules = trace.rules
    highest_w = rules.unmetered_w + sum(trace.rated_w.values())
    way_ns = round(max(0.0, highest_w - rules.fallback_w) / rules.ramp_down_w_per_s * S)
    blind_ns = [record.received_ns for record in trace.records if record.channel == "ctl" and _is_blind(record.body)]
    broken: list[Broken] = []
    count = 0
    for fault in trace.during(0, trace.to_ns, "meters away"):
        told_ns = fault.from_ns + rules.blind_after_ns + _BLIND_TOLD_NS
        due_ns = told_ns + way_ns
        stirred = trace.during(fault.from_ns - S, due_ns, "agent", "broker", "over limit", "miners", "starved")
        if fault.to_ns < due_ns or stirred or lived(trace, fault.from_ns, due_ns) is None:
            continue
        count += 1
        if not any(fault.from_ns <= at_ns <= told_ns for at_ns in blind_ns):
            broken.append(Broken(told_ns, "neither meter speaks and the site is not told to be BLIND"))
        seen = truths(trace, due_ns - S, due_ns)
        if seen and seen[-1].watts > rules.fallback_w * 1.02 + 0.1 * rules.unmetered_w:
            fallback_kw = rules.fallback_w / 1e3
            broken.append(Broken(due_ns, f"blind, and still {seen[-1].watts / 1e3:.0f} kW; fallback {fallback_kw:.0f}"))
    return Judged("blind goes to fallback", count, tuple(broken))


def judge_all_came_back(trace: Trace) -> Judged:
    """After the calm at the end every load that we lowered draws again."""
    lowered = {verb.load for verb in trace.verbs if verb.step == "off"}
    left = sorted(lowered - on_at(trace, trace.to_ns))
    broken = [Broken(trace.to_ns, f"{len(left)} loads are still down: {', '.join(left[:5])}")] if left else []
    return Judged("all came back", len(lowered), tuple(broken))


def _told(trace: Trace, from_ns: int, to_ns: int) -> dict[str, int]:
    """When each load was first told to go off in this time, or its contactor cut it."""
    cuts = [turn.at_ns for turn in trace.poles if not turn.on and from_ns <= turn.at_ns <= to_ns]
    told = dict.fromkeys(trace.east, cuts[0]) if cuts else {}
    for verb in reversed(verbs_in(trace, from_ns, to_ns, "off")):
        told[verb.load] = min(verb.at_ns, told.get(verb.load, verb.at_ns))
    return told


def _is_blind(body: dict[str, list[dict[str, object]]]) -> bool:
    return any(circuit.get("mode") == "BLIND" for circuit in body.get("circuits", ()))


def _down_at(trace: Trace, at_ns: int) -> set[str]:
    """The loads whose newest verb was to go off."""
    newest = {verb.load: verb.step for verb in verbs_in(trace, 0, at_ns)}
    return {load for load, step in newest.items() if step == "off"}


def _gpus_down(trace: Trace, from_ns: int, by_ns: int) -> list[Broken]:
    """GPUs that did not get their lowest limit, where nothing was wrong with them."""
    if trace.during(from_ns - 20 * S, by_ns, "gpu"):
        return []
    seen = truths(trace, by_ns, by_ns + S)
    high = [limit_w for limit_w in seen[0].gpu_limits_w if limit_w > 201.0] if seen else []
    return [Broken(by_ns, f"{len(high)} GPUs of the tank still have {max(high):g} W")] if high else []
