"""Raising: only what we lowered, neither too soon nor too fast, nothing that is held (invariants 3 to 9, 13).

Where the outside alone can't tell (a load that was ill, dark or moved by itself a moment before), judges are lenient.
"""

from bisect import bisect_right

from hil.soak.judges.view import (
    POLLS_NS,
    Broken,
    Judged,
    first_verbs,
    powers,
    served,
    touched,
    truth_at,
    truths,
)
from hil.soak.site import CONTACTOR, GROUP, RACK, TANK
from hil.soak.trace import Fault, Round, S, Trace

_BEAT_S = 0.2  # a ramp so fast that several loads rise at once is earned beat by beat
_ON_ITS_WAY_NS = 300_000_000  # LuxOS: a logon before the verb; a verb is told at one instant and read a little later
_CLIMB_S = 30.0  # the longest start of a stand-in (hil/families.toml: 3 s and 25 s)
_UNTOUCHED_NS = 60 * S
_STUCK_NS = 6 * S  # a meter that repeats itself is told from a steady one after five of its refreshes, of 1 s at most


def judge_raise_of_what_we_lowered(trace: Trace) -> Judged:
    """Only what we lowered is raised, or what went off by itself and was released on site."""
    lowered: set[str] = set()
    broken: list[Broken] = []
    raises = first_verbs(trace.verbs, "on")
    fresh = {(verb.at_ns, verb.load) for verb in raises}
    for verb in trace.verbs:
        if verb.step == "off":
            lowered.add(verb.load)
        elif (verb.at_ns, verb.load) in fresh and verb.load not in lowered | touched(trace, 0, verb.at_ns):
            broken.append(Broken(verb.at_ns, f"{verb.load} was raised, and we never lowered it"))
    return Judged("only what we lowered is raised", len(raises), tuple(broken))


def judge_minimum_off(trace: Trace) -> Judged:
    """No raise before the minimum off time since the load was told to go off has passed."""
    off_ns: dict[str, int] = {}
    broken: list[Broken] = []
    count = 0
    for verb in trace.verbs:
        if verb.step == "off":
            off_ns.setdefault(verb.load, verb.at_ns)
        elif verb.load in off_ns:
            count += 1
            rest_ns = verb.at_ns - off_ns.pop(verb.load)
            if rest_ns < trace.rules.min_off_ns - _ON_ITS_WAY_NS:
                broken.append(Broken(verb.at_ns, f"{verb.load} was raised {rest_ns / S:.2f} s after it was lowered"))
    return Judged("minimum off times", count, tuple(broken))


def judge_ramp(trace: Trace) -> Judged:
    """Between any two raises no more watts are told to rise than the ramp gives in that time, plus one load and what a
    verb's way may bunch; and no jump is above jump_up.
    """
    rules = trace.rules
    told = [(verb.at_ns, trace.rated_w[verb.load], verb.load) for verb in first_verbs(trace.verbs, "on")]
    told = [one for one in told if one[2] not in touched(trace, one[0] - _UNTOUCHED_NS, one[0])]
    bunched_s = _ON_ITS_WAY_NS / S + _BEAT_S
    largest_w = max(trace.rated_w.values())
    broken: list[Broken] = []
    for number, (from_ns, _, _) in enumerate(told):
        sum_w = 0.0
        for at_ns, watts, _ in told[number : number + 500]:
            sum_w += watts
            passed_s = (at_ns - from_ns) / S
            if sum_w > 1.05 * (rules.ramp_up_w_per_s * (passed_s + bunched_s) + largest_w):
                broken.append(Broken(at_ns, f"{sum_w / 1e3:.1f} kW told to rise in {passed_s:.2f} s"))
                break
            if passed_s < _BEAT_S and sum_w > 1.05 * max(rules.jump_up_w, largest_w):
                broken.append(Broken(at_ns, f"a jump of {sum_w / 1e3:.1f} kW"))
                break
    return Judged("raises keep to the ramp", len(told), tuple(broken))


def judge_ramp_at_the_plant(trace: Trace) -> Judged:
    """As measured: in no half minute do the site's true watts rise by more than the ramp gives in it and in the time
    that loads take to climb, where nobody else made them rise.
    """
    rules = trace.rules
    window_ns = 30 * S
    allowed_w = rules.ramp_up_w_per_s * (30.0 + _CLIMB_S) + 2 * max(trace.rated_w.values()) + 10e3
    broken: list[Broken] = []
    count = 0
    for number, first in enumerate(trace.truths):
        if number % 10:
            continue
        there = truths(trace, first.at_ns, first.at_ns + window_ns)
        stirred = trace.during(
            *(first.at_ns - round(_CLIMB_S * S), first.at_ns + window_ns),
            *("over limit", "miners dark", "miners move", "switchgear", "interlock", "liars", "miners lie"),
        )
        closed = any(
            turn.on and first.at_ns - window_ns <= turn.at_ns <= first.at_ns + window_ns for turn in trace.poles
        )
        if stirred or closed or not there:
            continue
        count += 1
        highest = max(there, key=lambda truth: truth.watts)
        if highest.watts - first.watts > allowed_w:
            rose = f"{(highest.watts - first.watts) / 1e3:.0f} kW in {(highest.at_ns - first.at_ns) / S:.1f} s"
            broken.append(Broken(highest.at_ns, f"rose by {rose}, {allowed_w / 1e3:.0f} allowed"))
    return Judged("the ramp as measured", count, tuple(broken))


def judge_raise_knows_the_net(trace: Trace) -> Judged:
    """No raise while the site's power is unknown: neither meter told one within the blind time."""
    told = powers(trace)
    at = [served(one) for one in told]
    broken: list[Broken] = []
    raises = first_verbs(trace.verbs, "on")
    for verb in raises:
        number = bisect_right(at, verb.at_ns)
        age_ns = verb.at_ns - at[number - 1] if number else None
        frozen = trace.during(verb.at_ns - 2 * _STUCK_NS, verb.at_ns, "meter", "switchgear link")
        if age_ns is None or age_ns > trace.rules.blind_after_ns + (_STUCK_NS if frozen else S):
            age = "never known" if age_ns is None else f"{age_ns / S:.1f} s old"
            broken.append(Broken(verb.at_ns, f"{verb.load} was raised while the net power was {age}"))
    return Judged("no raise without the net power", len(raises), tuple(broken))


def judge_raise_within_limit(trace: Trace) -> Judged:
    """When a raise is told: what the site draws and what was told in the last second, which has not begun to rise, fit
    under the limit and under every lease in force. Lenient after loads or the base load moved by themselves.
    """
    rules = trace.rules
    raises = first_verbs(trace.verbs, "on")
    leases = _leases(trace)
    broken: list[Broken] = []
    count = 0
    for number, verb in enumerate(raises):
        stirred = trace.during(verb.at_ns - 30 * S, verb.at_ns, "over limit", "miners dark", "miners move", "meter")
        truth = truth_at(trace, verb.at_ns)
        if stirred or truth is None:
            continue
        count += 1
        limit_w = min([rules.limit_w, *(watts for from_ns, to_ns, watts in leases if from_ns <= verb.at_ns <= to_ns)])
        rising = {
            other.load
            for other in raises[max(0, number - 400) : number + 1]
            if verb.at_ns - other.at_ns < S and truth.at_ns < other.at_ns
        }
        settles_w = truth.watts + sum(trace.rated_w[load] for load in rising)
        if settles_w > limit_w * 1.005 + 5e3:
            what = f"{verb.load} was raised towards {settles_w / 1e3:.1f} kW, {limit_w / 1e3:.1f} is the limit"
            broken.append(Broken(verb.at_ns, what))
    return Judged("raises stay under limits", count, tuple(broken))


def judge_raise_needs_permits(trace: Trace) -> Judged:
    """No miner is raised, and no GPU's limit, unless the tank's permit values and its PLC's own permit, as read, have
    held for their time, and its PLC is heard.
    """
    rules = trace.rules
    bad = [(one.served_ns, _permitted(trace, one)) for one in trace.rounds if one.served_ns is not None]
    at = [at_ns for at_ns, _ in bad]
    newest_bad: list[int | None] = []
    last: int | None = None
    for at_ns, permitted in bad:
        last = last if permitted else at_ns
        newest_bad.append(last)
    silent = [
        fault
        for fault in trace.faults
        if fault.name == "tank link" and not fault.what.startswith("late") and fault.to_ns - fault.from_ns > S
    ]
    raises = [(verb.at_ns, verb.load) for verb in first_verbs(trace.verbs, "on")]
    raises += [(at_ns, f"GPU {gpu}") for at_ns, gpu in _gpu_raises(trace)]
    broken: list[Broken] = []
    for at_ns, load in sorted(raises):
        number = bisect_right(at, at_ns - POLLS_NS)
        permitted_now = not number or bad[number - 1][1]
        ended_ns = at[number] if number < len(at) else at_ns  # a bad round stays so until another is served
        since = newest_bad[number - 1] if number else None
        young = since is not None and permitted_now and _good_since(bad, number) > at_ns - rules.tank_permit_for_ns + S
        if not permitted_now and ended_ns >= at_ns - POLLS_NS:
            broken.append(Broken(at_ns, f"{load} was raised without the tank's permits"))
        elif young:
            broken.append(Broken(at_ns, f"{load} was raised before the tank's permits had held for their time"))
        elif any(fault.from_ns + rules.tank_blind_ns + S <= at_ns <= fault.to_ns for fault in silent):
            broken.append(Broken(at_ns, f"{load} was raised while the tank's PLC was silent"))
    return Judged("no raise without the tank's permits", len(raises), tuple(broken))


def judge_tags(trace: Trace) -> Judged:
    """What a person tagged, or what it cools or feeds, gets no raise."""
    raises = first_verbs(trace.verbs, "on")
    gpus = _gpu_raises(trace)
    closes = [turn.at_ns for turn in trace.coils if turn.on]
    broken: list[Broken] = []
    for tag in trace.tags:
        held = _held_by(trace, tag)
        broken += [
            Broken(verb.at_ns, f"{verb.load} was raised under the tag on {tag.name}")
            for verb in raises
            if verb.load in held and _within(tag, verb.at_ns)
        ]
        if tag.name in (RACK, TANK):
            broken += [
                Broken(at_ns, f"GPU {gpu} was raised under the tag on {tag.name}")
                for at_ns, gpu in gpus
                if _within(tag, at_ns)
            ]
        if tag.name in (CONTACTOR, TANK) or held & set(trace.east):
            broken += [
                Broken(at_ns, f"{CONTACTOR} was closed under the tag on {tag.name}")
                for at_ns in closes
                if _within(tag, at_ns)
            ]
    return Judged("nothing tagged is raised", len(trace.tags), tuple(broken))


def _held_by(trace: Trace, tag: Fault) -> set[str]:
    if tag.name == TANK:
        return set(trace.rated_w)
    if tag.name == CONTACTOR:
        return set(trace.east)
    return {tag.name.removeprefix(f"{GROUP}/")}


def _within(tag: Fault, at_ns: int) -> bool:
    return tag.from_ns + _ON_ITS_WAY_NS <= at_ns <= tag.to_ns


def _permitted(trace: Trace, one: Round) -> bool:
    rules = trace.rules
    return (
        one.permit == 1.0
        and one.kpa is not None
        and one.kpa < rules.permit_pressure_kpa
        and one.lpm is not None
        and one.lpm > rules.permit_flow_lpm
        and one.level is not None
        and one.level > rules.permit_level_pct
    )


def _good_since(rounds: list[tuple[int, bool]], number: int) -> int:
    """Since when the rounds before this number have been good."""
    first = number
    while first and rounds[first - 1][1]:
        first -= 1
    return rounds[first][0] if first < len(rounds) else 0


def _gpu_raises(trace: Trace) -> list[tuple[int, int]]:
    """When which GPU's limit was set higher than it was."""
    newest: dict[int, float] = {}
    raises: list[tuple[int, int]] = []
    for limit in trace.limits:
        before = newest.get(limit.gpu)
        if before is not None and limit.watts > before + 1.0:
            raises.append((limit.at_ns, limit.gpu))
        newest[limit.gpu] = limit.watts
    return raises


def _leases(trace: Trace) -> list[tuple[int, int, float]]:
    """From when to when at least each accepted limit was in force, and its watts."""
    accepted = {
        record.body.get("id"): record.received_ns
        for record in trace.records
        if record.channel.startswith("ack/") and record.body.get("st") == "accepted"
    }
    ended = {
        record.body.get("id"): record.received_ns
        for record in trace.records
        if record.channel.startswith("ack/") and record.body.get("st") == "ended"
    }
    found: list[tuple[int, int, float]] = []
    for sent in trace.sent:
        from_ns = accepted.get(sent.id)
        if from_ns is None or sent.limit_w is None or sent.lease_ns is None:
            continue
        released = [other.at_ns for other in trace.sent if other.releases == sent.id]
        newer = [other.at_ns for other in trace.sent if other.at_ns > sent.at_ns and other.limit_w is not None]
        to_ns = min([sent.at_ns + sent.lease_ns, ended.get(sent.id, sent.at_ns + sent.lease_ns), *released, *newer])
        found.append((from_ns + S, to_ns - S, sent.limit_w))
    return found
