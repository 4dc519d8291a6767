"""`make demo`: a site curtails for real, in three minutes. `python -m hil.demo [--out out/demo]`.

Stand-ins, broker and agent each run as a process of their own; this one directs, listens to the agent's records over
MQTT, judges and writes OUT/report.html and OUT/agent.log. Exit code 0 when every step was as it must be, else 1.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hil.contactors import ContactorConfig, ContactorsConfig
from hil.demo import figures
from hil.demo.course import Director
from hil.demo.findings import Findings, find
from hil.demo.outcome import load_plant
from hil.demo.report import write_report
from hil.demo.site import SiteFolder, ballast, make_site, miners
from hil.demo.view import View
from hil.demo.watch import Watch
from hil.loopback import free_block, free_port
from hil.remote import RigProcess
from hil.rig import MeterConfig, MinerGroup, RigConfig
from hil.tank import TankConfig

_SHOW_S = 0.2


def main() -> int:
    """Runs the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hil.demo", description="A site curtails for real.")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="where report.html and agent.log go")
    parser.add_argument("--seed", type=int, default=1, help="of the stand-ins' noise and ramps")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(asked.out, asked.seed)
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been ended", file=sys.stderr)
        return 130


def _run(out: Path, seed: int) -> int:
    out.mkdir(parents=True, exist_ok=True)
    first_miner = free_block()
    cooled = miners(first_miner, 0, figures.TANK_MINERS)
    fed = miners(first_miner, figures.TANK_MINERS, figures.FED_MINERS)
    east = ContactorConfig(figures.CONTACTOR, coil=1, closed=2, open=3, miners=fed, interlocks=("estop_ok",))
    inputs = {"estop_ok": 4, "remote": 6}
    rig_config = RigConfig(
        miners=(MinerGroup(first_miner, figures.MINERS, family="avalon", rated_w=figures.RATED_W),),
        tanks=(TankConfig(figures.TANK, miners=cooled, gpus=True, rated_w=figures.TANK_W),),
        switchgears=(ContactorsConfig(figures.SWITCHGEAR, contactors=(east,), inputs=inputs, remote="remote"),),
        gpus=figures.GPUS,
        meters=(MeterConfig(refresh_ms=figures.REFRESH_MS),),
        nominal_hz=figures.NOMINAL_HZ,
        nominal_ln_v=figures.NOMINAL_LN_V,
        unmetered_w=figures.UNMETERED_W,
        wander_w=figures.WANDER_W,
        seed=seed,
    )
    with (
        tempfile.TemporaryDirectory(prefix="ballast-demo-") as folder,
        RigProcess(rig_config) as rig,
        _broker() as broker_port,
    ):
        site = make_site(Path(folder), broker_port=broker_port, rig=rig, first_miner=first_miner)
        view = View()
        watch = Watch(rig, site.agent_key, view.say)
        director = Director(rig, watch, site, broker_port, out / "agent.log", view.say)
        with view, _gpud(rig, site, out / "gpud.log"):
            findings = asyncio.run(_direct(rig, watch, director, view, broker_port))
    report = out / "report.html"
    report.write_text(write_report(director.course, findings, watch.samples, watch.limits), encoding="utf-8")
    view.conclude(findings, str(report))
    if director.course.normal_ns is None:
        print((out / "agent.log").read_text(encoding="utf-8", errors="replace")[-4000:], file=sys.stderr)
    return 0 if findings.ok else 1


async def _direct(rig: RigProcess, watch: Watch, director: Director, view: View, broker_port: int) -> Findings:
    """Listens, samples and shows while the course runs."""
    subscribed = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        helpers = [
            tasks.create_task(watch.listen(broker_port, subscribed), name="listen"),
            tasks.create_task(watch.sample(), name="sample"),
            tasks.create_task(_show(director, watch, view), name="show"),
        ]
        await subscribed.wait()
        await director.run()
        await asyncio.sleep(0.5)  # the last record is still on its way through the broker
        for helper in helpers:
            helper.cancel()
    return find(director.course, rig.do("stamps"), load_plant(rig), watch.evidence)


async def _show(director: Director, watch: Watch, view: View) -> None:
    while True:
        view.show(director.phase, watch)
        await asyncio.sleep(_SHOW_S)


@contextlib.contextmanager
def _gpud(rig: RigProcess, site: SiteFolder, log: Path) -> Iterator[None]:
    """The GPUs' own program, over the fake library; it ends with the block."""
    command = [ballast(), "gpud", "--socket", str(site.gpud), "--state-dir", str(site.state / "gpud")]
    environment = os.environ | rig.gpud_environment
    with (
        log.open("wb") as words,
        subprocess.Popen(command, stderr=words, env=environment, start_new_session=True) as gpud,
    ):
        try:
            yield
        finally:
            gpud.terminate()
            try:
                gpud.wait(5)
            except subprocess.TimeoutExpired:
                gpud.kill()


@contextlib.contextmanager
def _broker() -> Iterator[int]:
    """The embedded broker on a free port; it ends with the block, and with this process."""
    port = free_port()
    command = [sys.executable, "-m", "hil.demo.broker", str(port)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as broker:
        assert broker.stdin is not None
        assert broker.stdout is not None
        try:
            if not broker.stdout.readline():
                raise RuntimeError(f"the broker did not start (exit {broker.wait()}); why is above")
            yield port
        finally:
            broker.stdin.close()
            try:
                broker.wait(5)
            except subprocess.TimeoutExpired:
                broker.kill()


if __name__ == "__main__":
    sys.exit(main())
