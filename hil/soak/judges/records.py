"""Records, events and commands at the broker (invariants 4, 10 and 11; the wire contract's sections 2 to 6)."""

from typing import Any

from hil.soak.judges.view import Broken, Judged
from hil.soak.trace import Record, Trace

# Kinds that may belong to no event.
_ALONE = {"alarm", "clear", "tag", "untag", "local", "ack", "release", "key.rotate"}
_NEXT = {  # the life cycle (6.1): what may follow what; "" is the beginning
    "": {"accepted", "rejected"},
    "accepted": {"applied", "expired", "superseded", "failed", "verified", "unverified", "ended"},
    "applied": {"verified", "unverified", "ended", "failed"},
    "unverified": {"verified", "ended"},
    "verified": {"unverified", "ended"},
}


def judge_records_are_whole(trace: Trace) -> Judged:
    """Each verifies; a number appears once, or again byte for byte; each names the one before; none is missing but by
    a signed gap.
    """
    broken = [Broken(trace.to_ns, what) for what in (*trace.refused, *(f"missing: {one}" for one in trace.missing))]
    return Judged("records are whole", len(trace.records) + trace.telemetry, tuple(broken))


def judge_events(trace: Trace) -> Judged:
    """Each event begins once and first, ends once and last, no other of its circuit and rule begins meanwhile, and
    none is open after the calm.
    """
    broken: list[Broken] = []
    begun: dict[str, tuple[str, str]] = {}
    begun_by: dict[str, object] = {}  # who is killed can't know whether its last words were heard
    ended: set[str] = set()
    returning: set[str] = set()
    lost = any(record.body.get("t") == "gap" for record in trace.records if record.channel == "evt")
    for record in _events(trace):
        body, at_ns = record.body, record.received_ns
        event, kind = str(body.get("ev") or ""), str(body.get("k"))
        place = (str(body.get("circuit")), str(body.get("rule")))
        if not event or kind in _ALONE:
            continue
        if kind == "begin" and (body.get("part") or [1, 1])[0] in (0, 1):
            if begun_by.get(event) == body.get("boot"):
                broken.append(Broken(at_ns, f"{event} begins again"))
            open_ones = [other for other, where in begun.items() if where == place and other not in ended | returning]
            if open_ones and event not in begun and body.get("class") != "command":
                broken.append(Broken(at_ns, f"{event} begins on {place} while {open_ones[0]} is open"))
            begun[event], begun_by[event] = place, body.get("boot")
        elif event not in begun:
            begun[event] = place  # told once
            if not lost:
                broken.append(Broken(at_ns, f"{event} tells {kind} and never began"))
        elif event in ended:
            broken.append(Broken(at_ns, f"{event} tells {kind} after its end"))
        if kind == "end":
            ended.add(event)
        elif kind == "return":
            returning.add(event)
    broken += [Broken(trace.to_ns, f"{event} of {begun[event]} never ended") for event in sorted(set(begun) - ended)]
    return Judged("events from begin to end", len(begun), tuple(broken))


def judge_commands(trace: Trace) -> Judged:
    """A bad command is never accepted nor in force, and gets its code or silence; a good one goes through its life
    cycle in order.
    """
    broken: list[Broken] = []
    by_sha: dict[str, list[Record]] = {}
    for record in trace.records:
        if record.body.get("t") == "ack":
            by_sha.setdefault(str(record.body.get("cmd")), []).append(record)
    for sent in trace.sent:
        acks = by_sha.get(sent.sha, [])
        states = [str(ack.body.get("st")) for ack in acks]
        codes = {ack.body.get("code") for ack in acks}
        if sent.deserves == "accepted":
            wrong = _cycle(acks) or ("was never answered" if not states else "")
            if "rejected" in states and codes != {"busy"}:
                wrong = f"was good and rejected: {codes}"
            if wrong:
                broken.append(Broken(sent.at_ns, f"{sent.id} {wrong}"))
        elif sent.deserves == "silence" and states:
            broken.append(Broken(sent.at_ns, f"{sent.id} deserved silence, got {states}"))
        elif sent.deserves not in ("anything", "silence") and (
            set(states) - {"rejected"} or codes - {sent.deserves, "busy"} or not states
        ):
            broken.append(Broken(sent.at_ns, f"{sent.id} deserved {sent.deserves}, got {states} {codes}"))
    bad = {sent.id for sent in trace.sent if sent.deserves not in ("accepted", "anything")}
    for record in trace.records:
        leases: list[dict[str, Any]] = record.body.get("leases") or []
        broken += [
            Broken(record.received_ns, f"{lease['id']} is in force and must not be")
            for lease in leases
            if lease.get("id") in bad
        ]
    return Judged("commands get what they deserve", len(trace.sent), tuple(broken))


def _cycle(acks: list[Record]) -> str:
    state, number = "", -1
    seen: dict[int, str] = {}
    for ack in sorted(acks, key=lambda one: int(one.body.get("n", -1))):
        told, n = str(ack.body.get("st")), int(ack.body.get("n", -1))
        if n in seen:
            if seen[n] != told:
                return f"status {n} was {seen[n]} and is {told}"
            continue
        seen[n] = told
        if n != number + 1 or told not in _NEXT.get(state, set()):
            return f"{told} ({n}) after {state or 'nothing'} ({number})"
        state, number = told, n
    return ""


def _events(trace: Trace) -> list[Record]:
    """The event records in the order in which they were made."""
    boots = list(dict.fromkeys(str(record.body.get("boot")) for record in trace.records))
    found = [record for record in trace.records if record.body.get("t") == "evt"]
    return sorted(found, key=lambda one: (boots.index(str(one.body.get("boot"))), int(one.body.get("seq", -1))))
