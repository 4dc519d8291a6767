"""Putting a miner to sleep and waking it, some times over: how long each takes, and what its word is worth.

Three instants of one verb, from its last byte: *acknowledged* (its answer was there), *applied* (its own state says so)
and *delivered*: its own watts, and an independent meter's, came within a tenth of their new value for good. A
verb that names an instant ahead (Avalon) counts from that instant.

The miner is left as it was found: awake. One that is found asleep is not switched at all, since it is not known who
put it there. Whatever goes wrong in between, an interrupted probe too, it is woken up again, and told so if that fails.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from msgspec import Struct, structs

from hil.probe.failures import Failure
from hil.probe.families import Family, State, Told, read_state
from hil.probe.miner_wire import MinerLink
from hil.probe.moves import Move, move_of, settled
from hil.probe.progress import Progress
from hil.probe.report import Report, Table
from hil.probe.spread import short
from hil.probe.watching import MeterWatch

_LOOK_S = 0.1
_BEFORE_S = 6.0
_STILL_S = 5.0  # it stands still for so long: the move is over
_AGREE = 0.1  # of the meter's watts
_WAKE_TRIES = 5
_WAKE_S = 30.0  # until its own word says that it is awake


class Stage(Struct, frozen=True, kw_only=True):
    """One verb and what followed; seconds after its last byte, or after the instant that it names."""

    down: bool
    acknowledged_s: float
    taken: bool
    words: str
    lead_s: float = 0.0  # it named an instant so far ahead
    applied_s: float | None = None
    own: Move | None = None
    meter: Move | None = None
    rate: Move | None = None

    def seen_by(self, witness: str) -> Move | None:
        """What this witness saw move."""
        return {"meter": self.meter, "own watts": self.own, "hash rate": self.rate}[witness]


class Switched(Struct, frozen=True):
    """All cycles."""

    stages: tuple[Stage, ...]
    witness: str  # the best there is: "meter", else "own watts", else "hash rate"

    def could(self, *, down: bool) -> list[Stage]:
        """The verbs that could move something: a wake after a sleep that did not happen cannot."""
        before: tuple[Stage | None, ...] = (None, *self.stages)
        return [
            stage
            for previous, stage in zip(before, self.stages, strict=False)
            if stage.down is down and (down or previous is None or previous.seen_by(self.witness) is not None)
        ]

    def moves(self, *, down: bool) -> list[Move]:
        """Those that happened."""
        seen = [stage.seen_by(self.witness) for stage in self.could(down=down)]
        return [move for move in seen if move is not None]


class Watched:
    """What is seen of the miner while it is switched: its own state all the time."""

    def __init__(self, link: MinerLink, family: Family, meter: MeterWatch | None) -> None:
        self.link, self.family, self.meter = link, family, meter
        self.states: list[tuple[int, State]] = []

    def look(self) -> State | None:
        """One reading; None where it did not answer."""
        try:
            state = read_state(self.link, self.family)
        except Failure:
            return None
        self.states.append((time.monotonic_ns(), state))
        return state

    def watts(self) -> list[tuple[int, float]]:
        """Its own watts so far."""
        return [(at_ns, state.watts) for at_ns, state in self.states if state.watts is not None]

    def rates(self) -> list[tuple[int, float]]:
        """Its hash rate so far."""
        return [(at_ns, state.rate_ths) for at_ns, state in self.states if state.rate_ths is not None]

    def over(self, verb_ns: int) -> bool:
        """Whether every witness has come to rest in its new place."""
        witnesses = [series for series in (self.watts(), list(self.meter.series) if self.meter else []) if series]
        if not witnesses:
            witnesses = [self.rates()]
        return all(settled(series, verb_ns, _STILL_S) for series in witnesses)


def switch(
    link: MinerLink,
    family: Family,
    report: Report,
    progress: Progress,
    meter: MeterWatch | None,
    cycles: int,
    settle_s: float,
) -> Switched | None:
    """Sleeps and wakes it; None where it was found asleep, or does not say."""
    watched = Watched(link, family, meter)
    state = watched.look()
    if state is None or state.on is not True:
        said = (
            "it is asleep already, and who put it there is not known"
            if state and state.on is False
            else "it does not say whether it is on"
        )
        report.find("switching", "bad", f"not tried: {said}", "wake it by hand first")
        return None
    stages: list[Stage] = []
    try:
        with _awake_again(watched, report):
            for cycle in range(cycles):
                for down in (True, False):
                    progress.stage(f"{'putting it to sleep' if down else 'waking it'}, {cycle + 1} of {cycles}")
                    stages.append(_stage(watched, progress, settle_s, down=down))
    finally:
        switched = Switched(tuple(stages), "meter" if meter else "own watts" if watched.watts() else "hash rate")
        _tell(report, switched)
    return switched


def _stage(watched: Watched, progress: Progress, settle_s: float, *, down: bool) -> Stage:
    _watch(watched, progress, _BEFORE_S, lambda: False)
    told = watched.family.tell(watched.link, not down)
    if not told:
        return Stage(down=down, acknowledged_s=0.0, taken=False, words="it has nothing that can be told")
    first, last = told[0], told[-1]
    verb_ns = first.asked_ns + round(first.lead_s * 1e9)
    applied_ns = 0

    def over() -> bool:
        nonlocal applied_ns
        at_ns, state = watched.states[-1]
        if not applied_ns and at_ns > first.asked_ns and state.on is not down and state.on is not None:
            applied_ns = at_ns
        return bool(applied_ns) and at_ns > verb_ns and watched.over(verb_ns)

    _watch(watched, progress, settle_s + first.lead_s, over)
    meter = list(watched.meter.series) if watched.meter else []
    return Stage(
        down=down,
        acknowledged_s=(last.answered_ns - last.asked_ns) / 1e9,
        taken=all(one.taken for one in told),
        words=_words(told),
        lead_s=first.lead_s,
        applied_s=(applied_ns - verb_ns) / 1e9 if applied_ns else None,
        own=move_of(watched.watts(), verb_ns),
        meter=move_of(meter, verb_ns),
        rate=move_of(watched.rates(), verb_ns),
    )


def _watch(watched: Watched, progress: Progress, seconds: float, over: Callable[[], bool]) -> None:
    start_s = time.monotonic()
    while (gone_s := time.monotonic() - start_s) < seconds:
        progress.step(gone_s, seconds)
        if watched.look() is not None and over():
            return
        time.sleep(_LOOK_S)


@contextlib.contextmanager
def _awake_again(watched: Watched, report: Report) -> Iterator[None]:
    """However the block ends, the miner is awake after it, or the report says that it is not."""
    try:
        yield
    finally:
        for _ in range(_WAKE_TRIES):
            with contextlib.suppress(Failure):
                if _wait_awake(watched, 0.0):
                    break
                watched.family.tell(watched.link, True)
                if _wait_awake(watched, _WAKE_S):
                    break
        else:
            mend = "wake it by hand, and look at its log"
            report.find("left awake", "bad", "IT IS STILL ASLEEP, or does not answer", mend)
            print(f"{watched.link.place}: IT IS STILL ASLEEP, or does not answer; {mend}", file=sys.stderr)


def _wait_awake(watched: Watched, seconds: float) -> bool:
    end_s = time.monotonic() + seconds
    while True:
        state = watched.look()
        if state is not None and state.on is True:
            return True
        if time.monotonic() >= end_s:
            return False
        time.sleep(_LOOK_S)


def _words(told: list[Told]) -> str:
    return "; ".join(dict.fromkeys(one.words for one in told))


def _tell(report: Report, switched: Switched) -> None:
    """Times to shed and return, and what an acknowledgement is worth."""
    rows = []
    for stage in switched.stages:
        rows.append(
            (
                "sleep" if stage.down else "wake",
                f"{stage.acknowledged_s:.3f}",
                "never" if stage.applied_s is None else f"{stage.applied_s:.2f}",
                *(_there(move) for move in (stage.own, stage.rate, stage.meter)),
                stage.words,
            )
        )
    lead_s = max((stage.lead_s for stage in switched.stages), default=0.0)
    ahead = f", from the instant {lead_s:.0f} s ahead that it names, to the second" if lead_s else ""
    columns = ("verb", "acknowledged s", "applied s", "own watts s", "hash rate s", "meter s", "answer")
    report.tables.append(Table(f"after each verb{ahead}", columns, rows))
    report.measured["stages"] = [structs.asdict(stage) for stage in switched.stages]
    for down, name in ((True, "time to shed"), (False, "time to return")):
        moves, count = switched.moves(down=down), len(switched.could(down=down))
        if not count:
            continue
        if not moves:
            mend = "raise --settle, or give --at-meter" if switched.witness != "meter" else "raise --settle"
            report.find(name, "bad", f"nothing moved at the {switched.witness} in {count} of {count}", mend)
            continue
        there = sorted(move.there_s for move in moves)
        least = f"{short(there[0])} to " if len(there) > 1 else ""
        said = f"{least}{short(there[-1])} s by {switched.witness}, {_watts(moves)}"
        missing = count - len(moves)
        said += f"; {missing} of {count} did not happen" if missing else f" ({count} of {count} happened)"
        report.find(name, "note" if missing else "good", said)
    _tell_acknowledgement(report, switched)
    _tell_own_watts(report, switched)


def _tell_acknowledgement(report: Report, switched: Switched) -> None:
    taken = [stage for stage in switched.stages if stage.taken]
    if not taken:
        words = "; ".join({stage.words for stage in switched.stages})
        report.find("acknowledgement", "bad", f"no verb was taken: {words}", "check what its API allows us")
        return
    could = [stage for down in (True, False) for stage in switched.could(down=down) if stage.taken]
    empty = [stage for stage in could if stage.seen_by(switched.witness) is None]
    said = f"comes within {short(max(stage.acknowledged_s for stage in taken) * 1000)} ms"
    applied = [stage.applied_s for stage in taken if stage.applied_s is not None]
    said += (
        f", its own state agrees after at most {short(max(0.0, *applied))} s"
        if applied
        else ", its own state never agrees"
    )
    if not empty:
        report.find("acknowledgement", "good", f"{said}; the watts follow as above")
        return
    said += f"; but {len(empty)} of {len(could)} verbs that it took moved nothing at the {switched.witness}"
    if len(empty) == len(could):
        report.find("acknowledgement", "bad", said, "neither may be believed: a meter or a contactor must judge it")
    else:
        report.find("acknowledgement", "note", said, "the agent counts what is measured")


def _tell_own_watts(report: Report, switched: Switched) -> None:
    """Its own watts against the meter's, where both were watched."""
    if switched.witness != "meter":
        return
    made_up = [stage for stage in switched.stages if stage.own is not None and stage.meter is None]
    both = [(stage.own, stage.meter) for stage in switched.stages if stage.own is not None and stage.meter is not None]
    if made_up:
        report.find("own watts", "bad", f"they moved {len(made_up)} x when the meter's did not", "they are made up")
    elif both:
        own_w, meter_w = (
            sum(abs(pair[which].after - pair[which].before) for pair in both) / len(both) for which in (0, 1)
        )
        good = abs(own_w - meter_w) <= _AGREE * meter_w
        said = f"moved by {own_w:,.0f} W where the meter's moved by {meter_w:,.0f} W"
        report.find("own watts", "good" if good else "note", said, "" if good else "they are an estimate")


def _there(move: Move | None) -> str:
    return "-" if move is None else f"{move.there_s:.2f}"


def _watts(moves: list[Move]) -> str:
    return f"{moves[0].before:,.0f} to {moves[0].after:,.0f}"
