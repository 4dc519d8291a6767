"""`make bench`: how soon the last of N cold miners has its command, ours against a C program, in turns in one run.

    python -m hil.bench [--n 1000,4000,8000] [--volleys 200] [--quick] [--dialect avalon|luxos] [--floor-only]
                        [--soak SECONDS]

A volley: the meter's frequency register falls below the threshold; who polls it every 20 ms sees it, tells every miner
to sleep; the fleet stamps the last byte of each. An avalon takes one round trip, a luxos two: logon, then curtail. Ours
and the floor's have a fleet and a meter each, of the same program on addresses of their own, because a miner that the
floor turned off is one that moved by itself to us. Both run throughout, so that each is measured beside the other's
idle load. The register changes at a random moment of the poll's period.

After the figures the agent is slowed on purpose, and the ratio must then fail: a check that can't fail shows nothing.
Exit code 0 when everything held, 1 when something did not, 2 when the bench could not run.
"""

import argparse
import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec

from hil.bench.figures import HEADING, P99_MS_MAX, RATIO_MAX, Verdict, Volley, judge, ratio, row
from hil.bench.machine import BenchError, describe
from hil.bench.programs import Fleet, Floor, build
from hil.bench.subject import ARMED_SHARE, POLL_MS, SETTLE_S_MAX, START_S_MAX, WATTS, Slowed, Subject

OUT = Path("out/bench").resolve()  # the agent is told absolute paths
OUR_NET, FLOOR_NET = 21, 22  # 127.21.x.y and 127.22.x.y
CALM_HZ, LOW_HZ = 50.0, 49.45  # 0.55 Hz within the 100 ms that the gate looks back: 5.5 Hz/s, and 10 are believed
CALM_S = 0.15  # at least this long calm before the register changes: the gate's look back, and a crossing must be seen
TOLD_S_MAX = 10.0
SLOWED_VOLLEYS = 5
CPU_S = 10.0
POLL_S = 60  # of one miner, while volleys are timed: every miner is read after each volley anyway
SOAK_POLL_S = 10


def main() -> int:
    arguments = parse()
    try:
        build(OUT)
        print(f"machine: {describe()}", flush=True)
        if arguments.soak:
            soak(arguments.dialect, arguments.sizes[0], arguments.soak)
            return 0
        verdicts: list[Verdict] = []
        for size in arguments.sizes:
            verdicts += bench(arguments.dialect, size, arguments.volleys, floor_only=arguments.floor_only)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if all(verdict.held for verdict in verdicts) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hil.bench", description="Reaction times, ours and a C program's.")
    parser.add_argument("--n", default="1000,4000,8000", help="miners, one run each (default 1000,4000,8000)")
    parser.add_argument("--volleys", type=int, default=200, help="of ours and of the floor's each (default 200)")
    parser.add_argument("--dialect", choices=sorted(P99_MS_MAX), default="avalon", help="what the miners speak")
    parser.add_argument("--quick", action="store_true", help="20 volleys")
    parser.add_argument("--floor-only", action="store_true", help="the C program alone: this machine's floor")
    parser.add_argument("--soak", type=int, metavar="SECONDS", help="no volleys: memory and CPU after so long")
    arguments = parser.parse_args()
    arguments.sizes = [int(size) for size in arguments.n.split(",")]
    if arguments.quick:
        arguments.volleys = min(arguments.volleys, 20)
    return arguments


def bench(dialect: str, miners: int, volleys: int, *, floor_only: bool) -> list[Verdict]:
    """One fleet size: all volleys, the table, the verdicts."""
    print(f"\n{miners} miners ({dialect})", flush=True)
    with ExitStack() as stack:
        floor_fleet = stack.enter_context(Fleet(OUT, FLOOR_NET, miners, WATTS, dialect))
        floor = stack.enter_context(Floor(OUT, floor_fleet))
        if floor_only:
            print(
                f"{HEADING}\n{row('floor', [volley_of_floor(floor_fleet, floor) for _ in range(volleys)])}", flush=True
            )
            return []
        our_fleet = stack.enter_context(Fleet(OUT, OUR_NET, miners, WATTS, dialect))
        subject = stack.enter_context(Subject(OUT, our_fleet, POLL_S))
        print(f"  agent armed {subject.wait_armed(ARMED_SHARE, START_S_MAX):.1f} s after its start", flush=True)
        subject.wait_armed(1.0, SETTLE_S_MAX)
        print(f"  agent uses {subject.cpu_percent(CPU_S):.0f} % of a core at 50 polls a second", flush=True)
        ours: list[Volley] = []
        floors: list[Volley] = []
        for number in range(1, volleys + 1):
            ours.append(volley_of_ours(our_fleet, subject))
            floors.append(volley_of_floor(floor_fleet, floor))
            print(f"  volley {number}: ours {ours[-1].last:.1f} ms, floor {floors[-1].last:.1f} ms", flush=True)
        print(f"{HEADING}\n{row('ours', ours)}\n{row('floor', floors)}")
        print(f"  agent holds {subject.resident_mib:.0f} MiB after {volleys} volleys", flush=True)
        with Slowed(subject):
            slowed = [volley_of_ours(our_fleet, subject) for _ in range(SLOWED_VOLLEYS)]
        print(row("slowed", slowed))
    verdicts = judge(dialect, miners, ours, floors)
    seen = ratio(slowed, floors)
    verdicts.append(
        Verdict(f"slowed on purpose ours is {seen:.2f} of the floor's, and the check fails", seen > RATIO_MAX)
    )
    for verdict in verdicts:
        print(f"  {'PASS' if verdict.held else 'FAIL'}  {verdict.what}", flush=True)
    report = {
        "machine": describe(),
        "dialect": dialect,
        "miners": miners,
        "verdicts": verdicts,
        "ours": ours,
        "floor": floors,
        "slowed": slowed,
    }
    (OUT / f"volleys-{dialect}-{miners}.json").write_bytes(msgspec.json.encode(report))
    return verdicts


def soak(dialect: str, miners: int, for_s: int) -> None:
    """The agent at its usual work, without volleys: how soon it is armed, and what it takes after so long."""
    with Fleet(OUT, OUR_NET, miners, WATTS, dialect) as fleet, Subject(OUT, fleet, SOAK_POLL_S) as subject:
        print(f"{miners} miners polled every {SOAK_POLL_S} s, the meter 50 times a second, telemetry flowing")
        print(f"  armed {subject.wait_armed(ARMED_SHARE, START_S_MAX):.1f} s after its start", flush=True)
        cpu = subject.cpu_percent(for_s)
        print(f"  after {for_s} s: {subject.resident_mib:.0f} MiB resident, {cpu:.1f} % of a core")


def volley_of_ours(fleet: Fleet, subject: Subject) -> Volley:
    """One volley of the agent; returns once everything is on and armed again, so that the floor is not disturbed."""
    volley = time_volley(fleet)
    on = fleet.wait_on(SETTLE_S_MAX)
    if on < fleet.miners:
        raise BenchError(f"{on} of {fleet.miners} miners are back after {SETTLE_S_MAX:g} s: {subject.situation()}")
    subject.wait_armed(1.0, SETTLE_S_MAX)
    return volley


def volley_of_floor(fleet: Fleet, floor: Floor) -> Volley:
    """One volley of the C program; its miners are woken without a wire, because only telling is timed."""
    floor.arm()
    volley = time_volley(fleet)
    floor.finish()
    fleet.wake()
    return volley


def time_volley(fleet: Fleet) -> Volley:
    """Lowers the frequency at a random moment of the poll's period, waits for the last miner, and restores it."""
    time.sleep(CALM_S + random.uniform(0, POLL_MS / 1000))
    changed_ns = fleet.set_frequency(LOW_HZ)
    told = fleet.wait_told(TOLD_S_MAX)
    fleet.set_frequency(CALM_HZ)
    if told.count == 0:
        raise BenchError(f"no miner was told within {TOLD_S_MAX:g} s of the frequency's fall; see {OUT}/agent.log")
    served, first, last = ((at_ns - changed_ns) / 1e6 for at_ns in (told.served_ns, told.first_ns, told.last_ns))
    return Volley(served, first, last, told.count, told.verbs)


if __name__ == "__main__":
    sys.exit(main())
