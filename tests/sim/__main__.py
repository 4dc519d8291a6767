"""python -m tests.sim --seeds N [--first K] [--processes P]: what was exercised how often, and how to replay each
failure.
"""

import argparse
import logging
import os
import sys
import time
from collections import Counter
from multiprocessing import get_context

from tests.sim.seeds import Told, replay, run_seed


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sim", description="The agent under virtual time and mischief."
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    exercised: Counter[str] = Counter()
    judged: Counter[str] = Counter()
    failed: list[Told] = []
    virtual_s, sheds, raises, began_s = 0.0, 0, 0, time.monotonic()
    with get_context("spawn").Pool(min(asked.processes, asked.seeds), logging.disable, (logging.CRITICAL,)) as pool:
        for told in pool.imap(run_seed, seeds):
            exercised.update(told.exercised)
            judged.update(told.judged)
            virtual_s, sheds, raises = virtual_s + told.virtual_s, sheds + told.sheds, raises + told.raises
            if asked.seeds == 1:
                print(f"seed {told.seed}: {', '.join(told.exercised)}; digest {told.digest[:16]}")
            if told.faults:
                failed.append(told)
                print(f"seed {told.seed} failed: {replay(told.seed)}")
                for fault in told.faults[:20]:
                    print(f"    {fault}")
    for what, count in sorted(exercised.items()):
        print(f"{count:6} {what}")
    print("judged how often:")
    for judge, count in sorted(judged.items()):
        print(f"{count:6} {judge}")
    spent_s = time.monotonic() - began_s
    print(f"{len(seeds)} seeds, {virtual_s / 3600:.1f} h of virtual time in {spent_s:.0f} s")
    print(f"{sheds} lowering verbs, {raises} raising ones")
    print(f"{len(failed)} failed{': ' + ' '.join(str(told.seed) for told in failed) if failed else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of a set of texts must not differ between a failure and its replay.
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    sys.exit(main())
