"""The shipped example site on stand-ins: docs/site.example.toml with addresses of the loopback in place of its own.

What changes, and nothing else: addresses and paths; `control` and the rule's `arm` to act; the serial line's parity,
which a pseudo terminal does not have; and the broker's TLS. A *brisk* site has the example's long times made short as
well (BRISK), so that a run of minutes sees returns and a silent meter has to lower something.
"""

import csv
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from hil.contactors import ContactorConfig, ContactorsConfig
from hil.issuer import Key
from hil.loopback import free_net
from hil.remote import RigProcess
from hil.rig import MeterConfig, MinerGroup, RigConfig
from hil.tank import TankConfig
from hil.under_test import ballast

DOCS = Path(__file__).parents[2] / "docs"
SITE, AGENT, ROOT = "granbury-07", "ctl-1", "ballast"
MAIN, BACKUP, TANK, SWITCHGEAR, CONTACTOR, GROUP, RACK = "main", "incomer", "tank-a", "switchgear", "a-east", "a", "r1"
GPUS = 4
_NET = "10.20"  # of the example's addresses
_LPM_PER_KW = 1.4  # water that warms by 10 C: 60 / (4.18 * 10)

_PLAIN = ("ca", "cert", "key")  # of [mqtt]: a broker on the loopback has no TLS

BRISK = {
    "min_off_s": "4",
    "min_on_s": "2",
    "min_open_s": "4",
    "ramp_up_kw_per_min": "2400",
    "ramp_down_kw_per_min": "20000",
    "fallback_kw": "700",
    "blind_after_s": "2",
    "operations_per_day_max": "1000",
    "poll_s": "3",
}
_BRISK_TIMES = (
    ("event_limits = { per_day = 3,", "event_limits = { per_day = 100,"),
    ("for_s = 300 }", "for_s = 3 }"),
    ("for_s = 900", "for_s = 4"),
    ("for_s = 60", "for_s = 3"),
    ("for_s = 5 ", "for_s = 1 "),
)


class Rules(Struct, frozen=True):
    """What the site's owner wrote down, as a judge needs it: watts, nanoseconds, hertz."""

    limit_w: float
    margin_w: float
    unmetered_w: float
    ramp_up_w_per_s: float
    jump_up_w: float
    fallback_w: float
    ramp_down_w_per_s: float
    blind_after_ns: int
    min_off_ns: int
    min_open_ns: int
    shed_below_hz: float
    shed_w: float
    release_above_hz: float
    release_for_ns: int
    tank_blind_ns: int
    tank_shed_for_ns: int
    tank_permit_for_ns: int
    shed_pressure_kpa: float
    shed_flow_lpm: float
    shed_level_pct: float
    permit_pressure_kpa: float
    permit_flow_lpm: float
    permit_level_pct: float
    gpu_floor_w: float
    gpu_fallback_w: float
    nominal_hz: float
    nominal_ln_v: float
    load_poll_ns: int
    demand_w: float | None = None  # on average over its window


class SoakError(Exception):
    """The site did not come up."""


class SoakSite:
    """The files in a folder, and the rig. Enter `rig`, then call write()."""

    def __init__(self, folder: Path, *, brisk: bool, miners: int, broker_port: int, seed: int) -> None:
        self.folder = folder
        self.file = folder / "site.toml"
        self.state = folder / "state"
        self.socket = self.state / "ballast.sock"
        self.gpud_socket = folder / "gpud.sock"
        self.credentials = folder / "credentials"  # what a service's would be
        self._brisk = brisk
        self._broker_port = broker_port
        with (DOCS / "miners-a.csv").open(encoding="utf-8") as inventory:
            self.rows = _thinned(list(csv.DictReader(inventory)), miners)
        net = free_net()
        for row in self.rows:
            row["address"] = row["address"].replace(_NET, net, 1)
        self.miners = tuple(row["address"] for row in self.rows)
        self.rated_w = {row["address"]: float(row["rated_w"]) for row in self.rows}
        self.east = tuple(row["address"] for row in self.rows if row["string"] == "east")
        self.flow_lpm = round(_LPM_PER_KW * sum(self.rated_w.values()) / 1e3)
        self.rig = RigProcess(self._rig(seed))
        self.rules: Rules
        self.agent_key = b""

    def write(self) -> None:
        """site.toml, inventory and the agent's key; then `rules` and `agent_key` are there. The keyring is others'."""
        with (self.folder / "miners-a.csv").open("w", encoding="utf-8", newline="") as inventory:
            writer = csv.DictWriter(inventory, self.rows[0].keys())
            writer.writeheader()
            writer.writerows(self.rows)
        self.credentials.mkdir()
        self.agent_key = Key(self.credentials / "agent-key").raw
        text = self._text((DOCS / "site.example.toml").read_text(encoding="utf-8"))
        self.file.write_text(text, encoding="utf-8")
        if wrong := self._check():
            raise SoakError(f"the agent does not take the site:\n{wrong}")
        self.rules = rules_of(text)

    @property
    def environment(self) -> dict[str, str]:
        """What the agent is started with."""
        return os.environ | {"CREDENTIALS_DIRECTORY": str(self.credentials)}

    def _check(self) -> str:
        """What `ballast check` finds wrong; empty where it accepts it."""
        command = [ballast(), "check", str(self.file)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment)
        return checked.stdout + checked.stderr if checked.returncode else ""

    def _text(self, text: str) -> str:
        state = self.state
        for was, now in (
            ("tcp://10.20.0.10:502", f"tcp://{_at(self.rig.meters[MAIN])}"),
            ("tcp://10.20.0.20:502", f"tcp://{_at(self.rig.meters[BACKUP])}"),
            ("/dev/ttyUSB0?baudrate=19200&parity=E", f"{self.rig.plcs[TANK]}?baudrate=19200&parity=N"),
            ("/run/ballast/gpud.sock", str(self.gpud_socket)),
            ("mqtts://broker.example.net:8883", f"mqtt://127.0.0.1:{self._broker_port}"),
            ("/var/lib/ballast", str(state)),
            ("/etc/ballast/keyring.json", str(self.folder / "keyring.json")),
            ('control = "observe"', 'control = "act"'),
            ('arm = "observe"', 'arm = "act"'),
        ):
            assert was in text, was
            text = text.replace(was, now)
        text = re.sub(rf"(?m)^(?:{'|'.join(_PLAIN)}) = .*\n", "", text)
        return brisk_text(text) if self._brisk else text

    def _rig(self, seed: int) -> RigConfig:
        contactor = ContactorConfig(
            CONTACTOR, coil=1, closed=2, open=3, miners=self.east, interlocks=("estop_ok",), on_silence="open"
        )
        switchgear = ContactorsConfig(
            on=BACKUP,
            contactors=(contactor,),
            inputs={"q52g_open": 1, "estop_ok": 4, "leak_ok": 5, "remote": 6},
            remote="remote",
            seed=seed,
        )
        heat_w = 1.4 * sum(self.rated_w.values())
        tank = TankConfig(
            TANK, serial=True, miners=self.miners, gpus=True, rated_w=heat_w, nominal_flow_lpm=self.flow_lpm
        )
        return RigConfig(
            miners=tuple(_groups(self.rows)),
            meters=(MeterConfig(MAIN), MeterConfig(BACKUP, layout="eastron-sdm630", unit_id=2)),
            tanks=(tank,),
            switchgears=(switchgear,),
            gpus=GPUS,
            nominal_hz=60.0,
            nominal_ln_v=277.0,
            unmetered_w=60_000.0,
            wander_w=500.0,
            seed=seed,
        )


def brisk_text(text: str) -> str:
    """The same site with its long times made short."""
    for key, value in BRISK.items():
        text, count = re.subn(rf"(?m)^{key} = \S+", f"{key} = {value}", text)
        assert count, key
    for was, now in _BRISK_TIMES:
        assert was in text, was
        text = text.replace(was, now)
    return text


def rules_of(text: str) -> Rules:
    """The judges' figures from a site.toml."""
    site = tomllib.loads(text)
    poi, miners, gpus = site["circuit"][0], site["miners"][0], site["gpus"][0]
    rules = {rule["id"]: rule for rule in site["rule"]}
    ufr, cooling = rules["ufr"], rules[TANK]
    shed, permit = cooling["shed"], cooling["permit"]
    tank = next(plc for plc in site["plc"] if plc["id"] == TANK)
    return Rules(
        limit_w=poi["limit_kw"] * 1e3,
        margin_w=rules["limits"]["margin_kw"] * 1e3,
        unmetered_w=poi["unmetered_kw"] * 1e3,
        ramp_up_w_per_s=poi["ramp_up_kw_per_min"] * 1e3 / 60,
        jump_up_w=poi["jump_up_kw"] * 1e3,
        fallback_w=poi["fallback_kw"] * 1e3,
        ramp_down_w_per_s=poi["ramp_down_kw_per_min"] * 1e3 / 60,
        blind_after_ns=_ns(poi["blind_after_s"]),
        min_off_ns=_ns(miners["min_off_s"]),
        min_open_ns=_ns(site["contactor"][0]["min_open_s"]),
        shed_below_hz=ufr["shed_below_hz"],
        shed_w=ufr["shed_kw"] * 1e3,
        release_above_hz=ufr["release"]["above_hz"],
        release_for_ns=_ns(ufr["release"]["for_s"]),
        tank_blind_ns=_ns(tank["blind_after_s"]),
        tank_shed_for_ns=shed["for_ms"] * 1_000_000,
        tank_permit_for_ns=_ns(permit["for_s"]),
        shed_pressure_kpa=shed["vapor_pressure_kpa_g_above"],
        shed_flow_lpm=shed["condenser_flow_lpm_below"],
        shed_level_pct=shed["coolant_level_pct_below"],
        permit_pressure_kpa=permit["vapor_pressure_kpa_g_below"],
        permit_flow_lpm=permit["condenser_flow_lpm_above"],
        permit_level_pct=permit["coolant_level_pct_above"],
        gpu_floor_w=gpus["floor_w"],
        gpu_fallback_w=gpus["fallback_w"],
        nominal_hz=site["site"]["nominal_hz"],
        nominal_ln_v=site["meter"][0]["nominal_ln_v"],
        load_poll_ns=_ns(miners["poll_s"]),
        demand_w=poi["demand_kw"] * 1e3 if "demand_kw" in poi else None,
    )


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def _thinned(rows: list[dict[str, str]], count: int) -> list[dict[str, str]]:
    """So many of them, evenly taken; all when there are no more."""
    return [rows[number * len(rows) // count] for number in range(count)] if count < len(rows) else rows


def _groups(rows: list[dict[str, str]]) -> Iterator[MinerGroup]:
    """Runs of consecutive addresses of one rating."""
    first = 0
    for number, (row, after) in enumerate(pairwise([*rows, {"address": "", "rated_w": ""}]), start=1):
        block, _, host = row["address"].rpartition(".")
        if after["address"] != f"{block}.{int(host) + 1}" or after["rated_w"] != row["rated_w"]:
            yield MinerGroup(rows[first]["address"], number - first, "luxos", float(row["rated_w"]))
            first = number


def _at(endpoint: tuple[str, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"
