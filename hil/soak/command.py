"""`ballast-hil soak`: runs it or judges it again, and says what came of it."""

import argparse
import asyncio
import json
import sys
import time

from hil.soak.report import as_json, as_text, judge, write
from hil.soak.run import Asked, run_soak
from hil.soak.site import SoakError
from hil.soak.trace import Trace, load_trace

_WRONG = 2


def soak(arguments: argparse.Namespace) -> int:
    """Its exit code."""
    out = arguments.judge or arguments.out
    trace_file = out / "trace.jsonl"
    trace: Trace | None = None
    if arguments.judge is not None:
        if not trace_file.exists():
            print(f"ballast-hil soak: {trace_file} is not there; --judge takes the --out of a soak", file=sys.stderr)
            return _WRONG
        trace = load_trace(trace_file)
    elif trace_file.exists():
        print(f"ballast-hil soak: {out} holds another soak; name another --out", file=sys.stderr)
        return _WRONG
    else:
        asked = Asked(out, arguments.hours, arguments.seed, arguments.fault_rate, arguments.brisk, arguments.miners)
        try:
            trace = asyncio.run(run_soak(asked, _tell))
        except* SoakError as errors:
            print(*(f"ballast-hil soak: {error}" for error in errors.exceptions), sep="\n", file=sys.stderr)
        if trace is None:
            return _WRONG
    found = judge(trace)
    write(found, out)
    print(json.dumps(as_json(found), indent=1) if arguments.json else as_text(found))
    return 0 if found.ok else 1


def _tell(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)
