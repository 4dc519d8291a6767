"""One round of what is timed: a register changes, somebody is told, all is put back. Ours and the floor's alike.

A register changes at a random moment of the period in which it is polled, and is put back as soon as the round is over.
Ours ends once everything is on and armed again, so that the floor is not disturbed; the floor's miners are woken
without a wire, because only telling is timed.
"""

import random
import time
from collections.abc import Callable

from hil.bench.figures import Volley
from hil.bench.machine import BenchError
from hil.bench.programs import Fleet, Floor
from hil.bench.sites import METER_MS, TANK_FOR_MS, TANK_MS
from hil.bench.subject import SETTLE_S_MAX, Subject

CALM_HZ, LOW_HZ = 50.0, 49.45  # 0.55 Hz within the 100 ms that the gate looks back: 5.5 Hz/s, and 10 are believed
CALM_LPM, LOW_LPM = 120.0, 40.0
CALM_S = 0.15  # at least this long calm before the register changes: the gate's look back, and a crossing must be seen
TOLD_S_MAX = 10.0
_LATCHED_S = 2.0  # not all are on by then: perhaps a latch holds them

Round = Callable[[Fleet, int], Volley]  # of a fleet of which so many are to be told


def volley(fleet: Fleet, miners: int) -> Volley:
    """The frequency falls; until the last miner is told."""
    time.sleep(CALM_S + random.uniform(0, METER_MS / 1000))
    changed_ns = fleet.set_frequency(LOW_HZ)
    told = fleet.wait_told(TOLD_S_MAX, miners)
    fleet.set_frequency(CALM_HZ)
    if told.count == 0:
        raise BenchError(f"no miner was told within {TOLD_S_MAX:g} s of the frequency's fall")
    served, first, last = ((at_ns - changed_ns) / 1e6 for at_ns in (told.served_ns, told.first_ns, told.last_ns))
    return Volley(served, first, last, told.count, told.verbs)


def coil(fleet: Fleet, miners: int) -> Volley:
    """The frequency falls; until the contactor's PLC has read its coil's frame."""
    time.sleep(CALM_S + random.uniform(0, METER_MS / 1000))
    changed_ns = fleet.set_frequency(LOW_HZ)
    opened_ns, served_ns = fleet.wait_opened(TOLD_S_MAX)
    fleet.set_frequency(CALM_HZ)
    if opened_ns == 0:
        raise BenchError(f"no coil was written within {TOLD_S_MAX:g} s of the frequency's fall")
    opened = (opened_ns - changed_ns) / 1e6
    return Volley((served_ns - changed_ns) / 1e6, opened, opened, 1, 1)


def tank(fleet: Fleet, miners: int) -> Volley:
    """The condenser's flow falls; from the end of the rule's time since a poll saw it until the last miner is told."""
    time.sleep(CALM_S + random.uniform(0, TANK_MS / 1000))
    fleet.set_flow(LOW_LPM)
    told = fleet.wait_told(TOLD_S_MAX, miners)
    fleet.set_flow(CALM_LPM)
    if told.count == 0:
        raise BenchError(f"no miner was told within {TOLD_S_MAX:g} s of the flow's fall")
    due_ns = told.served_ns + TANK_FOR_MS * 1_000_000
    return Volley(0.0, (told.first_ns - due_ns) / 1e6, (told.last_ns - due_ns) / 1e6, told.count, told.verbs)


def settle(fleet: Fleet, subject: Subject, *, share: float = 1.0, wakes: bool = False) -> None:
    """Returns once everything of ours is on and armed again; acknowledges a tank that has returned too often.

    With `wakes`, miners that never heard that they were raised are woken without a wire: where packets are lost the
    agent would give each of them its time to boot before it tells it again.
    """
    until_s = time.monotonic() + SETTLE_S_MAX
    while (on := fleet.wait_on(_LATCHED_S)) < fleet.miners:
        if time.monotonic() > until_s:
            raise BenchError(f"{on} of {fleet.miners} are back after {SETTLE_S_MAX:g} s: {subject.situation()}")
        subject.acknowledge()
        if wakes:
            fleet.wake()
    subject.wait_armed(share, SETTLE_S_MAX)


def of_ours(timed: Round, fleet: Fleet, subject: Subject, *, wakes: bool = False) -> Volley:
    """One round of the agent's."""
    try:
        timing = timed(fleet, fleet.miners)
    except BenchError as error:
        raise BenchError(f"{error}: {subject.situation()}") from error
    settle(fleet, subject, wakes=wakes)
    return timing


def of_floor(timed: Round, fleet: Fleet, floor: Floor) -> Volley:
    """One round of the C program's."""
    floor.arm()
    timing = timed(fleet, fleet.miners)
    floor.finish()
    fleet.wake()
    return timing
