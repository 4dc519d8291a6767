"""The folder that the demo's agent runs from: site.toml, its key, the issuer's key, the keyring.

Keys are made by the program under test (`ballast keygen`); the keyring is written here by the wire contract, section 7.
"""

import base64
import hashlib
import json
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

from msgspec import Struct

from hil.demo import figures
from hil.evidence import load_public_key
from hil.remote import RigProcess


class SiteFolder(Struct, frozen=True):
    """Where everything is."""

    file: Path
    state: Path
    gpud: Path  # the socket of the GPUs' program
    agent_key: bytes  # raw public key, enrolled
    agent_pub: Path  # the same in PEM
    issuer_pem: Path


def ballast() -> str:
    """The installed command: beside the Python that runs this."""
    path = Path(sys.executable).parent / "ballast"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not installed; `make demo` sets it up")
    return str(path)


def miners(first: str, begin: int, count: int) -> tuple[str, ...]:
    """Addresses of the demo's miners, counted from `begin`."""
    return tuple(str(IPv4Address(first) + number) for number in range(begin, begin + count))


def make_site(folder: Path, *, broker_port: int, rig: RigProcess, first_miner: str) -> SiteFolder:
    """Writes the folder."""
    state = folder / "state"
    state.mkdir()
    agent_pem, issuer_pem = folder / "agent.pem", folder / "issuer.pem"
    for path in (agent_pem, issuer_pem):
        subprocess.run([ballast(), "keygen", "--out", str(path)], check=True, stdout=subprocess.DEVNULL)
    keyring = folder / "keyring.json"
    keyring.write_text(_keyring(_public(issuer_pem)), encoding="utf-8")
    file = folder / "site.toml"
    (folder / "miners.csv").write_text(_inventory(first_miner), encoding="utf-8")
    file.write_text(
        _SITE.format(
            f=figures,
            state=state,
            meter=f"{rig.meters['main'][0]}:{rig.meters['main'][1]}",
            tank=rig.plcs[figures.TANK],
            switchgear=rig.plcs[figures.SWITCHGEAR],
            gpud=folder / "gpud.sock",
            broker=broker_port,
            agent_pem=agent_pem,
            keyring=keyring,
        ),
        encoding="utf-8",
    )
    return SiteFolder(file, state, folder / "gpud.sock", _public(agent_pem), _pub(agent_pem), issuer_pem)


def _inventory(first_miner: str) -> str:
    """Which miners the tank cools, and which the contactor feeds."""
    lines = ["address,string,tank"]
    for number, address in enumerate(miners(first_miner, 0, figures.MINERS)):
        cooled = number < figures.TANK_MINERS
        fed = not cooled and number < figures.TANK_MINERS + figures.FED_MINERS
        lines.append(f"{address},{'east' if fed else ''},{figures.TANK if cooled else ''}")
    return "\n".join(lines) + "\n"


def _public(pem: Path) -> bytes:
    return load_public_key(_pub(pem).read_bytes())


def _pub(pem: Path) -> Path:
    return pem.with_name(pem.name + ".pub")


def _keyring(issuer: bytes) -> str:
    """One issuer that may lower and give back (roles curtail and restore) on the demo's circuit."""
    key = {
        "kid": hashlib.sha256(issuer).digest()[:8].hex(),
        "alg": "Ed25519",
        "pub": base64.urlsafe_b64encode(issuer).rstrip(b"=").decode(),
        "iss": figures.ISSUER,
        "roles": ["curtail", "restore"],
        "scope": ["site"],
        "nbf": None,
        "exp": None,
    }
    keyring = {"v": 1, "t": "keys", "ver": 1, "keys": [key], "revoked": [], "threshold": {}}
    return json.dumps(keyring, indent=1)


_SITE = """\
# Made by hil/demo for one run.
[site]
id = "{f.SITE}"
agent = "{f.AGENT}"
control = "act"
timezone = "Europe/Madrid"
currency = "EUR"
nominal_hz = {f.NOMINAL_HZ}
state_dir = "{state}"

[[circuit]]
id = "{f.CIRCUIT}"
meter = "main"
limit_kw = {f.LIMIT_KW}
unmetered_kw = 6
ramp_up_kw_per_min = {f.RAMP_UP_KW_PER_MIN}
fallback_kw = {f.FALLBACK_KW}
blind_after_s = 5

[[link]]
id = "meter-net"
url = "tcp://{meter}"

[[meter]]
id = "main"
link = "meter-net"
unit_id = 1
profile = "janitza-umg604"
nominal_ln_v = {f.NOMINAL_LN_V}
fast_ms = 20
slow_ms = 1000
refresh_ms = {f.REFRESH_MS}

[[link]]
id = "cooling-net"
url = "tcp://{tank}"

[[link]]
id = "switchgear-net"
url = "tcp://{switchgear}"

[[plc]]
id = "{f.TANK}"
link = "cooling-net"
unit_id = 3
profile = "two-phase-tank"
fast_ms = 100
blind_after_s = 2

[[plc]]
id = "{f.SWITCHGEAR}"
link = "switchgear-net"
unit_id = 20
profile = "contactors-16"
fast_ms = 100
heartbeat_ms = 500
[plc.bits]
k1_52a = "di2"
k1_52b = "di3"
estop_ok = "di4"
remote = "di6"

[[contactor]]
id = "{f.CONTACTOR}"
plc = "{f.SWITCHGEAR}"
close = {{ coil = "k1", kind = "maintained" }}
feedback = {{ closed = "k1_52a", open = "k1_52b", within_ms = 500 }}
permit = ["estop_ok", "remote"]
feeds = {{ miners = "a", string = "east" }}
use = "last"
min_open_s = {f.MIN_OPEN_S}
on_silence = "open"

[[gpus]]
id = "r"
circuit = "{f.CIRCUIT}"
at = "unix:{gpud}"
floor_w = {f.GPU_FLOOR_W}
fallback_w = {f.GPU_FALLBACK_W}
value_usd_per_mwh = 900.0
cooling = "{f.TANK}"

[[miners]]
id = "a"
circuit = "{f.CIRCUIT}"
inventory = "miners.csv"
family = "avalon"
rated_w = {f.RATED_W}
sleep_w = {f.SLEEP_W}
value_usd_per_mwh = 95.0
min_off_s = {f.MIN_OFF_S}
min_on_s = {f.MIN_ON_S}
poll_s = 2

[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "{f.CIRCUIT}"
shed_below_hz = {f.SHED_BELOW_HZ}
confirm_refreshes = 1
shed_kw = {f.SHED_KW}
release = {{ above_hz = {f.RELEASE_ABOVE_HZ}, for_s = {f.RELEASE_FOR_S} }}

[[rule]]
id = "limits"
kind = "power_cap"
circuit = "{f.CIRCUIT}"
margin_kw = 10

[[rule]]
id = "tank"
kind = "cooling"
plc = "{f.TANK}"
shed = {{ condenser_flow_lpm_below = {f.FLOW_LPM_MIN}, for_ms = {f.SHED_FOR_MS} }}
warn = {{ condenser_flow_lpm_below = 70, for_s = 1 }}
permit = {{ condenser_flow_lpm_above = 80, for_s = {f.PERMIT_FOR_S} }}

[[rule]]
id = "dispatch"
kind = "command"
circuit = "{f.CIRCUIT}"

[mqtt]
url = "mqtt://127.0.0.1:{broker}"
root = "{f.ROOT}"

[telemetry]
interval_ms = 1000

[keys]
agent = "{agent_pem}"
keyring = "{keyring}"
"""
