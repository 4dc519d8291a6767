"""Puts two runs side by side: verdicts that changed, times, plots over each other; 1 when what passed now fails.

A is the run before and B the run after, each a folder with results.json or that file. The page goes beside B's results
and needs nothing else.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hil import results
from hil.markup import clean
from hil.report import compare
from hil.results import RunResult

EXAMPLE = "ballast-hil compare out/before out/after"
PAGE = "compare.html"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares what it takes."""
    parser.add_argument("a", type=Path, metavar="A", help="the run before: its folder, or its results.json")
    parser.add_argument("b", type=Path, metavar="B", help="the run after")
    parser.add_argument("--html", type=Path, metavar="FILE", help=f"where the page goes; B's folder/{PAGE} by default")


def run(arguments: argparse.Namespace) -> int:
    """Does it; the exit code."""
    try:
        a, b = results.load(arguments.a), results.load(arguments.b)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        print(f"compare: {error}; give the folder of a run that wrote {results.FILE}", file=sys.stderr)
        return 2
    both = compare.pairs(a, b)
    print(report(a, b))
    folder = arguments.b if arguments.b.is_dir() else arguments.b.parent
    file: Path = arguments.html or folder / PAGE
    file.write_text(compare.compare_page(a, b), "utf-8")
    print(f"page: {file}")
    return 1 if any(pair.worse for pair in both) else 0


def report(a: RunResult, b: RunResult) -> str:
    """What a terminal shows."""
    both = compare.pairs(a, b)
    parts = [compare.outcome(both)]
    for head, rows in ((compare.CHANGES_HEAD, compare.changes(both)), (compare.TIMES_HEAD, compare.times(both))):
        if rows:
            parts += ["", *_columns(head, rows)]
    return "\n".join(parts)


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [[clean(cell) for cell in line] for line in (head, *rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
