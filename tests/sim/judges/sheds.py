"""Lowering: what must fall falls in its time; what need not stays where it is (invariants 1, 2, 7, 15)."""

from tests.sim.judges.causes import SOONER_NS, causes, crossings, frequency_causes
from tests.sim.judges.outside import NS_PER_S, Asks, Fault, Outside, Seen, Talk, sent_at
from tests.sim.judges.tanks import tank_causes

TOLD_WITHIN_NS = NS_PER_S  # a crossing's answer to the last verb, hung loads and lost SYNs included
FELL_WITHIN_NS = 60 * NS_PER_S  # watts gone, substitutes for those that did not follow included
TRIED_AGAIN_NS = 62 * NS_PER_S
STARTED_NS = 10 * NS_PER_S  # start to armed (design.md section 5)


def judge_nothing_shed_without_cause(outside: Outside) -> list[Fault]:
    """No load is lowered unless the meter, a good command or its silence gave a reason (re-asserting what is down
    does no harm).
    """
    why = [*causes(outside), *tank_causes(outside)]
    faults: list[Fault] = []
    down: set[str] = set()
    for verb in sorted([*outside.verbs(Asks.OFF), *outside.verbs(Asks.ON)], key=sent_at):
        at_ns = sent_at(verb)
        if verb.asks is Asks.ON:
            down.discard(verb.load)
        elif verb.load not in down:
            down.add(verb.load)
            outside.judged["nothing_shed_without_cause"] += 1
            # A load that could not be reached is tried again for a minute; when it is back, the verb reaches it.
            tried = [
                talk.opened_ns
                for talk in outside.talks
                if talk.load == verb.load
                and talk.asks is Asks.NOTHING
                and 0 <= at_ns - talk.opened_ns <= TRIED_AGAIN_NS
            ]
            mine = [cause for cause in why if cause.loads is None or outside.told([verb.load]) & cause.loads]
            if not any(cause.from_ns <= when <= cause.to_ns for cause in mine for when in (at_ns, *tried)):
                faults.append(
                    Fault(
                        "nothing_shed_without_cause", at_ns, f"{verb.load} was told to go off and nothing called for it"
                    )
                )
    return faults


def judge_crossing_sheds(outside: Outside) -> list[Fault]:
    """A crossing tells shed_kw worth of loads, or all of them, within its time; and the watts fall.

    Judged where nothing of ours was down or rising at the crossing: otherwise the baseline is an earlier event's.
    """
    rules = outside.rules
    if rules.observe or not rules.shed_w:
        return []
    faults: list[Fault] = []
    for crossing in crossings(outside):
        life = outside.life_at(crossing.at_ns)
        budget_ns = rules.confirm_refreshes * rules.refresh_ns + TOLD_WITHIN_NS
        if life is None or crossing.at_ns - life.from_ns < STARTED_NS or _busy(outside, crossing.at_ns - SOONER_NS):
            continue
        if (life.to_ns or outside.now_ns) < crossing.at_ns + budget_ns or not _confirmed(outside, crossing):
            continue
        outside.judged["crossing_sheds"] += 1
        told = {
            talk.load
            for talk in outside.talks
            if _lowers(talk) and -SOONER_NS <= talk.opened_ns - crossing.at_ns <= budget_ns
        }
        told = outside.told(told)
        drawing = {load: outside.gives_w(load, crossing.at_ns) for load in outside.rated_w}
        # What fell an instant before by no doing of ours, the agent could not have known.
        fresh = {move.load for move in outside.moved if 0 <= crossing.at_ns - move.at_ns < 3 * rules.load_poll_ns}
        told_w = sum(outside.rated_w[load] if load in fresh else drawing[load] for load in told)
        rest = [
            load
            for load in drawing
            if load not in told and outside.is_up(load, crossing.at_ns) and not outside.is_local(load, crossing.at_ns)
        ]
        rest = [load for load in rest if not outside.seems_dark(load, crossing.at_ns)]
        if told_w < 0.95 * rules.shed_w - 6 * rules.noise_w and rest:
            what = f"crossing answered with {told_w / 1e3:.1f} kW of {rules.shed_w / 1e3:.1f}, {len(rest)} loads left"
            faults.append(Fault("crossing_sheds", crossing.at_ns, what))
        faults += _judge_fall(outside, crossing.at_ns)
    return faults


def _confirmed(outside: Outside, crossing: Seen) -> bool:
    """Whether it stayed below for as many refreshes as must agree."""
    windows: set[int] = set()
    for seen in outside.seen:
        if seen.life == crossing.life and seen.at_ns >= crossing.at_ns and seen.frequency_hz is not None:
            if not seen.frequency_hz < outside.rules.shed_below_hz:
                break
            windows.add(seen.window)
    return len(windows) >= outside.rules.confirm_refreshes


def _judge_fall(outside: Outside, from_ns: int) -> list[Fault]:
    """The watts are gone, or nothing that obeys is left on, while the event lasts and nobody interferes."""
    rules, by_ns = outside.rules, from_ns + FELL_WITHIN_NS
    lasting = any(
        cause.from_ns == from_ns - SOONER_NS and cause.to_ns > by_ns + 10 * NS_PER_S
        for cause in frequency_causes(outside)
    )
    life = outside.life_at(from_ns)
    whole = life is not None and (life.to_ns or outside.now_ns) > by_ns
    stirred = any(from_ns - 30 * NS_PER_S <= move.at_ns <= by_ns for move in outside.moved)
    known = [seen for seen in outside.seen if from_ns <= seen.at_ns <= by_ns and seen.power_w is not None]
    if not lasting or not whole or stirred or len(known) < FELL_WITHIN_NS / rules.refresh_ns / 2:
        return []
    before_w = outside.net_w(from_ns - rules.refresh_ns)
    # Nobody commands the unmetered load: if it rose meanwhile, what the loads gave up counts.
    rose_w = max(0.0, outside.unmetered(by_ns) - outside.unmetered(from_ns))
    fell_w = before_w - outside.net_w(by_ns) + rose_w
    wander_w = 0.08 * rules.unmetered_w + 6 * rules.noise_w
    asked = [talk.load for talk in outside.talks if _lowers(talk) and from_ns - SOONER_NS <= talk.opened_ns <= by_ns]
    tried = outside.told(asked)
    up = [load for load in outside.rated_w if outside.is_up(load, by_ns) and load not in tried]
    untold = [load for load in up if not outside.is_local(load, from_ns) and not outside.seems_dark(load, by_ns)]
    if fell_w < 0.95 * rules.shed_w - wander_w and untold:
        return [
            Fault(
                "crossing_sheds",
                from_ns,
                f"{fell_w / 1e3:.1f} kW of {rules.shed_w / 1e3:.1f} fell in a minute, {len(untold)} loads untold",
            )
        ]
    return []


def judge_blind_goes_to_fallback(outside: Outside) -> list[Fault]:
    """With the meter silent, what obeys is told until the loads' rated watts fit under the fallback, within the
    ramp's time.
    """
    rules = outside.rules
    if rules.observe:
        return []
    faults: list[Fault] = []
    for life in outside.lives:
        good = [seen.at_ns for seen in outside.powers() if seen.life == life.number]
        end_ns = life.to_ns or outside.now_ns
        for before_ns, next_ns in zip(good, [*good[1:], end_ns], strict=True):
            highest_w = rules.unmetered_w + sum(outside.rated_w.values())
            way_ns = round(max(0.0, highest_w - rules.fallback_w) / rules.ramp_down_w_per_s * NS_PER_S)
            by_ns = before_ns + rules.blind_after_ns + way_ns + 15 * NS_PER_S
            stirred = any(before_ns <= move.at_ns <= by_ns for move in outside.moved)
            if next_ns < by_ns or before_ns - life.from_ns < STARTED_NS or stirred:
                continue
            outside.judged["blind_goes_to_fallback"] += 1
            on = [load for load, rated_w in outside.rated_w.items() if outside.watts(load, by_ns) > 0.5 * rated_w]
            asked = [talk.load for talk in outside.talks if _lowers(talk) and before_ns <= talk.opened_ns <= by_ns]
            tried = outside.told(asked)
            untold = [load for load in on if load not in tried and not outside.is_local(load, before_ns)]
            net_w = outside.net_w(by_ns) - outside.unmetered(by_ns) + rules.unmetered_w  # all that can be known of it
            if net_w > rules.fallback_w * 1.02 + 0.05 * rules.unmetered_w and untold:
                what = f"still {net_w / 1e3:.1f} kW, not {rules.fallback_w / 1e3:.1f}, and {len(untold)} loads untold"
                faults.append(Fault("blind_goes_to_fallback", by_ns, what))
    return faults


def judge_observe_reads_alone(outside: Outside) -> list[Fault]:
    """In observe the bytes at every load are reads alone; no PLC is written to, and no GPU leased."""
    if not outside.rules.observe:
        return []
    name = "observe_reads_alone"
    outside.judged[name] += len(outside.talks)
    faults = [
        Fault(name, talk.opened_ns, f"{talk.load} was sent more than a read: {talk.asks}")
        for talk in outside.talks
        if talk.asks not in (Asks.READ, Asks.NOTHING)
    ]
    faults += [Fault(name, put.at_ns, f"{put.plc} was written {put.what}") for put in outside.devices.puts]
    return faults + [Fault(name, lease.at_ns, f"{lease.uuid} was leased") for lease in outside.devices.leased]


def _lowers(talk: Talk) -> bool:
    """A lowering verb, or a connection that never got so far as to say what it wanted."""
    return talk.asks in (Asks.OFF, Asks.NOTHING, Asks.SESSION)


def _busy(outside: Outside, at_ns: int) -> bool:
    """Something of ours was down or on its way at that instant."""
    newest: dict[str, Talk] = {}
    for verb in sorted([*outside.verbs(Asks.OFF), *outside.verbs(Asks.ON)], key=sent_at):
        if sent_at(verb) < at_ns:
            newest[verb.load] = verb
    return any(verb.asks is Asks.OFF or at_ns - sent_at(verb) < 60 * NS_PER_S for verb in newest.values())
