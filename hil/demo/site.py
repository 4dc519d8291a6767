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


class SiteFolder(Struct, frozen=True):
    """Where everything is."""

    file: Path
    state: Path
    agent_key: bytes  # raw public key, enrolled
    agent_pub: Path  # the same in PEM
    issuer_pem: Path


def ballast() -> str:
    """The installed command: beside the Python that runs this."""
    path = Path(sys.executable).parent / "ballast"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not installed; `make demo` sets it up")
    return str(path)


def make_site(folder: Path, *, broker_port: int, meter: tuple[str, int], first_miner: str) -> SiteFolder:
    """Writes the folder."""
    state = folder / "state"
    state.mkdir()
    agent_pem, issuer_pem = folder / "agent.pem", folder / "issuer.pem"
    for path in (agent_pem, issuer_pem):
        subprocess.run([ballast(), "keygen", "--out", str(path)], check=True, stdout=subprocess.DEVNULL)
    keyring = folder / "keyring.json"
    keyring.write_text(_keyring(_public(issuer_pem)), encoding="utf-8")
    file = folder / "site.toml"
    last_miner = IPv4Address(first_miner) + figures.MINERS - 1
    file.write_text(
        _SITE.format(
            f=figures,
            state=state,
            meter=f"{meter[0]}:{meter[1]}",
            hosts=f"{first_miner}-{last_miner}",
            broker=broker_port,
            agent_pem=agent_pem,
            keyring=keyring,
        ),
        encoding="utf-8",
    )
    return SiteFolder(file, state, _public(agent_pem), _pub(agent_pem), issuer_pem)


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

[[miners]]
id = "a"
circuit = "{f.CIRCUIT}"
hosts = ["{hosts}"]
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
