"""The agent under test: the installed program with a site of sites.py, driven from outside only.

A broker of its own takes the telemetry meanwhile, as on a site.
"""

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from hil.bench.machine import BenchError
from hil.bench.programs import Fleet
from hil.bench.sites import write_site
from hil.mosquitto import Mosquitto
from hil.under_test import Agent, person

ARMED_SHARE = 0.95  # of the loads in the ladder: what design calls armed
START_S_MAX = 120.0
SETTLE_S_MAX = 90.0
_ASK_EVERY_S = 0.2


class Subject:
    """`ballast run` on a site of sites.py, with its broker; leaving the context ends both."""

    def __init__(self, folder: Path, fleet: Fleet, poll_s: int, what: str = "volleys") -> None:
        self._loads = fleet.miners + (1 if what == "coil" else 0)
        state = folder / "state"
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        self.broker = Mosquitto(folder)
        site = write_site(folder, fleet, what, self.broker.port, poll_s)
        log = folder / "agent.log"
        log.unlink(missing_ok=True)
        self._agent = Agent(site, state, log, acts=True)

    def __enter__(self) -> Self:
        self.broker.__enter__()
        self._started_ns = time.monotonic_ns()
        self._agent.start()
        assert self._agent.pid is not None
        self.usage = psutil.Process(self._agent.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._agent.stop()
        self.broker.stop()

    def acknowledge(self) -> None:
        """Takes every latch away, as a person on site does."""
        for latched in self._agent.status().get("latched", ()):
            person(self._agent.socket, "ack", latched.rpartition(":")[2], by="bench", why="timed")

    def wait_armed(self, share: float, wait_s: float) -> float:
        """Waits until the circuit is NORMAL with this share of the loads in its ladder; the seconds since the start."""
        until_s = time.monotonic() + wait_s
        seen = "no status"
        while time.monotonic() < until_s:
            status = self._agent.status()
            if status:
                modes = [circuit["mode"] for circuit in status["circuits"]]
                rungs = len({rung["load"] for rung in status["ladder"]})
                if set(modes) == {"NORMAL"} and rungs >= share * self._loads:
                    return (time.monotonic_ns() - self._started_ns) / 1e9
                seen = f"modes {modes}, {rungs} of {self._loads} loads in the ladder"
            time.sleep(_ASK_EVERY_S)
        raise BenchError(f"the agent is not armed after {wait_s:g} s: {seen}; see {self._agent.log}")

    def situation(self) -> str:
        """What it says of itself when something did not come about: modes, what is shed, some of the loads not on."""
        status = self._agent.status()
        if not status:
            return f"no status; see {self._agent.log}"
        off = [device for device in status["devices"] if device["kind"] == "miner" and device["state"] != "on"]
        return f"{status['circuits']}, shed: {status['events']}, {len(off)} not on: {off[:3]}; see {self._agent.log}"

    def cpu_percent(self, for_s: float) -> float:
        """The share of one core that it uses."""
        self.usage.cpu_percent()
        time.sleep(for_s)
        return float(self.usage.cpu_percent())

    @property
    def resident_mib(self) -> float:
        """Its resident memory now."""
        return float(self.usage.memory_info().rss) / (1 << 20)


class Slowed:
    """Within this context the agent runs for `run_s` and is stopped for `stopped_s`, in turns: slower from outside."""

    def __init__(self, subject: Subject, stopped_s: float, run_s: float) -> None:
        self._pid = subject.usage.pid
        self._stopped_s, self._run_s = stopped_s, run_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._alternate, name="slow the agent")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _alternate(self) -> None:
        while not self._done.wait(self._run_s):
            os.kill(self._pid, signal.SIGSTOP)
            time.sleep(self._stopped_s)
            os.kill(self._pid, signal.SIGCONT)
