"""Raising: only what we lowered, not too soon, not too fast, not without knowing (invariants 3 to 6, 8, 13)."""

from tests.sim.judges.outside import NS_PER_S, Asks, Fault, Outside, Talk, sent_at

ON_ITS_WAY_NS = 50_000_000  # a verb is told at one instant and leaves a little later
BEATS_S = 0.2  # a ramp so fast that several loads rise at once is earned beat by beat


def raises(outside: Outside) -> list[Talk]:
    """The raising verbs, each load's repetitions (nothing else in between) left out."""
    newest: dict[str, Asks] = {}
    first: list[Talk] = []
    for verb in sorted([*outside.verbs(Asks.OFF), *outside.verbs(Asks.ON)], key=sent_at):
        if verb.asks is Asks.ON and newest.get(verb.load) is not Asks.ON:
            first.append(verb)
        newest[verb.load] = verb.asks
    return first


def judge_raise_of_what_we_lowered(outside: Outside) -> list[Fault]:
    """Only a load that we lowered is raised; or one that a killed agent had armed while it was on."""
    faults: list[Fault] = []
    for verb in outside.verbs(Asks.ON):
        outside.judged["raise_of_what_we_lowered"] += 1
        before = [other for other in outside.talks if other.load == verb.load and other.opened_ns < verb.opened_ns]
        lowered = any(other.asks in (Asks.OFF, Asks.NOTHING, Asks.SESSION) for other in before)
        armed = any(
            life.to_ns is not None
            and life.to_ns < verb.opened_ns
            and any(outside.watts(load, life.to_ns) > 0.5 * outside.rated_w[load] for load in outside.told([verb.load]))
            for life in outside.lives
        )
        released = any(
            said.verb == "release" and verb.load in said.loads and said.at_ns < verb.opened_ns
            for said in outside.devices.said
        )
        if not lowered and not armed and not released and not outside.has_lapsed(verb.load, verb.opened_ns):
            faults.append(
                Fault("raise_of_what_we_lowered", sent_at(verb), f"{verb.load} was raised, and we never lowered it")
            )
    return faults


def judge_raise_after_minimum_off(outside: Outside) -> list[Fault]:
    """No raise before the minimum off time since the load was last told to go off has passed."""
    faults: list[Fault] = []
    for verb in outside.verbs(Asks.ON):
        outside.judged["raise_after_minimum_off"] += 1
        downs = [
            sent_at(other)
            for other in outside.verbs(Asks.OFF)
            if other.load == verb.load and sent_at(other) < sent_at(verb)
        ]
        earlier = [
            sent_at(other) for other in raises(outside) if other.load == verb.load and sent_at(other) < sent_at(verb)
        ]
        fresh = [at_ns for at_ns in downs if not earlier or at_ns > earlier[-1]]
        if fresh and sent_at(verb) - fresh[0] < outside.off_ns_min(verb.load) - ON_ITS_WAY_NS:
            rest_s = (sent_at(verb) - fresh[0]) / NS_PER_S
            faults.append(
                Fault(
                    "raise_after_minimum_off",
                    sent_at(verb),
                    f"{verb.load} was raised {rest_s:.2f} s after it was lowered",
                )
            )
    return faults


def judge_raise_knows_its_load(outside: Outside) -> list[Fault]:
    """Before a raise this life has read the load; after a write without an answer, twice, and the answers agreed."""
    faults: list[Fault] = []
    for verb in outside.verbs(Asks.ON):
        if not outside.is_read_alone(verb.load):
            continue
        outside.judged["raise_knows_its_load"] += 1
        at_ns = sent_at(verb)
        mine = [talk for talk in outside.talks if talk.load == verb.load and talk.opened_ns < verb.opened_ns]
        reads = [
            talk
            for talk in mine
            if talk.asks is Asks.READ and talk.says_on is not None and talk.answered_ns is not None
        ]
        known = [talk for talk in reads if talk.answered_ns is not None and talk.answered_ns <= at_ns]
        if not any(talk.life == verb.life for talk in known):
            faults.append(
                Fault("raise_knows_its_load", at_ns, f"{verb.load} was raised by a life that had not read it")
            )
            continue
        writes = [talk for talk in mine if talk.asks in (Asks.ON, Asks.OFF) and talk.sent_ns is not None]
        if not writes:
            continue
        newest_ns = max(sent_at(talk) for talk in writes)
        same = [talk for talk in writes if newest_ns - sent_at(talk) < NS_PER_S]  # a verb and its hedges
        if any(talk.answered_ns is not None and talk.answered_ns <= at_ns for talk in same):
            continue
        after = [talk for talk in known if talk.sent_ns is not None and talk.sent_ns > newest_ns]
        if len(after) < 2 or after[-1].says_on is not after[-2].says_on:
            what = f"{verb.load} was raised with an unanswered write and {len(after)} reads since"
            faults.append(Fault("raise_knows_its_load", at_ns, what))
    return faults


def judge_raise_knows_the_net(outside: Outside) -> list[Fault]:
    """No raise while the circuit's power is unknown: the newest good reading of this life is older than blind_after."""
    faults: list[Fault] = []
    powers = outside.powers()
    for verb in outside.verbs(Asks.ON):
        at_ns = sent_at(verb)
        outside.judged["raise_knows_the_net"] += 1
        good = [seen.at_ns for seen in powers if seen.life == verb.life and seen.at_ns <= at_ns]
        age_ns = at_ns - good[-1] if good else None
        if age_ns is None or age_ns > min(outside.rules.blind_after_ns, 10 * outside.rules.refresh_ns + NS_PER_S):
            told = "was never known" if age_ns is None else f"was {age_ns / NS_PER_S:.2f} s old"
            faults.append(Fault("raise_knows_the_net", at_ns, f"{verb.load} was raised while the net power {told}"))
    return faults


def judge_raise_within_ramp_and_jump(outside: Outside) -> list[Fault]:
    """Between any two raises no more watts were told to rise than the ramp gives in that time, plus one jump; no jump
    above jump_up.
    """
    rules = outside.rules
    # When the connection was begun: a lost SYN lets a verb leave with the next one's.
    told = sorted((verb.opened_ns, outside.rise_w(verb)) for verb in raises(outside))
    largest_w = max([*outside.rated_w.values(), *(watts for _, watts in told), rules.ramp_up_w_per_s * BEATS_S])
    faults: list[Fault] = []
    for number, (from_ns, _) in enumerate(told):
        outside.judged["raise_within_ramp_and_jump"] += 1
        sum_w = 0.0
        for at_ns, watts in told[number:]:
            sum_w += watts
            passed_s = (at_ns - from_ns) / NS_PER_S
            allowed_w = rules.ramp_up_w_per_s * passed_s + largest_w
            if sum_w > 1.05 * allowed_w + 6 * rules.noise_w:
                what = f"{sum_w / 1e3:.1f} kW told to rise in {passed_s:.2f} s, {allowed_w / 1e3:.1f} allowed"
                faults.append(Fault("raise_within_ramp_and_jump", at_ns, what))
                break
            if passed_s < 0.2 and sum_w > max(rules.jump_up_w, *outside.rated_w.values()) * 1.05:
                faults.append(Fault("raise_within_ramp_and_jump", at_ns, f"a jump of {sum_w / 1e3:.1f} kW"))
                break
    return faults


def judge_raise_within_limit(outside: Outside) -> list[Fault]:
    """When a raise leaves: net power, what still climbs and the raise itself fit under the limit and every lease.

    Lenient for half a minute after a load moved by itself, which the agent can't have known.
    """
    rules = outside.rules
    faults: list[Fault] = []
    told = raises(outside)
    for verb in told:
        at_ns = sent_at(verb)
        if any(0 <= at_ns - move.at_ns < 30 * NS_PER_S for move in outside.moved):
            continue
        outside.judged["raise_within_limit"] += 1
        limit_w = rules.limit_w
        for sent in outside.sent:
            lapses_ns = at_ns + 1 if sent.lease_ns is None else sent.at_ns + sent.lease_ns
            in_force = sent.accepted_ns is not None and sent.accepted_ns + NS_PER_S < at_ns < lapses_ns
            if sent.deserves == "accepted" and sent.limit_w is not None and in_force:
                released = [other.at_ns for other in outside.sent if other.releases == sent.id and other.at_ns <= at_ns]
                newer = [
                    other for other in outside.sent if sent.at_ns < other.at_ns <= at_ns and other.limit_w is not None
                ]
                if not released and not newer:
                    limit_w = min(limit_w, sent.limit_w)
        settles_w = outside.unmetered(at_ns) + sum(outside.settles(load, at_ns) for load in outside.rated_w)
        newest = [other.load for other in told if 0 <= at_ns - sent_at(other) < 15 * NS_PER_S]
        coming = {load for load in outside.told(newest) if outside.settles(load, at_ns) < 0.5 * outside.rated_w[load]}
        settles_w += sum(outside.rated_w[load] for load in coming)
        if settles_w > limit_w + 0.08 * rules.unmetered_w + 6 * rules.noise_w:
            what = f"{verb.load} was raised towards {settles_w / 1e3:.1f} kW, the limit is {limit_w / 1e3:.1f}"
            faults.append(Fault("raise_within_limit", at_ns, what))
    return faults
