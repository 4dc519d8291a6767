"""The agent under test: the installed program with a site.toml written for the fleet, driven from outside only.

The site is made so that one crossing tells every miner, and that nothing but the agent itself slows the way back: no
minimum times, ramps far above what the fleet draws, a shed as large as the fleet. A broker of its own takes the
telemetry meanwhile, as on a site.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from hil.bench.machine import BenchError
from hil.bench.programs import REFRESH_MS, Fleet

WATTS = 400  # of one miner: 8,000 of them stay within what a meter's profile believes
ASLEEP_W = 15
UNMETERED_KW = 60
SHED_BELOW_HZ = 49.5
POLL_MS = 20  # of the meter
ARMED_SHARE = 0.95  # of the loads in the ladder: what design calls armed
START_S_MAX = 120.0
SETTLE_S_MAX = 90.0
_STOP_S_MAX = 15.0
_ASK_EVERY_S = 0.2

SITE = """\
[site]
id = "bench"
agent = "ctl-1"
control = "act"
nominal_hz = 50.0
state_dir = "{state}"

[[circuit]]
id = "poi"
meter = "main"
limit_kw = {limit_kw}
unmetered_kw = {unmetered_kw}
ramp_up_kw_per_min = 1000000
jump_up_kw = 1000000
jump_down_kw = {{ tied = 1000000 }}
fallback_kw = {fallback_kw}

[[link]]
id = "meter-net"
url = "tcp://127.0.0.1:{meter_port}"

[[meter]]
id = "main"
link = "meter-net"
profile = "janitza-umg604"
nominal_ln_v = 277.0
fast_ms = {poll_ms}
refresh_ms = {refresh_ms}

[[miners]]
id = "a"
circuit = "poi"
hosts = [{hosts}]
family = "{family}"
rated_w = {watts}
sleep_w = {asleep_w}
value_usd_per_mwh = 95.0
min_off_s = 0
min_on_s = 0
poll_s = {poll_s}

[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = {shed_below_hz}
shed_kw = {shed_kw}
release = {{ above_hz = 49.8, for_s = 0 }}

[mqtt]
url = "mqtt://127.0.0.1:{broker_port}"

[keys]
keyring = "{state}/keyring.json"
"""


def site_toml(fleet: Fleet, broker_port: int, state: Path, poll_s: int) -> str:
    """A site whose only rule sheds the whole fleet."""
    fleet_kw = fleet.miners * (WATTS - ASLEEP_W) / 1000
    ranges = [
        f'"127.{fleet.net}.{subnet}.1-127.{fleet.net}.{subnet}.{min(250, fleet.miners - subnet * 250)}"'
        for subnet in range((fleet.miners + 249) // 250)
    ]
    return SITE.format(
        state=state,
        limit_kw=round(fleet.miners * WATTS / 1000 * 2 + UNMETERED_KW),
        unmetered_kw=UNMETERED_KW,
        fallback_kw=round(fleet.miners * ASLEEP_W / 1000 + 2 * UNMETERED_KW),
        meter_port=fleet.meter_port,
        poll_ms=POLL_MS,
        refresh_ms=REFRESH_MS,
        hosts=", ".join(ranges),
        family=fleet.dialect,
        watts=WATTS,
        asleep_w=ASLEEP_W,
        poll_s=poll_s,
        shed_below_hz=SHED_BELOW_HZ,
        shed_kw=fleet_kw
        - (WATTS - ASLEEP_W) / 2000,  # half a miner short of all of them: the cut takes the last one too
        broker_port=broker_port,
    )


class Broker:
    """A mosquitto of our own on a free port."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))
        if program is None:
            raise BenchError("no mosquitto: run packaging/setup.sh debian")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        config = folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nlog_type error\n")
        self._process = subprocess.Popen([program, "-c", str(config)])

    def close(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait()


class Subject:
    """`ballast run` as a process of its own; leaving the context ends it."""

    def __init__(self, folder: Path, fleet: Fleet, poll_s: int) -> None:
        self._miners = fleet.miners
        self._state = folder / "state"
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(parents=True)
        self._broker = Broker(folder)
        site = folder / "site.toml"
        site.write_text(site_toml(fleet, self._broker.port, self._state, poll_s), "utf-8")
        self._log = (folder / "agent.log").open("wb")
        self._started_ns = time.monotonic_ns()
        command = [str(Path(sys.executable).with_name("ballast")), "run", str(site), "--uncommissioned"]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        self.usage = psutil.Process(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._broker.close()
        self._log.close()

    def status(self) -> dict[str, Any] | None:
        """What the agent says of itself, or None while it says nothing."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            try:
                connection.connect(str(self._state / "ballast.sock"))
                connection.sendall(b'{"ask":"status"}\n')
                with connection.makefile("rb") as stream:
                    status = json.loads(stream.readline())
            except (OSError, ValueError):
                return None
        return status if isinstance(status, dict) else None

    def wait_armed(self, share: float, wait_s: float) -> float:
        """Waits until the circuit is NORMAL with this share of the loads in its ladder; the seconds since the start."""
        until_s = time.monotonic() + wait_s
        seen = "no status"
        while time.monotonic() < until_s:
            if self._process.poll() is not None:
                raise BenchError(f"the agent ended with {self._process.returncode}; see {self._log.name}")
            status = self.status()
            if status is not None:
                modes = [circuit["mode"] for circuit in status["circuits"]]
                rungs = len({rung["load"] for rung in status["ladder"]})
                if set(modes) == {"NORMAL"} and rungs >= share * self._miners:
                    return (time.monotonic_ns() - self._started_ns) / 1e9
                seen = f"modes {modes}, {rungs} of {self._miners} loads in the ladder"
            time.sleep(_ASK_EVERY_S)
        raise BenchError(f"the agent is not armed after {wait_s:g} s: {seen}; see {self._log.name}")

    def situation(self) -> str:
        """What it says of itself when something did not come about: modes, what is shed, some of the loads not on."""
        status = self.status()
        if status is None:
            return f"no status; see {self._log.name}"
        off = [device for device in status["devices"] if device["kind"] == "miner" and device["state"] != "on"]
        return f"{status['circuits']}, shed: {status['events']}, {len(off)} not on: {off[:3]}; see {self._log.name}"

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
    """Within this context the agent is stopped for 9 ms of every 12: slower on purpose, from outside.

    Half of the time is not enough at 8,000 miners, where it waits for the fleet that long anyway (1.23 of the floor).
    """

    _RUN_S, _STOPPED_S = 0.003, 0.009

    def __init__(self, subject: Subject) -> None:
        self._pid = subject.usage.pid
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
        while not self._done.wait(self._RUN_S):
            os.kill(self._pid, signal.SIGSTOP)
            time.sleep(self._STOPPED_S)
            os.kill(self._pid, signal.SIGCONT)
