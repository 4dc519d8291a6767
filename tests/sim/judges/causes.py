"""Causes: when the outside alone says that something had to be, or was allowed to be, lowered.

A cause is an interval of time. Inside it a lowering verb is excused; outside every one of them it is a fault. The
frequency's are worked out from what the meter answered, with the gate as design.md words it (invariant 2), written
anew and from that text.
"""

import math

from msgspec import Struct

from tests.sim.judges.outside import NS_PER_S, Asks, Outside, Seen, sent_at


class Cause(Struct, frozen=True):
    """From when to when, and why."""

    from_ns: int
    to_ns: int
    why: str
    loads: frozenset[str] | None = None  # None: it is a reason to lower any of them


NEVER = 1 << 62
SOONER_NS = NS_PER_S // 2  # slopes are taken between answers here and between refreshes there: a poll or two apart
GRACE_NS = 10 * NS_PER_S  # a lowering verb may come this long after its cause is gone: retries, substitutes


def causes(outside: Outside) -> list[Cause]:
    """Every cause of the run that is any load's, in no order."""
    return [*frequency_causes(outside), *limit_causes(outside), *command_causes(outside), *blind_causes(outside)]


def believed_hz(seen: list[Seen], nominal_ln_v: float) -> list[tuple[Seen, float | None]]:
    """Each answer with a frequency, and that frequency if the gate lets it pass."""
    volts: tuple[float, ...] | None = None
    life = 0
    earlier: list[tuple[int, float]] = []
    found: list[tuple[Seen, float | None]] = []
    for answer in seen:
        if answer.life != life:
            life, earlier, volts = answer.life, [], None
        volts = answer.volts or volts
        if answer.frequency_hz is None:
            continue
        hz = round(answer.frequency_hz, 3) if math.isfinite(answer.frequency_hz) else math.nan
        alive = sum(0.5 <= volt / nominal_ln_v <= 1.3 for volt in volts or ()) >= 2
        before = [value for at_ns, value in earlier if answer.at_ns - at_ns >= 100_000_000]
        steep = not before or (abs(hz - before[-1]) / 0.1 > 10 and _slope(answer, hz, earlier) > 10)
        found.append((answer, hz if alive and 45 <= hz <= 65 and not steep else None))
        if math.isfinite(hz):
            earlier.append((answer.at_ns, hz))
            del earlier[:-50]
    return found


def _slope(answer: Seen, hz: float, earlier: list[tuple[int, float]]) -> float:
    at_ns, value = next((at_ns, value) for at_ns, value in reversed(earlier) if answer.at_ns - at_ns >= 100_000_000)
    return abs(hz - value) * NS_PER_S / (answer.at_ns - at_ns)


def crossings(outside: Outside) -> list[Seen]:
    """The answers at which the frequency had, seen by one life, gone from at or above the threshold to below it."""
    found: list[Seen] = []
    above, life = False, 0
    for answer, hz in believed_hz(list(outside.seen), outside.rules.nominal_ln_v):
        if answer.life != life:
            above, life = False, answer.life
        if hz is None:
            continue
        if hz >= outside.rules.shed_below_hz:
            above = True
        elif above:
            found.append(answer)
            above = False
    return found


def frequency_causes(outside: Outside) -> list[Cause]:
    """From each crossing until the frequency has stayed above the release for its time; across restarts."""
    found: list[Cause] = []
    rules = outside.rules
    if not rules.shed_w:
        return found
    believed = believed_hz(list(outside.seen), rules.nominal_ln_v)
    for crossing in crossings(outside):
        above_ns: int | None = None
        to_ns = NEVER
        for answer, hz in believed:
            if answer.at_ns <= crossing.at_ns:
                continue
            if hz is None or hz < rules.release_above_hz:
                above_ns = None
            elif above_ns is None:
                above_ns = answer.at_ns
            elif answer.at_ns - above_ns > rules.release_for_ns:
                to_ns = answer.at_ns + GRACE_NS
                break
        found.append(Cause(crossing.at_ns - SOONER_NS, to_ns, "frequency crossed"))
    return found


def limit_causes(outside: Outside) -> list[Cause]:
    """Around each answer that shows, with what we had told to rise, more than the limit less its margin."""
    rules = outside.rules
    limit_w = rules.limit_w - rules.margin_w
    return _over(outside, limit_w, 0, NEVER, "over the limit")


def command_causes(outside: Outside) -> list[Cause]:
    """The same for every command that deserved to be obeyed, while its lease ran."""
    found: list[Cause] = []
    unknown = silences(outside, NS_PER_S)  # then the agent has its estimate alone
    for sent in outside.sent:
        if sent.deserves != "accepted" or sent.limit_w is None:
            continue
        released = [other.at_ns for other in outside.sent if other.releases == sent.id and other.accepted_ns]
        # It may have waited at the broker: its lease runs from its acceptance, which is told some time later.
        told = sent.accepted_ns is not None and sent.lease_ns is not None
        to_ns = (sent.accepted_ns or 0) + (sent.lease_ns or 0) if told else NEVER
        to_ns = min([to_ns, *released]) + GRACE_NS
        found += _over(outside, sent.limit_w, sent.at_ns, to_ns, f"command {sent.id}")
        found += [Cause(max(cause.from_ns, sent.at_ns), min(cause.to_ns, to_ns), cause.why) for cause in unknown]
    return found


def _over(outside: Outside, limit_w: float, from_ns: int, to_ns: int, why: str) -> list[Cause]:
    found: list[Cause] = []
    raises = [(sent_at(verb), outside.rise_w(verb)) for verb in outside.verbs(Asks.ON)]
    slack_w = 6 * outside.rules.noise_w
    for answer in outside.seen:
        if not from_ns - NS_PER_S <= answer.at_ns <= to_ns or answer.power_w is None:
            continue
        rising_w = sum(watts for at_ns, watts in raises if 0 <= answer.at_ns - at_ns <= 60 * NS_PER_S)
        if answer.power_w + rising_w > limit_w - slack_w:
            found.append(Cause(max(from_ns, answer.at_ns), answer.at_ns + GRACE_NS, why))
    return found


def blind_causes(outside: Outside) -> list[Cause]:
    """From blind_after of silence until a good power reading came again, for each life."""
    return silences(outside, outside.rules.blind_after_ns - outside.rules.refresh_ns)


def silences(outside: Outside, after_ns: int) -> list[Cause]:
    """When a life had heard no new power for so long."""
    found: list[Cause] = []
    for life in outside.lives:
        end_ns = life.to_ns if life.to_ns is not None else outside.now_ns
        good = [seen.at_ns for seen in outside.powers() if seen.life == life.number]
        for before_ns, next_ns in zip([life.from_ns, *good], [*good, end_ns], strict=True):
            if next_ns - before_ns > after_ns:
                found.append(Cause(before_ns + after_ns, next_ns + GRACE_NS, "the net power is unknown"))
    return found
