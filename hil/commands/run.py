"""Plays scenarios against the installed agent and judges them; 1 when one did not pass.

Without names: the fast subset, or --all. Results, a report and each scenario's files (site.toml, the agent's log, its
signed records) go to OUT. A scenario that this rig or this machine can't play is "not runnable", with why: that is no
pass, unless --allow-unrunnable.
"""

import argparse
import os
import platform
import random
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hil.report.writing import write_reports
from hil.results import RunResult, ScenarioResult, Verdict
from hil.rig_file import STAND_INS, RigFileError, load_rig_file
from hil.scenario.choosing import choose
from hil.scenario.file import ScenarioError, load_scenario, scenario_files
from hil.scenario.side_by_side import SideBySide

EXAMPLE = "ballast-hil run --fast"
_JOBS_PER_CORE = 4  # they wait far more than they compute


def add(parser: argparse.ArgumentParser) -> None:
    """Declares what it takes."""
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="names or files")
    parser.add_argument("--rig", type=Path, default=STAND_INS, help="the rig.toml (the stand-ins that come with it)")
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--fast", action="store_true", help="the fast subset (when no names are given)")
    some.add_argument("--all", action="store_true", help="every scenario")
    parser.add_argument("--out", type=Path, default=Path("out/hil"), help="where results and files go")
    parser.add_argument("--jobs", type=int, default=0, help="how many side by side; one where a device is real")
    parser.add_argument("--seed", type=int, default=0, help="of everything random; by default another each time")
    parser.add_argument("--allow-unrunnable", action="store_true", help="what can't be played here is no failure")


def run(arguments: argparse.Namespace) -> int:
    """Does it; the exit code."""
    try:
        rig = load_rig_file(arguments.rig)
        scenarios = [load_scenario(file, rig.figures) for file in scenario_files(arguments.scenarios)]
    except (RigFileError, ScenarioError) as error:
        print(error, file=sys.stderr)
        return 2
    if not arguments.scenarios and not arguments.all:
        scenarios = [one for one in scenarios if one.head.fast]
    seed = arguments.seed or random.randrange(1, 1_000_000)
    jobs = 1 if rig.real else arguments.jobs or _JOBS_PER_CORE * (os.cpu_count() or 1)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    started, start_s = datetime.now(UTC), time.monotonic()
    print(f"{len(scenarios)} scenarios on rig {rig.name}, {jobs} side by side, seed {seed}", flush=True)
    play = SideBySide(arguments.rig, out, seed, jobs)
    results = play.play([choose(one, rig) for one in scenarios], _say)
    whole = RunResult(
        rig=rig.name,
        rig_real=rig.real,
        started_utc=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        wall_s=round(time.monotonic() - start_s, 1),
        seed=seed,
        environment=_environment(jobs),
        scenarios=tuple(results),
    )
    page, *_ = write_reports(whole, out)
    return _conclude(whole, page, allow_unrunnable=arguments.allow_unrunnable)


def _say(result: ScenarioResult) -> None:
    why = f": {result.why}" if result.why else ""
    print(f"{result.verdict.value.replace('_', ' '):12} {result.wall_s:6.1f} s  {result.name}{why}", flush=True)


def _conclude(whole: RunResult, page: Path, *, allow_unrunnable: bool) -> int:
    counts = ", ".join(f"{whole.count(verdict)} {verdict.value.replace('_', ' ')}" for verdict in Verdict)
    print(f"{counts} in {whole.wall_s:.0f} s; {page}")
    fine = {Verdict.PASSED, Verdict.NOT_RUNNABLE} if allow_unrunnable else {Verdict.PASSED}
    return 0 if all(one.verdict in fine for one in whole.scenarios) else 1


def _environment(jobs: int) -> dict[str, str]:
    return {
        "machine": platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "ballast": version("ballast-agent"),
        "side by side": str(jobs),
    }
