"""When the machine let nobody run: seen from outside, and told as a fault of its own, so that no judge takes it for the
agent's, and every reader sees how much of it there was.

Two signs, where no mischief was at that device and the agent had been up for a while: the main meter's refreshes, every
0.2 s, were not read for READ_NS; or the switchgear's inputs, every 0.1 s, for LOOK_NS (its link backs off for up to 5 s
after answers that came late). An agent that stands still by itself looks the same: a run on a machine of its own must
show none.
"""

from collections.abc import Sequence
from itertools import pairwise

from hil.soak.judges.view import STARTED_NS
from hil.soak.trace import Fault, S, Trace

NAME = "starved"
READ_NS = 7 * S // 10
LOOK_NS = 3 * S // 2
_AROUND_NS = 6 * S  # mischief's own trail: a link's back-off


def starved(trace: Trace) -> list[Fault]:
    """Each such time, those that touch as one."""
    reads = [one.served_ns for one in trace.main if one.served_ns is not None]
    gaps = _gaps(trace, reads, READ_NS, "meter") + _gaps(trace, trace.looks, LOOK_NS, "switchgear", "meters away")
    found: list[Fault] = []
    for from_ns, to_ns in sorted(gaps):
        if found and from_ns <= found[-1].to_ns:
            found[-1] = Fault(NAME, found[-1].from_ns, max(to_ns, found[-1].to_ns))
        else:
            found.append(Fault(NAME, from_ns, to_ns))
    return found


def _gaps(trace: Trace, at: Sequence[int], least_ns: int, *mischief: str) -> list[tuple[int, int]]:
    gaps: list[tuple[int, int]] = []
    for before_ns, next_ns in pairwise(at):
        life = trace.alive(before_ns)
        if next_ns - before_ns < least_ns or life is None or before_ns - life.from_ns < STARTED_NS:
            continue
        whole = life.to_ns is None or next_ns < life.to_ns
        if whole and not trace.during(before_ns - _AROUND_NS, next_ns, *mischief):
            gaps.append((before_ns, next_ns))
    return gaps
