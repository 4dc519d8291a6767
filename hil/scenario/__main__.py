"""Plays one scenario in a process of its own: `python -m hil.scenario FILE --rig rig.toml --out DIR --seed N`.

`ballast-hil run` starts these, some in namespaces of their own. The result goes to DIR/NAME/result.json.
"""

import argparse
import signal
import sys
from pathlib import Path

import msgspec

from hil.rig_file import load_rig_file
from hil.scenario.file import load_scenario
from hil.scenario.play import play

RESULT = "result.json"


def main() -> int:
    """Plays it; 0 when a result was written, whatever it says."""
    parser = argparse.ArgumentParser(prog="python -m hil.scenario", description="One scenario.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--rig", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that `with` blocks end what they started
    rig = load_rig_file(asked.rig)
    scenario = load_scenario(asked.file, rig.figures)
    folder = asked.out.resolve() / scenario.name
    folder.mkdir(parents=True, exist_ok=True)
    result = play(scenario, rig.choose(scenario.head.uses, scenario.stand_in), folder, asked.seed)
    (folder / RESULT).write_bytes(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
