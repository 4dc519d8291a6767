"""Events: one from begin to end, whatever dies in between (invariant 4)."""

from tests.sim.judges.outside import Fault, Outside
from tests.sim.judges.records import Opened, opened

STANDALONE = {
    "alarm",
    "clear",
    "tag",
    "untag",
    "local",
    "ack",
    "release",
    "key.rotate",
}  # may belong to no event


def judge_one_event_from_begin_to_end(outside: Outside) -> list[Fault]:
    """Each event begins once and first, ends at most once and last, and no other of its circuit and rule begins while
    it is open.
    """
    name = "one_event_from_begin_to_end"
    faults: list[Fault] = []
    begun: dict[str, tuple[str, str]] = {}
    begun_by: dict[str, Opened] = {}  # who is killed can't know whether its last words were heard
    ended: set[str] = set()
    returning: set[str] = set()
    for record in event_records(outside):
        body, at_ns = record.body, record.message.at_ns
        event, kind = str(body.get("ev") or ""), str(body.get("k"))
        place = (str(body.get("circuit")), str(body.get("rule")))
        part = body.get("part") or [1, 1]
        if not event and kind in STANDALONE:
            continue
        if kind == "begin" and part[0] in (0, 1):
            if event in begun_by and begun_by[event].body.get("boot") == body.get("boot"):
                faults.append(Fault(name, at_ns, f"{event} begins again"))
            open_ones = [other for other, where in begun.items() if where == place and other not in ended]
            # Released, its loads come back when they may; a new crossing then is a new event.
            aged = [other for other in open_ones if _between(begun_by[other], record) >= outside.rules.release_for_ns]
            twins = [other for other in open_ones if other not in returning and other not in aged]
            if twins and event not in begun and body.get("class") != "command":
                faults.append(Fault(name, at_ns, f"{event} begins on {place} while {twins[0]} is open"))
            outside.judged["one_event_from_begin_to_end"] += 1
            begun[event] = place
            begun_by[event] = record
        elif event not in begun and kind not in STANDALONE:
            begun[event] = place  # told once
            begun_by[event] = record
            if declared_lost(outside):
                continue
            faults.append(Fault(name, at_ns, f"{event} tells {kind} and never began"))
        elif event in ended and kind not in STANDALONE:
            faults.append(Fault(name, at_ns, f"{event} tells {kind} after its end"))
        if kind == "end":
            ended.add(event)
        elif kind == "return":
            returning.add(event)
    return faults


def _between(one: Opened, other: Opened) -> int:
    """How long after one record another was made: by the agent's own clock where one start made both, since the broker
    may have had them late.
    """
    if one.body.get("boot") == other.body.get("boot") and "up" in one.body and "up" in other.body:
        return (int(other.body["up"]) - int(one.body["up"])) * 1_000_000
    return other.message.at_ns - one.message.at_ns


def declared_lost(outside: Outside) -> bool:
    """Whether a later life has declared, signed, that events of an earlier one may be lost."""
    return any(record.channel == "evt" and record.body.get("t") == "gap" for record in opened(outside)[0])


def events_open(outside: Outside) -> list[str]:
    """Events that began and did not end; for scenarios that wait for the end."""
    begun = {str(record.body.get("ev")) for record in event_records(outside) if record.body.get("k") == "begin"}
    return sorted(
        begun - {str(record.body.get("ev")) for record in event_records(outside) if record.body.get("k") == "end"}
    )


def event_records(outside: Outside) -> list[Opened]:
    """The event messages, each number once, in the order they were made: a window of them may overtake each other."""
    good, _ = opened(outside)
    boots = list(dict.fromkeys(str(record.body.get("boot")) for record in good))
    found: dict[tuple[int, int], Opened] = {}
    for record in good:
        if record.body.get("t") == "evt":
            key = (boots.index(str(record.body.get("boot"))), int(record.body.get("seq", -1)))
            found.setdefault(key, record)
    return [found[key] for key in sorted(found)]
