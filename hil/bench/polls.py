"""How late the meter's polls come while miners are polled and all is published, as the meter sees it.

The schedule is a grid of 20 ms that lies where the earliest hundredth of the polls puts it. A slot's lateness is how
long after it the next poll came: a slot that was skipped counts until the poll of a later one.
"""

import cmath
import time
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from hil.bench.figures import Limit, Verdict, fails, percentile, within
from hil.bench.programs import Fleet, Floor
from hil.bench.sites import METER_MS, WATTS
from hil.bench.subject import START_S_MAX, Slowed, Subject

LATE = Limit(99.9, 20.0)
POLL_S = 10  # of one miner
SECONDS_MAX = 150  # the meter keeps 8,192 polls
SLOWED_S = 5.0
_PERIOD_NS = METER_MS * 1_000_000
_EARLY_NS = _PERIOD_NS // 4  # a poll this much ahead of where most are is the next slot's


def polls(folder: Path, miners: int, seconds: int) -> list[Verdict]:
    """So many seconds of polls, ours and the C program's at once, then some of ours slowed on purpose."""
    print(f"\npolls: {miners} miners polled every {POLL_S} s, the meter every {METER_MS} ms", flush=True)
    with (
        Fleet(folder, miners, WATTS) as fleet,
        Fleet(folder, 1, WATTS) as floor_fleet,
        Floor(folder, floor_fleet) as floor,
        Subject(folder / "polls", fleet, POLL_S) as subject,
    ):
        subject.wait_armed(1.0, START_S_MAX)
        floor.arm()
        ours, floors = watch((fleet, floor_fleet), min(seconds, SECONDS_MAX))
        with Slowed(subject, 0.09, 0.01):
            (slowed,) = watch((fleet,), SLOWED_S)
    for name, late in (("ours", ours), ("floor", floors)):
        shown = " ".join(f"p{percent:g} {percentile(late, percent):.1f}" for percent in (50, 99, 99.9, 100))
        print(f"  {name}: lateness of {len(late)} slots, ms: {shown}", flush=True)
    return [
        *within("lateness of the meter's polls", ours, LATE),
        fails("slowed on purpose", within("lateness", slowed, LATE)),
    ]


def watch(fleets: Sequence[Fleet], seconds: float) -> list[list[float]]:
    """The lateness of every slot of so many seconds from now, ms, at each fleet's meter."""
    since_ns = time.monotonic_ns()
    time.sleep(seconds)
    return [lateness([at_ns for at_ns in fleet.polls() if at_ns >= since_ns]) for fleet in fleets]


def lateness(came_ns: Sequence[int]) -> list[float]:
    """How long after each slot of the schedule a poll came, ms; 0 for one that came early."""
    turns = [cmath.exp(2j * cmath.pi * (at_ns % _PERIOD_NS) / _PERIOD_NS) for at_ns in came_ns]
    usual_ns = round(cmath.phase(sum(turns)) / (2 * cmath.pi) * _PERIOD_NS)
    offsets_ns = [(at_ns - usual_ns + _EARLY_NS) % _PERIOD_NS - _EARLY_NS for at_ns in came_ns]
    slot_ns = came_ns[0] - offsets_ns[0] + round(percentile(offsets_ns, 1))
    found: list[float] = []
    while slot_ns <= came_ns[-1]:
        at_ns = came_ns[bisect_left(came_ns, slot_ns - _EARLY_NS)]
        found.append(max(0, at_ns - slot_ns) / 1e6)
        slot_ns += _PERIOD_NS
    return found
