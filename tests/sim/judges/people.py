"""What people hold, and what others move (invariant 8): tags, LOCAL, and loads that have a will of their own."""

from itertools import pairwise

from tests.sim.judges.causes import blind_causes, crossings, limit_causes
from tests.sim.judges.outside import NS_PER_S, Asks, Fault, Outside, sent_at
from tests.sim.judges.tanks import tank_causes

ON_ITS_WAY_NS = 500_000_000  # what was decided before is on its way a little longer
HOLDS = ("tag", "local")
CONTEST_NS = 600 * NS_PER_S
SEEN_NS = 20 * NS_PER_S  # a load that moved is read within two polls, its checks after a verb included


def judge_held_is_not_raised(outside: Outside) -> list[Fault]:
    """Nothing that a person has tagged or put into LOCAL is raised, and no contactor that feeds it closed."""
    faults: list[Fault] = []
    for verb in outside.verbs(Asks.ON):
        at_ns = verb.opened_ns
        outside.judged["held_is_not_raised"] += bool(outside.devices.said)
        held = [
            name
            for name in {verb.load, *outside.told([verb.load])}
            if all(outside.held(name, HOLDS, at_ns - before_ns) for before_ns in (0, ON_ITS_WAY_NS))
        ]
        if held:
            what = f"{verb.load} was raised while {sorted(held)[0]} was held by a person"
            faults.append(Fault("held_is_not_raised", sent_at(verb), what))
    return faults


def judge_local_gets_heartbeats_alone(outside: Outside) -> list[Fault]:
    """Nothing but the heartbeat is written to what is in LOCAL."""
    name = "local_gets_heartbeats_alone"
    faults: list[Fault] = []
    if not any(said.verb == "local" for said in outside.devices.said) and not outside.devices.gear:
        return faults
    for talk in outside.talks:
        at_ns = talk.opened_ns
        if talk.asks in (Asks.ON, Asks.OFF, Asks.SESSION):
            outside.judged[name] += 1
            if outside.is_local(talk.load, at_ns) and outside.is_local(talk.load, at_ns - ON_ITS_WAY_NS):
                faults.append(Fault(name, at_ns, f"{talk.load} is in LOCAL and was told {talk.asks}"))
    return faults


def judge_contested_is_not_fought(outside: Outside) -> list[Fault]:
    """A load that came on by itself twice within ten minutes, both times after we had lowered it, is not told again
    for anything but protection, unless a new request asks all that there is.
    """
    faults: list[Fault] = []
    protect = [*limit_causes(outside), *blind_causes(outside), *tank_causes(outside)]
    asked = [crossing.at_ns for crossing in crossings(outside)] + [sent.at_ns for sent in outside.sent]
    for load in {move.load for move in outside.moved if move.what == "on by itself"}:
        ups = [move.at_ns for move in outside.moved if move.load == load and move.what == "on by itself"]
        downs = [sent_at(verb) for verb in outside.verbs(Asks.OFF) if verb.load == load]
        # Only what was read as off before can be known to have come on by itself, and not to have stayed on.
        off = [
            talk.answered_ns
            for talk in outside.talks
            if talk.load == load and talk.says_on is False and talk.answered_ns is not None
        ]
        fought = [at_ns for at_ns in ups if _was_read_off(at_ns, downs, off)]
        for first_ns, second_ns in pairwise(fought):
            if second_ns - first_ns > CONTEST_NS:
                continue
            outside.judged["contested_is_not_fought"] += 1
            for down_ns in downs:
                late = second_ns + SEEN_NS < down_ns < second_ns + CONTEST_NS
                excused = any(cause.from_ns <= down_ns <= cause.to_ns for cause in protect) or any(
                    second_ns < at_ns <= down_ns + NS_PER_S for at_ns in asked
                )
                if late and not excused:
                    what = f"{load} had come on by itself twice and was told to go off again"
                    faults.append(Fault("contested_is_not_fought", down_ns, what))
    return faults


def _was_read_off(up_ns: int, downs: list[int], off: list[int]) -> bool:
    """Whether it was told to go off lately, and read as off after that and before it came on."""
    newest_ns = max((down_ns for down_ns in downs if up_ns - 60 * NS_PER_S < down_ns < up_ns), default=up_ns)
    return any(newest_ns < read_ns < up_ns for read_ns in off)
