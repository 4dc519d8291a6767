"""How judges look at a trace: verdicts, and the questions that several of them ask."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import attrgetter

from msgspec import Struct

from hil.soak.trace import Fault, Life, Refresh, S, Trace, Truth, Verb

STARTED_NS = 15 * S  # start to armed, 10 s by design.md section 5, and the slowness of a shared machine
POLLS_NS = S // 2  # between what is so at a stand-in and what the agent has read


class Broken(Struct, frozen=True):
    """One thing that must never be, and when it was."""

    at_ns: int
    what: str


class Judged(Struct, frozen=True):
    """How often one judge had something to judge, and what was wrong; times in ms where it measured some."""

    judge: str
    count: int
    broken: tuple[Broken, ...] = ()
    times_ms: tuple[tuple[int, float], ...] = ()  # (when, how long)


def first_verbs(verbs: Iterable[Verb], step: str) -> list[Verb]:
    """The verbs of one step that change something: each load's repetitions, nothing else in between, left out."""
    newest: dict[str, str] = {}
    first: list[Verb] = []
    for verb in verbs:
        if verb.step == step and newest.get(verb.load) != step:
            first.append(verb)
        newest[verb.load] = verb.step
    return first


def lived(trace: Trace, from_ns: int, to_ns: int, *, before_ns: int = STARTED_NS) -> Life | None:
    """The life that had been up for a while at the first instant and was so still at the second."""
    life = trace.alive(from_ns)
    whole = life is not None and from_ns - life.from_ns >= before_ns and (life.to_ns is None or life.to_ns >= to_ns)
    return life if whole else None


def truth_at(trace: Trace, at_ns: int) -> Truth | None:
    """The newest truth at an instant."""
    number = bisect_right(trace.truths, at_ns, key=attrgetter("at_ns"))
    return trace.truths[number - 1] if number else None


def truths(trace: Trace, from_ns: int, to_ns: int) -> list[Truth]:
    """Those of a time."""
    key = attrgetter("at_ns")
    return trace.truths[bisect_left(trace.truths, from_ns, key=key) : bisect_right(trace.truths, to_ns, key=key)]


def verbs_in(trace: Trace, from_ns: int, to_ns: int, step: str = "") -> list[Verb]:
    """The verbs of a time, of one step or of both."""
    key = attrgetter("at_ns")
    found = trace.verbs[bisect_left(trace.verbs, from_ns, key=key) : bisect_right(trace.verbs, to_ns, key=key)]
    return [verb for verb in found if step in ("", verb.step)]


def on_at(trace: Trace, at_ns: int) -> set[str]:
    """The loads that really hashed then, as far as samples tell."""
    on: set[str] = set()
    for turn in trace.turns:
        if turn.at_ns > at_ns:
            break
        (on.add if turn.on else on.discard)(turn.name)
    return on


def touched(trace: Trace, from_ns: int, to_ns: int) -> set[str]:
    """Loads that some mischief was at: nothing certain can be said of them."""
    return {target for fault in trace.faults if _meets(fault, from_ns, to_ns) for target in fault.targets}


def powers(trace: Trace) -> list[Refresh]:
    """The refreshes, of either meter, that were served and told a power, by when they were served."""
    told = [one for one in (*trace.main, *trace.backup) if one.served_ns is not None and one.watts is not None]
    return sorted(told, key=served)


def served(refresh: Refresh) -> int:
    """When a refresh was first served; for those that were."""
    assert refresh.served_ns is not None
    return refresh.served_ns


def _meets(fault: Fault, from_ns: int, to_ns: int) -> bool:
    return fault.from_ns <= to_ns and fault.to_ns >= from_ns
