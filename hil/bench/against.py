"""Ours against the C program that does the same, in turns in one run: volleys, a contactor's coil, a tank's loads.

Ours and the floor's have a fleet, a meter and a PLC each, of the same program on addresses of their own, because a
miner that the floor turned off is one that moved by itself to us. Both run throughout, so that each is measured beside
the other's idle load.

After the figures the agent is slowed on purpose, and the check must then fail: one that can't fail shows nothing.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from msgspec import Struct

from hil.bench.figures import HEADING, Limit, Verdict, Volley, complete, fails, near, row, within
from hil.bench.machine import describe
from hil.bench.programs import Fleet, Floor
from hil.bench.rounds import Round, coil, of_floor, of_ours, settle, tank, volley
from hil.bench.sites import WATTS
from hil.bench.subject import ARMED_SHARE, SETTLE_S_MAX, START_S_MAX, Slowed, Subject

SLOWED_ROUNDS = 8
CPU_S = 10.0

P99_MS_MAX = {  # ERCOT's fast response is 250 ms, the Nordic one 700 ms; LuxOS takes two round trips
    "avalon": {1000: 100.0, 4000: 250.0, 8000: 500.0},
    "luxos": {1000: 200.0, 4000: 500.0, 8000: 1000.0},
}
FIRST_OUT = Limit(99.9, 5.0)  # from a poll's answer until the first miner has its command
AGE = Limit(99, 25.0)  # of the register by then, beyond the meter's refresh: here it is renewed at once


class Contest(Struct, frozen=True):
    """What is timed; `stopped_s` of every `stopped_s` + `run_s` is what the agent is slowed by."""

    name: str
    timed: Round
    floor: str = "volley"  # what the C program does
    plc: str = "none"
    poll_s: int = 60  # of one miner: every miner is read after each volley anyway
    limits: tuple[Limit, ...] = ()
    near: bool = True  # whether it has to come near to the floor
    wakes: bool = False  # rounds.settle
    stopped_s: float = 0.009  # half of the time is not enough at 8,000 miners: it waits for them that long anyway
    run_s: float = 0.003

    def check(self, dialect: str, miners: int, ours: Sequence[Volley], floors: Sequence[Volley]) -> list[Verdict]:
        """What is demanded of these."""
        limits = self.limits
        if self.name == "volleys" and miners in P99_MS_MAX[dialect]:
            limits = (Limit(99, P99_MS_MAX[dialect][miners]),)
        verdicts = [near("our p50", "the floor's", ours, floors)] if self.near else []
        return verdicts + within("to the last", [volley.last for volley in ours], *limits)


VOLLEYS = Contest("volleys", volley)
# A miner whose raise came to nothing known is read twice before anything is made of it.
LOSS = Contest("loss", volley, "hedged", poll_s=3, wakes=True, limits=(Limit(99, 250.0),))
# The miners behind a contactor are read again only when their time has come.
COIL = Contest(
    "coil",
    coil,
    floor="coil",
    plc="contactor",
    poll_s=2,
    limits=(Limit(99, 30.0), Limit(99.9, 60.0)),
    near=False,
    stopped_s=0.09,
    run_s=0.01,
)
TANK = Contest(
    "tank",
    tank,
    floor="tank",
    plc="tank",
    poll_s=10,
    limits=(Limit(99, 300.0),),
    near=False,
    stopped_s=0.9,
    run_s=0.1,
)


def contest(one: Contest, folder: Path, dialect: str, miners: int, rounds: int, *, floor_only: bool) -> list[Verdict]:
    """All rounds, the table, the verdicts."""
    print(f"\n{one.name}: {miners} miners ({dialect})", flush=True)
    with ExitStack() as stack:
        floor_fleet = stack.enter_context(Fleet(folder, miners, WATTS, dialect, one.plc))
        floor = stack.enter_context(Floor(folder, floor_fleet, one.floor))
        if floor_only:
            floors = [of_floor(one.timed, floor_fleet, floor) for _ in range(rounds)]
            print(f"{HEADING}\n{row('floor', floors)}", flush=True)
            return []
        fleet = stack.enter_context(Fleet(folder, miners, WATTS, dialect, one.plc))
        subject = stack.enter_context(Subject(folder / one.name, fleet, one.poll_s, one.name))
        print(f"  agent armed {subject.wait_armed(ARMED_SHARE, START_S_MAX):.1f} s after its start", flush=True)
        subject.wait_armed(1.0, SETTLE_S_MAX)
        print(f"  agent uses {subject.cpu_percent(CPU_S):.0f} % of a core at 50 polls a second", flush=True)
        ours, floors = [], []
        for number in range(1, rounds + 1):
            ours.append(of_ours(one.timed, fleet, subject, wakes=one.wakes))
            floors.append(of_floor(one.timed, floor_fleet, floor))
            print(f"  {one.name} {number}: ours {ours[-1].last:.1f} ms, floor {floors[-1].last:.1f} ms", flush=True)
        print(f"{HEADING}\n{row('ours', ours)}\n{row('floor', floors)}")
        print(f"  agent holds {subject.resident_mib:.0f} MiB after {rounds} rounds", flush=True)
        slowed = [of_slowed(one, fleet, subject) for _ in range(SLOWED_ROUNDS)]
        print(row("slowed", slowed))
    verdicts = [complete(ours, 1 if one is COIL else miners), *one.check(dialect, miners, ours, floors)]
    if one is VOLLEYS:
        verdicts += within("reading in to first out", [timing.first - timing.served for timing in ours], FIRST_OUT)
        verdicts += within("age of the reading at the first", [timing.first for timing in ours], AGE)
    verdicts.append(fails("slowed on purpose", one.check(dialect, miners, slowed, floors)))
    report = {
        "machine": describe(),
        "what": one.name,
        "dialect": dialect,
        "miners": miners,
        "verdicts": verdicts,
        "ours": ours,
        "floor": floors,
        "slowed": slowed,
    }
    (folder / f"{one.name}-{dialect}-{miners}.json").write_bytes(msgspec.json.encode(report))
    return verdicts


def of_slowed(one: Contest, fleet: Fleet, subject: Subject) -> Volley:
    """One round of an agent that is slow until the last is told."""
    with Slowed(subject, one.stopped_s, one.run_s):
        timing = one.timed(fleet, fleet.miners)
    settle(fleet, subject, wakes=one.wakes)
    return timing
