"""Many scenarios, some at a time, each in a process of its own; one that hangs or crashes is an error of its own."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from hil.results import ScenarioResult, Verdict
from hil.scenario.__main__ import RESULT
from hil.scenario.choosing import Chosen
from hil.scenario.place import prefix

_AROUND_S = 240.0  # starting, settling, stopping and the floor, on a loaded machine; beyond limit_s it hangs
_END_S = 20.0
_LOG = "play.log"


class SideBySide:
    """Plays them; what is still running is ended with its `close`."""

    def __init__(self, rig: Path, out: Path, seed: int, jobs: int) -> None:
        self._rig, self._out, self._seed, self._jobs = rig, out, seed, jobs
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def play(self, all_chosen: Sequence[Chosen], done: Callable[[ScenarioResult], None]) -> list[ScenarioResult]:
        """All of them, the longest first; the results in the order asked. `done` is called as each ends."""
        order = sorted(range(len(all_chosen)), key=lambda at: -all_chosen[at].scenario.head.limit_s)
        results: dict[int, ScenarioResult] = {}

        def one(at: int) -> None:
            results[at] = self._one(all_chosen[at])
            done(results[at])

        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                for future in [pool.submit(one, at) for at in order]:
                    future.result()
            except BaseException:
                self.close()
                pool.shutdown(cancel_futures=True)
                raise
        return [results[at] for at in range(len(all_chosen))]

    def close(self) -> None:
        """Ends what runs."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _one(self, chosen: Chosen) -> ScenarioResult:
        scenario = chosen.scenario
        if chosen.why_not:
            return _without(chosen, Verdict.NOT_RUNNABLE, chosen.why_not, 0.0)
        folder = self._out / scenario.name
        if (folder / _LOG).exists():  # of an earlier run
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        words = [*prefix(scenario), sys.executable, "-m", "hil.scenario", str(scenario.path)]
        words += ["--rig", str(self._rig), "--out", str(self._out), "--seed", str(self._seed)]
        start_s = time.monotonic()
        with (folder / _LOG).open("wb") as log:
            with self._lock:
                if self._closed:
                    return _without(chosen, Verdict.ERROR, "interrupted", 0.0)
                process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
                self._running.add(process)
            try:
                process.wait(scenario.head.limit_s + _AROUND_S)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()
        with self._lock:
            self._running.discard(process)
        took_s = round(time.monotonic() - start_s, 2)
        try:
            return msgspec.json.decode((folder / RESULT).read_bytes(), type=ScenarioResult)
        except (OSError, msgspec.DecodeError):
            last = (folder / _LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            why = f"its process ended with {process.returncode}: {last[0] if last else 'no words'}"
            return _without(chosen, Verdict.ERROR, why, took_s)


def _without(chosen: Chosen, verdict: Verdict, why: str, wall_s: float) -> ScenarioResult:
    """A result of one that was not played to an end."""
    head = chosen.scenario.head
    return ScenarioResult(
        name=chosen.scenario.name,
        title=head.title,
        stands_for=head.stands_for,
        file=str(chosen.scenario.path),
        fast=head.fast,
        verdict=verdict,
        why=why,
        wall_s=wall_s,
    )
