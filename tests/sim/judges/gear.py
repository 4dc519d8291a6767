"""Contactors (invariants 1 and 14): closed with care, left alone while their PLC is silent, latched when they lie."""

from tests.sim.judges.devices import GearRules, PlcPut, PlcSeen
from tests.sim.judges.events import event_records
from tests.sim.judges.outside import NS_PER_S, Asks, Fault, Outside, Talk, sent_at

PERMIT_NS = 500_000_000
ON_ITS_WAY_NS = 100_000_000  # a verb is decided on at one instant and leaves a little later
REPEATED_NS = 11 * NS_PER_S  # an opening of unknown effect is repeated for 10 s
LATCHED_WITHIN_NS = 2 * NS_PER_S  # beside the feedback's time: polls and beats
WELD_SEEN_NS = 12 * NS_PER_S  # its loads are read within two of their polls
WELDED_PU = 0.2  # of what is behind it; the agent's own measure is half of that


def judge_contactor_closes_carefully(outside: Outside) -> list[Fault]:
    """A contactor is told to close only with each of its permits read as 1 within 500 ms, its feedback open, no other
    one on its way closed, and what it feeds told to sleep since it was last closed.
    """
    gear = outside.devices.gear
    name = "contactor_closes_carefully"
    faults: list[Fault] = []
    if gear is None:
        return faults
    closings = [(put, one) for put in outside.devices.puts for one, on in put.coils if on]
    for put, contactor in closings:
        outside.judged[name] += 1
        before = [
            seen
            for seen in outside.devices.seen
            if seen.plc == gear.name and seen.life == put.life and seen.at_ns <= put.at_ns and "estop_ok" in seen.values
        ][-50:]
        for permit in gear.permits:
            good = [seen.at_ns for seen in before if seen.values[permit] == 1.0]
            newest = before[-1].values[permit] if before else None
            if newest != 1.0 and (not good or put.at_ns - good[-1] > ON_ITS_WAY_NS):
                faults.append(Fault(name, put.at_ns, f"{contactor} was closed while {permit} was {newest}"))
            elif not good or put.at_ns - good[-1] > PERMIT_NS + ON_ITS_WAY_NS:
                faults.append(Fault(name, put.at_ns, f"{contactor} was closed on a {permit} older than 500 ms"))
        if before and not before[-1].values[f"{contactor}_52b"]:
            faults.append(
                Fault(name, put.at_ns, f"{contactor} was closed, and its feedback did not say that it is open")
            )
        busy = [
            other
            for earlier, other in closings
            if other != contactor and _on_its_way(outside, gear, earlier, other, put)
        ]
        if busy:
            faults.append(Fault(name, put.at_ns, f"{contactor} was closed while {busy[0]} was on its way"))
        faults += [
            Fault(name, put.at_ns, f"{contactor} was closed, and {load} behind it had not been told to sleep")
            for load in _awake(outside, gear, contactor, put)
        ]
    return faults


def _on_its_way(outside: Outside, gear: GearRules, earlier: PlcPut, contactor: str, put: PlcPut) -> bool:
    """Whether that contactor's closing was out and its feedback had not told of it."""
    if earlier.life != put.life or not 0 <= put.at_ns - earlier.at_ns < gear.within_ns:
        return False
    return not any(
        seen.values.get(f"{contactor}_52a") == 1.0
        for seen in outside.devices.seen
        if seen.plc == gear.name and earlier.at_ns < seen.at_ns <= put.at_ns
    )


def _awake(outside: Outside, gear: GearRules, contactor: str, put: PlcPut) -> list[str]:
    """What we left awake behind a contactor that we opened."""
    opened = [
        poles.at_ns
        for poles in outside.devices.poles
        if poles.contactor == contactor and poles.at_ns < put.at_ns and not poles.closed
    ]
    ours = [poles for poles in outside.devices.poles if poles.contactor == contactor and poles.at_ns < put.at_ns]
    if not opened or not ours[-1].ours or ours[-1].closed:
        return []
    verbs: dict[str, Asks] = {}
    for talk in outside.talks:
        if talk.opened_ns <= opened[-1] + NS_PER_S and talk.asks in (Asks.ON, Asks.OFF, Asks.NOTHING, Asks.SESSION):
            verbs[talk.load] = talk.asks
    # One that was ill could not be told.
    ill = {move.load for move in outside.moved if 0 <= opened[-1] - move.at_ns < 120 * NS_PER_S}
    return [
        load
        for load in gear.feeds[contactor]
        if load not in ill
        and verbs.get(load, Asks.ON) is Asks.ON
        and outside.watts(load, opened[-1] - 1) > 0.5 * outside.rated_w[load]
        and not outside.is_local(load, opened[-1])
    ]


def judge_silent_switchgear_is_left_alone(outside: Outside) -> list[Fault]:
    """While a switchgear's PLC has told nothing new for its blind time, its contactors are told nothing, but for what
    was told before and is repeated.
    """
    gear = outside.devices.gear
    faults: list[Fault] = []
    if gear is None:
        return faults
    heard = _heard(outside, gear)
    told: dict[str, int] = {}
    for put in outside.devices.puts:
        for contactor, on in put.coils:
            outside.judged["silent_switchgear_is_left_alone"] += 1
            times = [seen.at_ns for seen in heard if seen.life == put.life and seen.at_ns <= put.at_ns]
            silent_ns = put.at_ns - times[-1] if times else None
            repeated = not on and put.at_ns - told.get(contactor, -(10**18)) < REPEATED_NS
            if (silent_ns is None or silent_ns > gear.blind_after_ns + NS_PER_S + ON_ITS_WAY_NS) and not repeated:
                said = "never" if silent_ns is None else f"{silent_ns / NS_PER_S:.1f} s ago"
                what = f"{contactor} was told, and its PLC was last heard {said}"
                faults.append(Fault("silent_switchgear_is_left_alone", put.at_ns, what))
            elif not repeated:
                told[contactor] = put.at_ns
    return faults


def _heard(outside: Outside, gear: GearRules) -> list[PlcSeen]:
    """The answers with contacts, but for those of a program that stands still."""
    found: list[PlcSeen] = []
    moved_ns, newest = 0, -1.0
    for seen in outside.devices.seen:
        if seen.plc != gear.name:
            continue
        if "round" in seen.values and seen.values["round"] != newest:
            newest, moved_ns = seen.values["round"], seen.at_ns
        if "estop_ok" in seen.values and seen.at_ns - moved_ns <= 2 * NS_PER_S:
            found.append(seen)
    return found


def judge_faulty_contactor_is_latched(outside: Outside) -> list[Fault]:
    """A contactor whose feedback disagrees with the command when its time is over, or that says open while what it
    feeds draws, is told as latched; and nothing closes it before somebody on site acknowledges.
    """
    gear = outside.devices.gear
    name = "faulty_contactor_is_latched"
    faults: list[Fault] = []
    if gear is None or outside.rules.observe:
        return faults
    alarms = latchings(outside)
    for talk in outside.talks:
        if talk.load not in gear.feeds or talk.asks is not Asks.OFF or talk.answered_ns is None:
            continue
        for why, by_ns in (
            ("its feedback", _disagrees(outside, gear, talk)),
            ("its loads", _welded(outside, gear, talk)),
        ):
            if by_ns is None:
                continue
            outside.judged[name] += 1
            # The broker may have had it late.
            if not any(of == talk.load and not _acked(outside, of, at_ns, talk.opened_ns) for at_ns, of in alarms):
                faults.append(Fault(name, by_ns, f"{talk.load} was told to open, {why} said otherwise, and no alarm"))
    outside.judged[name] += len(alarms)
    for at_ns, contactor in alarms:
        for put in outside.devices.puts:
            closes = any(one == contactor and on for one, on in put.coils)
            if closes and put.at_ns > at_ns and not _acked(outside, contactor, at_ns, put.at_ns):
                faults.append(Fault(name, put.at_ns, f"{contactor} was closed with its fault not acknowledged"))
                break
    return faults


def latchings(outside: Outside) -> list[tuple[int, str]]:
    """When which contactor was told as latched."""
    gear = outside.devices.gear
    return [
        (record.message.at_ns, str(record.body.get("circuit")))
        for record in event_records(outside)
        if record.body.get("k") == "alarm" and gear is not None and record.body.get("circuit") in gear.feeds
    ]


def _acked(outside: Outside, contactor: str, from_ns: int, to_ns: int) -> bool:
    return any(
        said.verb == "ack" and contactor in said.loads and from_ns - NS_PER_S <= said.at_ns <= to_ns
        for said in outside.devices.said
    )


def _disagrees(outside: Outside, gear: GearRules, talk: Talk) -> int | None:
    """By when a latch had to be told for feedback that said "closed" all the time; None: it did not."""
    from_ns = sent_at(talk) + gear.within_ns + NS_PER_S  # the core gives it a second more than the feedback's own time
    by_ns = from_ns + LATCHED_WITHIN_NS
    if not _undisturbed(outside, talk, by_ns):
        return None
    seen = [
        one.values[f"{talk.load}_52a"] == 1.0 and one.values[f"{talk.load}_52b"] == 0.0
        for one in _heard(outside, gear)
        if sent_at(talk) < one.at_ns <= by_ns and one.life == talk.life
    ]
    return by_ns + LATCHED_WITHIN_NS if len(seen) > 10 and all(seen) else None


def _welded(outside: Outside, gear: GearRules, talk: Talk) -> int | None:
    """By when a weld had to be told: open by its feedback, and what it feeds goes on drawing; None: it doesn't."""
    from_ns = sent_at(talk) + gear.within_ns + 3 * NS_PER_S
    by_ns = from_ns + 2 * outside.rules.load_poll_ns + WELD_SEEN_NS
    if not _undisturbed(outside, talk, by_ns):
        return None
    seen = [
        one.values[f"{talk.load}_52b"] == 1.0
        for one in _heard(outside, gear)
        if from_ns < one.at_ns <= by_ns and one.life == talk.life
    ]
    feeds = gear.feeds[talk.load]
    if any(move.load in feeds and talk.opened_ns - 60 * NS_PER_S < move.at_ns < by_ns for move in outside.moved):
        return None  # one that is ill tells nothing, or not the truth
    full_w = outside.full_w(talk.load)
    draws = [
        sum(outside.watts(load, at_ns) for load in feeds) > WELDED_PU * full_w
        for at_ns in range(from_ns, by_ns, NS_PER_S)
    ]
    return by_ns if len(seen) > 50 and all(seen) and all(draws) else None


def _undisturbed(outside: Outside, talk: Talk, by_ns: int) -> bool:
    """Whether the life that told it lived on, its broker heard, and nothing else was told to this contactor."""
    life = outside.life_at(talk.opened_ns)
    if life is None or (life.to_ns or outside.now_ns) < by_ns or outside.held(talk.load, ("local",), by_ns):
        return False
    return not any(
        other.load == talk.load and other is not talk and talk.opened_ns < other.opened_ns < by_ns
        for other in outside.talks
    )
