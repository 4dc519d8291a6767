"""docs/site.example.toml, all of it, on stand-ins: it passes `check`, runs and sheds.

What is changed for them is said in hil/soak/site.py.
"""

import os
import subprocess
from collections.abc import Iterator

import pytest

from agent.cli.asking import NoAgent, ask_status
from hil.soak.issuer import Commanders
from hil.soak.site import GPUS, SWITCHGEAR, TANK, SoakSite
from tests.e2e.agent.broker import Broker, eventually
from tests.e2e.agent.site import ballast

pytestmark = pytest.mark.alone  # 350 miners in one process, and a tank that is shed when that is late by 2 s

MINERS = 350


@pytest.fixture
def example(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[SoakSite]:
    folder = tmp_path_factory.mktemp("example")
    made = SoakSite(folder, brisk=False, miners=MINERS, broker_port=broker.port, seed=1)
    Commanders(folder)
    with made.rig:
        made.write()
        yield made


def test_the_example_passes_check_runs_and_sheds(example: SoakSite) -> None:
    rig, log = example.rig, example.folder / "agent.log"
    gpud = [ballast(), "gpud", "--socket", str(example.gpud_socket), "--state-dir", str(example.folder / "g")]
    run = [ballast(), "run", str(example.file), "--uncommissioned"]
    rig.do("input", plc=SWITCHGEAR, name="q52g_open", on=False)  # tied to the grid
    with log.open("wb") as words:
        programs = [
            subprocess.Popen(gpud, stderr=words, env=os.environ | rig.gpud_environment),
            subprocess.Popen(run, stdout=words, stderr=words, env=example.environment),
        ]
    try:
        eventually("all is heard", lambda: heard(example))
        before = rig.do("state")["watts"]
        assert before > 1_000_000

        rig.do("frequency", hz=59.5)
        eventually("900 kW are gone", lambda: rig.do("state")["watts"] < before - 880_000)
        assert all(gpu["limit_w"] == 700.0 for gpu in rig.do("gpu", deed="gpus")), "dear watts last"

        rig.do("condenser_flow", plc=TANK, lpm=0)
        eventually("the tank is shed", lambda: rig.do("state")["on"] == 0)
        eventually("and its GPUs", lambda: all(gpu["limit_w"] == 200.0 for gpu in rig.do("gpu", deed="gpus")))
        assert programs[1].poll() is None, log.read_text(encoding="utf-8")
    finally:
        for program in programs:
            program.kill()
            program.wait()


def heard(example: SoakSite) -> bool:
    """Every device of it, and the broker."""
    try:
        status = ask_status([example.socket])
    except NoAgent:
        return False
    rows = status.get("devices")
    if not isinstance(rows, list) or status["circuits"][0]["mode"] != "NORMAL":
        return False
    states = {"meter": {"ok"}, "plc": {"ok"}, "miner": {"on"}, "gpu": {"full"}, "contactor": {"closed"}}
    kinds = [row["kind"] for row in rows if row["state"] in states[row["kind"]]]
    counts = {kind: kinds.count(kind) for kind in states}
    return counts == {"meter": 2, "plc": 2, "miner": MINERS, "gpu": GPUS, "contactor": 1}
