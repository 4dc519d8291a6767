"""Causes: when the outside alone says that something had to be, or was allowed to be, lowered.

A cause is an interval of time. Inside it a lowering verb is excused; outside every one of them it is a fault. The
frequency's are worked out from what the meter showed and was read, with the gate as design.md words it (invariant 2).
"""

import math

from msgspec import Struct

from hil.soak.judges.view import powers, served
from hil.soak.trace import Refresh, S, Trace

GRACE_NS = 12 * S  # a lowering verb may come so long after its cause is gone: retries, substitutes, slow loads
SOONER_NS = S // 2
_LATE_NS = 3 * S  # the longest that a reply of a late meter is on its way, and a link's back-off
_NOISE_PU = 0.004  # of the meter, 0.05 % a sigma, and what the agent allows for it
_RISING_NS = 60 * S
_MADE_UP_PU = 0.02


class Cause(Struct, frozen=True):
    """From when to when, and why."""

    from_ns: int
    to_ns: int
    why: str


def causes(trace: Trace) -> list[Cause]:
    """Every cause of the run, in no order."""
    return [
        *_frequency(trace),
        *_limits(trace),
        *_blind(trace),
        *_tank(trace),
        *_commands_unseen(trace),
    ]


def believed(trace: Trace) -> list[tuple[Refresh, float | None]]:
    """Main's refreshes that were read, and their frequency where the gate lets it pass."""
    rules, found = trace.rules, []
    earlier: list[tuple[int, float]] = []
    for one in trace.main:
        if one.served_ns is None:
            continue
        hz = one.hertz
        alive = one.volts is not None and 0.5 <= one.volts / rules.nominal_ln_v <= 1.3
        before = [value for at_ns, value in earlier if one.changed_ns - at_ns >= 100_000_000]
        steep = hz is not None and bool(before) and abs(hz - before[-1]) / 0.2 > 10
        passes = hz is not None and math.isfinite(hz) and alive and 45 <= hz <= 65 and not steep
        found.append((one, round(hz, 3) if hz is not None and passes else None))
        if hz is not None:
            earlier.append((one.changed_ns, hz))
            del earlier[:-10]
    return found


def crossings(trace: Trace) -> list[Refresh]:
    """Where the frequency, as read, went from at or above the threshold to below it."""
    found: list[Refresh] = []
    above = False
    for one, hz in believed(trace):
        if hz is None:
            continue
        if hz >= trace.rules.shed_below_hz:
            above = True
        elif above:
            found.append(one)
            above = False
    return found


def over_limit(trace: Trace, most_w: float = math.inf) -> list[tuple[int, int]]:
    """When a meter, as read, and what had been told to rise, showed more than was allowed, or than this."""
    found: list[tuple[int, int]] = []
    ups = [(verb.at_ns, trace.rated_w[verb.load]) for verb in trace.verbs if verb.step == "on"]
    first = 0
    over_ns: int | None = None
    last_ns = 0
    for one in powers(trace):
        at_ns, watts = served(one), one.watts
        assert watts is not None
        while first < len(ups) and ups[first][0] < at_ns - _RISING_NS:
            first += 1
        rising_w = sum(rated_w for up_ns, rated_w in ups[first:] if up_ns <= at_ns)
        allowed_w = min(most_w, allowed_w_at(trace, at_ns)) * (1 - _NOISE_PU)
        if watts + rising_w > allowed_w:
            over_ns = over_ns if over_ns is not None else at_ns
            last_ns = at_ns
        elif over_ns is not None:
            found.append((over_ns, last_ns))
            over_ns = None
    if over_ns is not None:
        found.append((over_ns, last_ns))
    return found


def allowed_w_at(trace: Trace, at_ns: int) -> float:
    """The tightest that could be in force: the site's limit less its margin, and commands from sending until their
    lease surely is over.
    """
    limits = [trace.rules.limit_w - trace.rules.margin_w]
    for sent in trace.sent:
        if sent.deserves == "accepted" and sent.limit_w is not None and sent.lease_ns is not None:
            ended_ns = sent.at_ns + sent.lease_ns
            if sent.at_ns <= at_ns <= ended_ns:
                limits.append(sent.limit_w)
    return min(limits)


def tank_trips(trace: Trace) -> list[tuple[int, int]]:
    """When the tank's shed values were passed, from round read to round read."""
    rules, found = trace.rules, []
    since: int | None = None
    for one in trace.rounds:
        if one.served_ns is None:
            continue
        passed = (
            (one.kpa is not None and one.kpa > rules.shed_pressure_kpa)
            or (one.lpm is not None and one.lpm < rules.shed_flow_lpm)
            or (one.level is not None and one.level < rules.shed_level_pct)
        )
        if passed and since is None:
            since = one.served_ns
        elif not passed and since is not None:
            found.append((since, one.served_ns))
            since = None
    if since is not None:
        found.append((since, trace.to_ns))
    return found


def _limits(trace: Trace) -> list[Cause]:
    """Whatever is over a limit, or over what may be drawn on average, less what makes up for having been over it."""
    demand_w = trace.rules.demand_w
    over = over_limit(trace, math.inf if demand_w is None else demand_w * (1 - _MADE_UP_PU))
    return [Cause(from_ns - SOONER_NS, to_ns + GRACE_NS, "over a limit") for from_ns, to_ns in over]


def _frequency(trace: Trace) -> list[Cause]:
    """From each crossing until the frequency has stayed above the release for its time; across restarts."""
    rules, seen, found = trace.rules, believed(trace), []
    for crossing in crossings(trace):
        above_ns: int | None = None
        to_ns = trace.to_ns
        for one, hz in seen:
            at_ns = served(one)
            if at_ns <= served(crossing):
                continue
            if hz is None or hz < rules.release_above_hz:
                above_ns = None
            elif above_ns is None:
                above_ns = at_ns
            elif at_ns - above_ns > rules.release_for_ns:
                to_ns = at_ns + GRACE_NS
                break
        found.append(Cause(served(crossing) - SOONER_NS, to_ns, "frequency crossed"))
    return found


def _blind(trace: Trace) -> list[Cause]:
    """When neither meter told a power for the blind time, less what a late reply takes."""
    at = [served(one) for one in powers(trace)]
    found = [
        Cause(before_ns + trace.rules.blind_after_ns - S, next_ns + GRACE_NS, "the net power is unknown")
        for before_ns, next_ns in zip([trace.from_ns, *at], [*at, trace.to_ns], strict=True)
        if next_ns - before_ns > trace.rules.blind_after_ns - S
    ]
    for fault in trace.during(0, trace.to_ns, "meter link", "meters away", "switchgear link"):
        if fault.to_ns - fault.from_ns > trace.rules.blind_after_ns - S:
            away = trace.during(fault.from_ns, fault.to_ns, "switchgear link", "meters away", "meter link")
            if fault.name == "meters away" or {one.name for one in away} >= {"meter link", "switchgear link"}:
                found.append(Cause(fault.from_ns, fault.to_ns + _LATE_NS + GRACE_NS, "meters away"))
    return found


def _tank(trace: Trace) -> list[Cause]:
    """Trips, until the permits have held for their time; and silence of the tank's PLC, or of a value of its."""
    rules = trace.rules
    found = [
        Cause(from_ns - SOONER_NS, to_ns + rules.tank_permit_for_ns + GRACE_NS, "the tank")
        for from_ns, to_ns in tank_trips(trace)
    ]
    blinding = [fault for fault in trace.during(0, trace.to_ns, "permit lost") if fault.what == "sensor"]
    for fault in [*trace.during(0, trace.to_ns, "tank link", "tank plc", "starved"), *blinding]:
        found.append(Cause(fault.from_ns, fault.to_ns + rules.tank_permit_for_ns + GRACE_NS, "the tank's PLC"))
    return found


def _commands_unseen(trace: Trace) -> list[Cause]:
    """While a command was in force and the power not known, the agent has its estimate alone."""
    return [
        Cause(max(fault.from_ns, sent.at_ns), min(fault.to_ns, sent.at_ns + sent.lease_ns) + GRACE_NS, "a command")
        for sent in trace.sent
        for fault in trace.during(sent.at_ns, sent.at_ns + (sent.lease_ns or 0), "meter", "switchgear")
        if sent.lease_ns is not None and sent.deserves == "accepted"
    ]
