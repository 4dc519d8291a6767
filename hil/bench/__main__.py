"""`make bench`: how soon what must be told has been told, ours against C programs, in turns in one run.

    python -m hil.bench [--what volleys,coil,...|all] [--n 1000,4000,8000] [--rounds 200] [--quick]
                        [--dialect avalon|luxos] [--floor-only] [--soak SECONDS]

volleys    the meter's frequency register falls -> the last of N cold miners has its command
loss       the same with 2 % of the packets lost each way, against a C program that hedges alike
hung       the same with 5 % of the miners hung and the broker dead -> the last of the others, against our own without
gpus       the same with gpud's worker killed, its driver hung, a GPU lost, the library gone, against our own without
coil       the meter's frequency register falls -> the frame of the contactor's coil is at its PLC
tank       the rule's time is over since the poll that saw the flow low -> the last of the tank's loads is told
polls      a slot of the meter's schedule -> its poll is at the meter

Who polls the meter every 20 ms sees the register, which is renewed at a random moment of the poll's period. The fleet
stamps the last byte of each command. An avalon takes one round trip, a luxos two: logon, then curtail.

What is held against the C program or a limit is repeated with the agent slowed on purpose, and must then fail: a check
that can't fail shows nothing. Exit code 0 when everything held, 1 when something did not, 2 when the bench could not
run.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from hil.bench.against import COIL, LOSS, P99_MS_MAX, TANK, VOLLEYS, contest
from hil.bench.figures import Verdict
from hil.bench.lossy import lossy
from hil.bench.machine import BenchError, describe
from hil.bench.polls import polls
from hil.bench.programs import Fleet, build
from hil.bench.sites import WATTS
from hil.bench.subject import ARMED_SHARE, START_S_MAX, Subject
from hil.bench.troubles import gpus, hung
from hil.under_test import Died

OUT = Path("out/bench").resolve()  # the agent is told absolute paths
SIZES = {
    "volleys": (1000, 4000, 8000),
    "coil": (200,),
    "tank": (400,),
    "hung": (1000,),
    "gpus": (1000,),
    "loss": (1000,),
    "polls": (1000,),
}
QUICK = 20
SOAK_POLL_S = 10


def main() -> int:
    arguments = parse()
    try:
        build(OUT)
        print(f"machine: {describe()}", flush=True)
        if arguments.soak:
            soak(arguments.dialect, (arguments.sizes or SIZES["volleys"])[0], arguments.soak)
            return 0
        verdicts: list[Verdict] = []
        for what in arguments.what:
            for miners in arguments.sizes or SIZES[what]:
                verdicts += told(run(what, arguments, miners))
    except (BenchError, Died, FileNotFoundError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if all(verdict.held for verdict in verdicts) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hil.bench", description="Reaction times, ours and a C program's.")
    parser.add_argument("--what", default="volleys", help=f"{','.join(SIZES)}, or all (default volleys)")
    parser.add_argument("--n", default="", help="miners, one run each (default: what design has figures for)")
    parser.add_argument("--rounds", "--volleys", type=int, default=200, help="of each (default 200); seconds of polls")
    parser.add_argument("--dialect", choices=sorted(P99_MS_MAX), default="avalon", help="what the miners speak")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rounds")
    parser.add_argument("--floor-only", action="store_true", help="the C program alone: this machine's floor")
    parser.add_argument("--soak", type=int, metavar="SECONDS", help="nothing timed: memory and CPU after so long")
    arguments = parser.parse_args()
    arguments.what = list(SIZES) if arguments.what == "all" else arguments.what.split(",")
    unknown = [what for what in arguments.what if what not in SIZES]
    if unknown:
        parser.error(f"--what {unknown[0]}: there are {', '.join(SIZES)}")
    arguments.sizes = [int(size) for size in arguments.n.split(",") if size]
    if arguments.quick:
        arguments.rounds = min(arguments.rounds, QUICK)
    return arguments


def run(what: str, arguments: argparse.Namespace, miners: int) -> list[Verdict]:
    """One of what there is, with one size of fleet."""
    own: dict[str, Callable[[Path, int, int], list[Verdict]]] = {"hung": hung, "gpus": gpus, "polls": polls}
    if what in own:
        return own[what](OUT, miners, arguments.rounds)
    one = next(one for one in (VOLLEYS, LOSS, COIL, TANK) if one.name == what)
    dialect = arguments.dialect if one is VOLLEYS else "avalon"
    if one is not LOSS:
        return contest(one, OUT, dialect, miners, arguments.rounds, floor_only=arguments.floor_only)
    with lossy():
        return contest(one, OUT, dialect, miners, arguments.rounds, floor_only=arguments.floor_only)


def told(verdicts: list[Verdict]) -> list[Verdict]:
    """The same, printed."""
    for verdict in verdicts:
        print(f"  {'PASS' if verdict.held else 'FAIL'}  {verdict.what}", flush=True)
    return verdicts


def soak(dialect: str, miners: int, for_s: int) -> None:
    """The agent at its usual work, without volleys: how soon it is armed, and what it takes after so long."""
    with (
        Fleet(OUT, miners, WATTS, dialect) as fleet,
        Subject(OUT / "soak", fleet, SOAK_POLL_S) as subject,
    ):
        print(f"{miners} miners polled every {SOAK_POLL_S} s, the meter 50 times a second, telemetry flowing")
        print(f"  armed {subject.wait_armed(ARMED_SHARE, START_S_MAX):.1f} s after its start", flush=True)
        cpu = subject.cpu_percent(for_s)
        print(f"  after {for_s} s: {subject.resident_mib:.0f} MiB resident, {cpu:.1f} % of a core")


if __name__ == "__main__":
    sys.exit(main())
