"""Tanks (invariants 1 and 9): what the tank's PLC said, as it reached the agent, decides what its loads may do."""

import math
from collections.abc import Iterator
from itertools import pairwise

from tests.sim.judges.causes import Cause
from tests.sim.judges.devices import PlcSeen, TankRules
from tests.sim.judges.outside import NS_PER_S, Asks, Fault, Life, Outside, Talk, sent_at

STARTED_NS = 10 * NS_PER_S
REACH_NS = 16 * NS_PER_S  # an Avalon that was told at the trip before this one is still on its way down
TOLD_WITHIN_NS = NS_PER_S  # from the bound to the last verb: polls, a beat, lost SYNs
STOPPED_NS = 2_100_000_000  # a program that stands still for 2 s counts as silent from then on
EARLY_NS = 500_000_000  # two polls, and the longest that an answer takes
STALE_NS = NS_PER_S  # five polls of the tank
DAY_NS = 86_400 * NS_PER_S
ON_ITS_WAY_NS = 100_000_000  # a verb is decided on at one instant and leaves a little later
PASSED_ON_NS = 10_000_000  # from an answer's arrival to the decision


def answers(outside: Outside, life: int) -> list[PlcSeen]:
    """The tank's whole answers to one life whose program went round: others tell nothing new."""
    tank = outside.devices.tank
    found: list[PlcSeen] = []
    moved_ns, newest = 0, -1.0
    for seen in outside.devices.seen:
        if tank is None or seen.plc != tank.name or seen.life != life:
            continue
        if seen.values["round"] != newest:
            newest, moved_ns = seen.values["round"], seen.at_ns
        if seen.at_ns - moved_ns <= STOPPED_NS:
            found.append(seen)
    return found


def passed(seen: PlcSeen, edges: tuple[tuple[str, bool, float], ...]) -> bool | None:
    """Whether a value is beyond its edge; None: one of them is no number."""
    bad: bool | None = False
    for point, above, value in edges:
        if math.isnan(seen.values[point]):
            bad = None
        elif (seen.values[point] > value) if above else (seen.values[point] < value):
            return True
    return bad


def trips(outside: Outside, tank: TankRules, life: Life, early_ns: int = 0) -> Iterator[tuple[int, int]]:
    """From when to when this life had to keep the tank's loads down: values passed for their time, or silence; with
    `early_ns`, when it was allowed to: a reading is older than its answer, and is looked at again on each beat.
    """
    blind_ns, shed_ns = tank.blind_after_ns - early_ns, max(0, tank.shed_for_ns - early_ns)
    end_ns = life.to_ns or outside.now_ns
    over_ns: int | None = None
    heard_ns: int | None = None
    for seen in [*answers(outside, life.number), None]:
        at_ns = seen.at_ns if seen is not None else end_ns
        if heard_ns is not None and at_ns - heard_ns > blind_ns:
            yield heard_ns + blind_ns, at_ns
            over_ns = None
        if seen is None:
            break
        bad = passed(seen, tank.shed)
        if bad is not None:
            heard_ns = at_ns
        if bad:
            over_ns = at_ns if over_ns is None else over_ns
        elif bad is False and over_ns is not None:
            if at_ns - over_ns > shed_ns:
                yield over_ns + shed_ns, at_ns
            over_ns = None
    if over_ns is not None and end_ns - over_ns > shed_ns:
        yield over_ns + shed_ns, end_ns


def tank_causes(outside: Outside) -> list[Cause]:
    """While it is tripped, and until what was told then has had its repeats."""
    tank = outside.devices.tank
    if tank is None:
        return []
    every = [trip for life in outside.lives for trip in trips(outside, tank, life, EARLY_NS)]
    return [
        Cause(from_ns - NS_PER_S, to_ns + 10 * NS_PER_S, "the tank", frozenset(tank.loads)) for from_ns, to_ns in every
    ]


def judge_tank_trip_lowers_its_loads(outside: Outside) -> list[Fault]:
    """A value of the tank passed for its time, or its PLC silent for its blind time: all that it cools is told to go
    to its lowest step, within a second; GPUs below their floor.
    """
    tank = outside.devices.tank
    faults: list[Fault] = []
    if tank is None or outside.rules.observe:
        return faults
    for life in outside.lives:
        for from_ns, to_ns in trips(outside, tank, life):
            by_ns = from_ns + TOLD_WITHIN_NS
            if to_ns < by_ns or from_ns - life.from_ns < STARTED_NS or (life.to_ns or outside.now_ns) < by_ns:
                continue
            outside.judged["tank_trip_lowers_its_loads"] += 1
            asked = outside.told(
                talk.load for talk in outside.talks if _lowers(talk) and from_ns - REACH_NS <= talk.opened_ns <= by_ns
            )
            for load in tank.loads:
                if load in asked or _is_down(outside, load, by_ns) or outside.is_local(load, from_ns):
                    continue
                if outside.seems_dark(load, by_ns):
                    continue
                what = f"{load} still draws {outside.watts(load, by_ns):.0f} W and was not told"
                faults.append(Fault("tank_trip_lowers_its_loads", by_ns, what))
    return faults


def judge_tank_permits_before_a_raise(outside: Outside) -> list[Fault]:
    """Nothing that the tank cools rises unless every answer of the last permit time held the permit values and the
    PLC's own permit, without a hole; a contactor that feeds it is such a raise.
    """
    tank = outside.devices.tank
    faults: list[Fault] = []
    if tank is None:
        return faults
    heard = {life.number: answers(outside, life.number) for life in outside.lives}
    for verb in outside.verbs(Asks.ON):
        if not outside.told([verb.load]) & set(tank.loads):
            continue
        outside.judged["tank_permits_before_a_raise"] += 1
        at_ns = sent_at(verb)
        window = [
            seen
            for seen in heard.get(verb.life, ())
            if at_ns - tank.permit_for_ns + ON_ITS_WAY_NS <= seen.at_ns <= verb.opened_ns - PASSED_ON_NS
        ]
        bad = [
            seen
            for seen in window
            if passed(seen, tank.shed) is not False
            or passed(seen, tank.permit) is not False
            or not seen.values["permit"]
        ]
        if bad:
            before_s = (at_ns - bad[-1].at_ns) / NS_PER_S
            what = f"{verb.load} was raised {before_s:.2f} s after the tank gave no permit"
            faults.append(Fault("tank_permits_before_a_raise", at_ns, what))
            continue
        times = [at_ns - tank.permit_for_ns + ON_ITS_WAY_NS, *(seen.at_ns for seen in window), at_ns]
        hole_ns = max(after - before for before, after in pairwise(times))
        if hole_ns > STALE_NS + 2 * tank.poll_ns + ON_ITS_WAY_NS:
            what = f"{verb.load} was raised, and of its permit time the tank was silent for {hole_ns / NS_PER_S:.2f} s"
            faults.append(Fault("tank_permits_before_a_raise", at_ns, what))
    return faults


def judge_tank_latches_after_its_returns(outside: Outside) -> list[Fault]:
    """After as many returns by itself as it has in a day, a tank that trips again stays off until it is
    acknowledged on site.
    """
    tank = outside.devices.tank
    faults: list[Fault] = []
    if tank is None:
        return faults
    # A trip counts once its loads have been down for it; it returns with the first raise of one of them after.
    tripped = sorted(trip for life in outside.lives for trip in trips(outside, tank, life))
    acks = [said.at_ns for said in outside.devices.said if said.verb == "ack" and said.target == tank.name]
    ups = [sent_at(verb) for verb in outside.verbs(Asks.ON) if outside.told([verb.load]) & set(tank.loads)]
    returns: list[int] = []
    for number, (_, to_ns) in enumerate(tripped):
        next_ns = tripped[number + 1][0] if number + 1 < len(tripped) else outside.now_ns
        risen = [at_ns for at_ns in ups if to_ns < at_ns < next_ns]
        if not risen:
            continue
        outside.judged["tank_latches_after_its_returns"] += 1
        acked = max((at_ns for at_ns in acks if at_ns <= risen[0]), default=0)
        since = [at_ns for at_ns in returns if at_ns > acked and risen[0] - at_ns < DAY_NS]
        if len(since) >= tank.auto_returns_per_day:
            what = f"its loads came back by themselves for the {len(since) + 1}. time"
            faults.append(Fault("tank_latches_after_its_returns", risen[0], what))
        returns.append(risen[0])
    return faults


def judge_tank_plc_gets_heartbeats_alone(outside: Outside) -> list[Fault]:
    """Nothing but the heartbeat is ever written to a tank's PLC: pumps and fans are its own."""
    tank = outside.devices.tank
    puts = [put for put in outside.devices.puts if tank is not None and put.plc == tank.name]
    outside.judged["tank_plc_gets_heartbeats_alone"] += len(puts)
    return [
        Fault("tank_plc_gets_heartbeats_alone", put.at_ns, f"{put.plc} was written {put.what}")
        for put in puts
        if put.what != "heartbeat"
    ]


def _lowers(talk: Talk) -> bool:
    return talk.asks in (Asks.OFF, Asks.NOTHING, Asks.SESSION)


def _is_down(outside: Outside, load: str, at_ns: int) -> bool:
    gpus = outside.devices.gpus
    if gpus is not None and load in gpus.loads:
        return outside.watts(load, at_ns) < gpus.floor_w - 1 or outside.devices.ailing(load, at_ns)
    return outside.watts(load, at_ns) < 0.5 * outside.rated_w[load]
