"""The shipped example site on stand-ins for hours, with faults from a seed, judged on the wire.

A line a minute says how it stands. Everything that the outside saw is in OUT/trace.jsonl; what judges say of it is in
OUT/soak.txt, soak.json and soak.html, with memory, descriptors, latency and disk against time.

exit codes:
  0  everything held
  1  something did not, or a program grew
  2  called wrongly, or the site did not come up
"""

import argparse
from pathlib import Path

EXAMPLE = "ballast-hil soak --hours 1 --seed 7 --out soak-7"


def add(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--hours", type=float, metavar="N", help="how long, the calm at the end included")
    length.add_argument("--judge", type=Path, metavar="DIR", help="judge again what a soak wrote into this folder")
    parser.add_argument("--seed", type=int, default=1, help="what the faults are drawn from (default 1)")
    parser.add_argument(
        "--fault-rate", type=float, default=1.0, metavar="X", help="times one fault in 45 s (default 1)"
    )
    parser.add_argument("--brisk", action="store_true", help="the example's long times made short, for short runs")
    parser.add_argument("--miners", type=int, default=350, help="how many of the example's (default all, 350)")
    parser.add_argument("--out", type=Path, default=Path("soak"), metavar="DIR", help="where it writes (default soak)")
    parser.add_argument("--json", action="store_true", help="the outcome as JSON instead of text")


def run(arguments: argparse.Namespace) -> int:
    """Runs one, or judges one again."""
    from hil.soak.command import soak

    return soak(arguments)
