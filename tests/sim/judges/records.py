"""Records and commands at the broker (invariants 10 and 11; the wire contract's sections 2 to 6)."""

import hashlib
from typing import Any

from tests.sim.judges.envelope import Unsound, open_envelope
from tests.sim.judges.outside import NS_PER_S, Fault, Message, Outside

STATES = ("conn", "schema", "ctl")  # each replaces the one before: nothing is owed, their numbers have holes
NEXT = {  # the life cycle (wire.md 6.1): what may follow what; "" is the beginning
    "": {"accepted", "rejected"},
    "accepted": {"applied", "expired", "superseded", "failed", "verified", "unverified", "ended"},
    "applied": {"verified", "unverified", "ended", "failed"},
    "unverified": {"verified", "ended"},
    "verified": {"unverified", "ended"},
}


class Opened:
    """One message and what it says."""

    def __init__(self, message: Message, channel: str, body: dict[str, Any]) -> None:
        self.message, self.channel, self.body = message, channel, body


def opened(outside: Outside) -> tuple[list[Opened], list[Fault]]:
    """Every message of the agent's channels, and those that do not open."""
    good: list[Opened] = []
    faults: list[Fault] = []
    for message in outside.messages:
        address = message.topic.removeprefix(outside.root + "/")
        channel = "/".join(address.split("/")[3:])
        if channel.startswith("view/"):
            continue
        try:
            good.append(Opened(message, channel, open_envelope(message.payload, address, outside.agent_key)))
        except (Unsound, ValueError) as error:
            faults.append(Fault("records_signed_sequenced_chained", message.at_ns, f"{channel}: {error}"))
    return good, faults


def judge_records_signed_sequenced_chained(outside: Outside) -> list[Fault]:
    """Each verifies; a number appears once, or again byte for byte; none is missing but by a signed gap; each names
    the one before.
    """
    good, faults = opened(outside)
    name = "records_signed_sequenced_chained"
    first: dict[tuple[str, str, int], bytes] = {}
    runs: dict[tuple[str, str], list[Opened]] = {}
    gaps: list[tuple[str, str, int, int | None]] = []  # of which start, channel, from, to; None: whatever is missing
    outside.judged[name] += len(good)
    for record in good:
        body, at_ns = record.body, record.message.at_ns
        boot, seq = str(body.get("boot")), body.get("seq")
        if record.channel == "conn" and body.get("st") == "lost":
            continue  # sealed before CONNECT, published by the broker if ever
        if not isinstance(seq, int):
            faults.append(Fault(name, at_ns, f"{record.channel} without a number"))
            continue
        key = (boot, record.channel, seq)
        if key in first:
            if first[key] != record.message.payload:
                faults.append(Fault(name, at_ns, f"{record.channel} {seq} of {boot} twice, with other bytes"))
            continue
        first[key] = record.message.payload
        runs.setdefault((boot, record.channel), []).append(record)
        if body.get("t") == "gap":
            gaps.append((str(body.get("of")), record.channel, body["from"], body["to"]))
    for (boot, channel), records in runs.items():
        faults += _judge_run(boot, channel, records, gaps)
    return faults


def _judge_run(
    boot: str, channel: str, records: list[Opened], gaps: list[tuple[str, str, int, int | None]]
) -> list[Fault]:
    name = "records_signed_sequenced_chained"
    faults: list[Fault] = []
    by_seq = {record.body["seq"]: record for record in records}
    last = records[-1].message.at_ns
    if channel.split("/")[0] not in STATES:
        declared = [(first, last) for of, where, first, last in gaps if (of, where) == (boot, channel)]
        missing = [
            seq
            for seq in range(max(by_seq))
            if seq not in by_seq and not any(first <= seq and (last is None or seq <= last) for first, last in declared)
        ]
        if missing:
            faults.append(Fault(name, last, f"{channel} of {boot}: {missing[:5]} missing of {max(by_seq) + 1}"))
    if not channel.startswith("tele"):
        return faults
    for seq, record in by_seq.items():
        before = by_seq.get(seq - 1)
        if "prev" not in record.body:
            continue
        wanted = None if seq == 0 else hashlib.sha256(before.message.payload).hexdigest()[:32] if before else "?"
        if wanted != "?" and record.body["prev"] != wanted:
            faults.append(Fault(name, record.message.at_ns, f"{channel} {seq} does not name the record before it"))
    return faults


def judge_commands_answered_as_they_deserve(outside: Outside) -> list[Fault]:
    """A bad command is never accepted nor in force, and gets its code or silence; a good one goes through its life
    cycle in order.
    """
    name = "commands_answered_as_they_deserve"
    faults: list[Fault] = []
    good, _ = opened(outside)
    by_sha: dict[str, list[Opened]] = {}
    for record in good:
        if record.body.get("t") == "ack":
            by_sha.setdefault(str(record.body.get("cmd")), []).append(record)
    for sent in outside.sent:
        outside.judged["commands_answered_as_they_deserve"] += 1
        acks = by_sha.get(sent.sha, [])
        states = [str(ack.body.get("st")) for ack in acks]
        if sent.deserves == "accepted":
            faults += _judge_cycle(sent.id, acks)
            if "rejected" in states and acks[states.index("rejected")].body.get("code") != "busy":
                code = acks[states.index("rejected")].body.get("code")
                faults.append(Fault(name, sent.at_ns, f"{sent.id} was good and rejected: {code}"))
        elif sent.deserves == "anything":
            continue
        elif sent.deserves == "silence":
            faults += [Fault(name, sent.at_ns, f"{sent.id} deserved silence, got {state}") for state in states]
        else:
            codes = {ack.body.get("code") for ack in acks}
            if set(states) - {"rejected"} or codes - {sent.deserves, "busy"}:
                faults.append(Fault(name, sent.at_ns, f"{sent.id} deserved {sent.deserves}, got {states} {codes}"))
    bad = {sent.id for sent in outside.sent if sent.deserves not in ("accepted", "anything")}
    bad -= {sent.id for sent in outside.sent if sent.deserves == "accepted"}
    for record in good:
        for lease in record.body.get("leases", ()):
            if lease.get("id") in bad:
                faults.append(Fault(name, record.message.at_ns, f"{lease['id']} is in force and must not be"))
    return faults


def _judge_cycle(command: str, acks: list[Opened]) -> list[Fault]:
    name = "commands_answered_as_they_deserve"
    state, number = "", -1
    seen: dict[int, str] = {}
    for ack in acks:
        told, n = str(ack.body.get("st")), int(ack.body.get("n", -1))
        if n in seen:
            if seen[n] != told:
                return [Fault(name, ack.message.at_ns, f"{command}: status {n} was {seen[n]} and is {told}")]
            continue
        seen[n] = told
        if n != number + 1 or told not in NEXT.get(state, set()):
            return [Fault(name, ack.message.at_ns, f"{command}: {told} ({n}) after {state or 'nothing'} ({number})")]
        state, number = told, n
    return []


def commands_without_end(outside: Outside, within_ns: int = 30 * NS_PER_S) -> list[str]:
    """Good commands whose lease is over since `within_ns` and of which no end was told; for scenarios that wait for
    it.
    """
    good, _ = opened(outside)
    ended = {record.body.get("id") for record in good if record.body.get("st") == "ended"}
    due = [sent for sent in outside.sent if sent.deserves == "accepted" and sent.lease_ns is not None]
    return [
        sent.id
        for sent in due
        if sent.at_ns + (sent.lease_ns or 0) + within_ns < outside.now_ns and sent.id not in ended
    ]
