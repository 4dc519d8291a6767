"""docs/site.example.toml, all of it, on stand-ins: its addresses on loopback, its serial line a pseudo terminal (which
has no parity), its broker without TLS; nothing else of it is changed but `control`. It passes `check`, runs and sheds.
"""

import csv
import json
import os
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from agent.cli.asking import NoAgent, ask_status
from hil.contactors import ContactorConfig, ContactorsConfig
from hil.loopback import free_net
from hil.remote import RigProcess
from hil.rig import MeterConfig, MinerGroup, RigConfig
from hil.tank import TankConfig
from tests.e2e.agent.broker import Broker, eventually
from tests.e2e.agent.site import ballast

pytestmark = pytest.mark.alone  # 350 miners in one process, and a tank that is shed when that is late by 2 s

DOCS = Path(__file__).parents[3] / "docs"
MINERS = 350


class Example:
    """The example's files in a folder, its stand-ins, and the agent on it."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.file = folder / "site.toml"
        self.socket = folder / "state" / "ballast.sock"
        self.credentials = folder / "credentials"
        self.broker = broker
        with (DOCS / "miners-a.csv").open(encoding="utf-8") as inventory:
            self.rows = list(csv.DictReader(inventory))
        net = free_net()
        for row in self.rows:
            row["address"] = row["address"].replace("10.20", net, 1)
        addresses = [row["address"] for row in self.rows]
        east = tuple(row["address"] for row in self.rows if row["string"] == "east")
        switchgear = ContactorsConfig(
            on="incomer",
            contactors=(ContactorConfig("a-east", coil=1, closed=2, open=3, miners=east, interlocks=("estop_ok",)),),
            inputs={"q52g_open": 1, "estop_ok": 4, "leak_ok": 5, "remote": 6},
            remote="remote",
        )
        self.rig = RigProcess(
            RigConfig(
                miners=tuple(self._groups()),
                meters=(MeterConfig(), MeterConfig(id="incomer", layout="eastron-sdm630", unit_id=2)),
                tanks=(TankConfig(serial=True, miners=tuple(addresses), gpus=True, rated_w=1_500_000.0),),
                switchgears=(switchgear,),
                gpus=4,
                nominal_hz=60.0,
                nominal_ln_v=277.0,
                unmetered_w=60_000.0,
            )
        )

    def _groups(self) -> Iterator[MinerGroup]:
        """Runs of consecutive addresses of one rating."""
        first = 0
        for number, (row, after) in enumerate(pairwise([*self.rows, {"address": "", "rated_w": ""}]), start=1):
            block, _, host = row["address"].rpartition(".")
            if after["address"] != f"{block}.{int(host) + 1}" or after["rated_w"] != row["rated_w"]:
                rated_w = float(row["rated_w"])
                yield MinerGroup(self.rows[first]["address"], number - first, "luxos", rated_w)
                first = number

    def write(self) -> None:
        """Files with this rig's addresses, and the agent's key among the credentials that a service would have."""
        with (self.folder / "miners-a.csv").open("w", encoding="utf-8", newline="") as inventory:
            writer = csv.DictWriter(inventory, self.rows[0].keys())
            writer.writeheader()
            writer.writerows(self.rows)
        text = (DOCS / "site.example.toml").read_text(encoding="utf-8")
        for was, now in (
            ("tcp://10.20.0.10:502", f"tcp://{_at(self.rig.meters['main'])}"),
            ("tcp://10.20.0.20:502", f"tcp://{_at(self.rig.meters['incomer'])}"),
            ("/dev/ttyUSB0?baudrate=19200&parity=E", f"{self.rig.plcs['tank-a']}?baudrate=19200&parity=N"),
            ("/run/ballast/gpud.sock", str(self.folder / "gpud.sock")),
            ("mqtts://broker.example.net:8883", f"mqtt://127.0.0.1:{self.broker.port}"),
            ("/var/lib/ballast", str(self.folder / "state")),
            ("/etc/ballast/keyring.json", str(self.folder / "keyring.json")),
            ('control = "observe"', 'control = "act"'),
            ('arm = "observe"', 'arm = "act"'),
        ):
            assert was in text, was
            text = text.replace(was, now)
        self.credentials.mkdir()
        subprocess.run([ballast(), "keygen", "--out", str(self.credentials / "agent-key")], check=True, timeout=60)
        (self.folder / "keyring.json").write_text(
            json.dumps({"v": 1, "t": "keys", "ver": 1, "keys": [], "revoked": [], "threshold": {}}), encoding="utf-8"
        )
        text = re.sub(r"(?m)^(?:ca|cert|key) = .*\n", "", text)  # mqtt:// on loopback is not encrypted
        self.file.write_text(text, encoding="utf-8")

    def status(self) -> dict[str, object]:
        """What the agent says of itself; empty while it does not."""
        try:
            return ask_status([self.socket])
        except NoAgent:
            return {}


def _at(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"


@pytest.fixture
def example(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Example]:
    made = Example(tmp_path_factory.mktemp("example"), broker)
    with made.rig:
        made.write()
        yield made


def test_the_example_passes_check_runs_and_sheds(example: Example) -> None:
    checked = subprocess.run([ballast(), "check", str(example.file)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr + checked.stdout
    rig, log = example.rig, example.folder / "agent.log"
    gpud = [ballast(), "gpud", "--socket", str(example.folder / "gpud.sock"), "--state-dir", str(example.folder / "g")]
    run = [ballast(), "run", str(example.file), "--uncommissioned"]
    credentials = os.environ | {"CREDENTIALS_DIRECTORY": str(example.credentials)}
    rig.do("input", plc="switchgear", name="q52g_open", on=False)  # tied to the grid
    with log.open("wb") as words:
        programs = [
            subprocess.Popen(gpud, stderr=words, env=os.environ | rig.gpud_environment),
            subprocess.Popen(run, stdout=words, stderr=words, env=credentials),
        ]
    try:
        eventually("all is heard", lambda: heard(example))
        before = rig.do("state")["watts"]
        assert before > 1_000_000

        rig.do("frequency", hz=59.5)
        eventually("900 kW are gone", lambda: rig.do("state")["watts"] < before - 880_000)
        assert all(gpu["limit_w"] == 700.0 for gpu in rig.do("gpu", deed="gpus")), "dear watts last"

        rig.do("condenser_flow", plc="tank-a", lpm=0)
        eventually("the tank is shed", lambda: rig.do("state")["on"] == 0)
        eventually("and its GPUs", lambda: all(gpu["limit_w"] == 200.0 for gpu in rig.do("gpu", deed="gpus")))
        assert programs[1].poll() is None, log.read_text(encoding="utf-8")
    finally:
        for program in programs:
            program.kill()
            program.wait()


def heard(example: Example) -> bool:
    """Every device of it, and the broker."""
    status = example.status()
    rows = status.get("devices")
    if not isinstance(rows, list) or status["circuits"][0]["mode"] != "NORMAL":  # type: ignore[index]
        return False
    states = {"meter": {"ok"}, "plc": {"ok"}, "miner": {"on"}, "gpu": {"full"}, "contactor": {"closed"}}
    kinds = [row["kind"] for row in rows if row["state"] in states[row["kind"]]]
    counts = {kind: kinds.count(kind) for kind in states}
    return counts == {"meter": 2, "plc": 2, "miner": MINERS, "gpu": 4, "contactor": 1}
