"""Lists the scenarios: what each stands for, and whether this rig and this machine can play it."""

import argparse
import sys
from pathlib import Path

from hil.rig_file import STAND_INS, RigFileError, load_rig_file
from hil.scenario.choosing import choose
from hil.scenario.file import ScenarioError, load_scenario, scenario_files

EXAMPLE = "ballast-hil list"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares what it takes."""
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="names or files; all by default")
    parser.add_argument("--rig", type=Path, default=STAND_INS, help="the rig.toml (the stand-ins that come with it)")


def run(arguments: argparse.Namespace) -> int:
    """Prints them; 2 when a file can't be read."""
    try:
        rig = load_rig_file(arguments.rig)
        scenarios = [load_scenario(file, rig.figures) for file in scenario_files(arguments.scenarios)]
    except (RigFileError, ScenarioError) as error:
        print(error, file=sys.stderr)
        return 2
    for scenario in scenarios:
        why_not = choose(scenario, rig).why_not
        print(f"{scenario.name:32} {'fast' if scenario.head.fast else '    '}  {scenario.head.title}")
        print(f"{'':32}       {scenario.head.stands_for}")
        if why_not:
            print(f"{'':32}       not runnable: {why_not}")
    print(f"{len(scenarios)} scenarios, {sum(one.head.fast for one in scenarios)} of them fast, on rig {rig.name}")
    return 0
