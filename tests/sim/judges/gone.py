"""The agent gone (invariant 12): nothing rises through it, and leases bring down what it held up."""

from itertools import pairwise

from tests.sim.judges.outside import NS_PER_S, Asks, Fault, Outside, sent_at

LEASE_NS = 15 * NS_PER_S
LAPSES_NS = 3 * NS_PER_S  # from the lapse to the limit: gpud looks twice a second, a hung GPU takes it a second
STILL_COMING_NS = 3 * NS_PER_S  # bytes of the dead one on their way, a miner's own clock


def judge_gone_raises_nothing(outside: Outside) -> list[Fault]:
    """While no agent runs no limit of a GPU goes up, no contactor closes, and no verb that raises arrives."""
    name = "gone_raises_nothing"
    faults: list[Fault] = []
    gpus = outside.devices.gpus
    ends = [life.to_ns for life in outside.lives]
    begins = [*(life.from_ns for life in outside.lives[1:]), outside.now_ns]
    for gone_ns, back_ns in zip(ends, begins, strict=True):
        if gone_ns is None:
            continue
        outside.judged[name] += 1
        late_ns = gone_ns + STILL_COMING_NS
        faults += [
            Fault(name, sent_at(verb), f"{verb.load} was raised by a dead agent")
            for verb in outside.verbs(Asks.ON)
            if gone_ns < sent_at(verb) < back_ns
        ]
        faults += [
            Fault(name, poles.at_ns, f"{poles.contactor} closed by itself")
            for poles in outside.devices.poles
            if poles.closed and late_ns < poles.at_ns < back_ns
        ]
        for uuid in gpus.loads if gpus is not None else ():
            limits = [outside.devices.limit_w(uuid, at_ns) for at_ns in range(late_ns, back_ns, NS_PER_S // 2)]
            if any(after > before for before, after in pairwise(limits)):
                faults.append(Fault(name, back_ns, f"the limit of {uuid} went up while no agent ran"))
    return faults


def judge_lapsed_lease_lowers_its_gpu(outside: Outside) -> list[Fault]:
    """A GPU whose lease nobody renewed for 15 s stands at its fallback or lower, whatever the agent does."""
    faults: list[Fault] = []
    gpus = outside.devices.gpus
    for uuid in gpus.loads if gpus is not None else ():
        renewed = [lease.at_ns for lease in outside.devices.leased if lease.uuid == uuid]
        for before_ns, next_ns in pairwise([*renewed, outside.now_ns]):
            by_ns = before_ns + LEASE_NS + LAPSES_NS
            if next_ns < by_ns or gpus is None:
                continue
            # A driver that does not obey is asked again a minute after it has come back.
            if any(outside.devices.ailing(uuid, at_ns) for at_ns in range(by_ns - 90 * NS_PER_S, next_ns, NS_PER_S)):
                continue
            outside.judged["lapsed_lease_lowers_its_gpu"] += 1
            limit_w = max(outside.devices.limit_w(uuid, at_ns) for at_ns in range(by_ns, next_ns + 1, NS_PER_S))
            if limit_w > gpus.fallback_w + 0.5:
                what = f"{uuid} stands at {limit_w:.0f} W, {LEASE_NS / NS_PER_S:.0f} s after its last lease"
                faults.append(Fault("lapsed_lease_lowers_its_gpu", by_ns, what))
    return faults
