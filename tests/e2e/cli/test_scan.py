"""`ballast scan`: every family is named and read, nothing is changed, default passwords only where asked for; and a
thousand addresses of which half drop what comes.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from agent.config import load
from hil.dialects import SPEAKERS
from hil.loopback import free_block
from hil.remote import RigProcess
from hil.rig import MinerGroup, RigConfig
from hil.under_test import ballast
from tests.config.sites import changed, written
from tests.e2e.cli import scanned

API, WEB, V3 = 8_128, 8_180, 8_433
AVALONS = ("avalon", "bfgminer", "cgminer", "luxos")
WEB_ALONE = ("bitaxe", "mara", "vnish")


class Range:
    """One of each family, and what a scan of them says."""

    def __init__(self, rig: RigProcess, hosts: dict[str, str]) -> None:
        self.rig = rig
        self.hosts = hosts

    def scan(self, *words: str) -> dict[str, dict[str, Any]]:
        ports = ["--port", str(API), "--web-port", str(WEB), "--v3-port", str(V3)]
        last = list(self.hosts.values())[-1]
        span = f"{next(iter(self.hosts.values()))}-{IPv4Address(last) + 5}"
        done = subprocess.run([ballast(), "scan", span, "--json", *ports, *words], capture_output=True, check=True)
        by_host = {one["address"]: one for one in json.loads(done.stdout)["found"]}
        assert by_host.keys() == set(self.hosts.values())
        return {family: by_host[host] for family, host in self.hosts.items()}

    def writes(self) -> int:
        return sum(len(one["writes"]) for one in self.rig.do("traffic")["miners"].values())


@pytest.fixture(scope="module")
def span() -> Iterator[Range]:
    first = IPv4Address(free_block(API))
    hosts: dict[str, str] = {}
    groups = []
    for at, family in enumerate(sorted((*SPEAKERS, *AVALONS))):
        hosts[family] = str(first + at)
        port = V3 if family == "whatsminer-v3" else WEB if family in WEB_ALONE else API
        control = 8080 if family == "auradine" else WEB
        groups.append(MinerGroup(hosts[family], 1, family, 3300.0, port, control if family in SPEAKERS else 0))
    with RigProcess(RigConfig(miners=tuple(groups), meters=())) as rig:
        yield Range(rig, hosts)


def test_every_family_is_named_and_nothing_is_changed(span: Range) -> None:
    found = span.scan()

    assert {family: one["family"] for family, one in found.items()} == {family: family for family in span.hosts}
    read = {family for family, one in found.items() if one["hash_rate_ths"]}
    assert read == span.hosts.keys() - {"mara"}  # it tells nothing without a password
    assert found["epic"]["measured"] is True
    assert found["luxos"]["model"] == "Antminer S19k Pro"
    assert span.writes() == 0


def test_default_passwords_are_tried_only_where_asked_and_told(span: Range) -> None:
    shy, bold = span.scan(), span.scan("--try-default-passwords")

    assert not any("default password" in one["note"] for one in shy.values())
    open_doors = {family for family, one in bold.items() if "takes the vendor's default password" in one["note"]}
    assert open_doors == {"antminer", "auradine", "braiins", "mara", "vnish"}
    assert span.writes() == 0


def test_its_inventories_are_ready_for_site_toml(span: Range, tmp_path: Path) -> None:
    span.scan("--inventory", str(tmp_path))

    text = changed(('hosts = ["127.1.0.1-127.1.0.60"]', 'inventory = "miners-epic.csv"'))
    file = load(written(tmp_path, text))

    assert [(miner.address, round(miner.rated_w)) for miner in file.miners[0].hosts] == [(span.hosts["epic"], 3300)]


def test_a_range_that_is_none_is_told(tmp_path: Path) -> None:
    done = subprocess.run([ballast(), "scan", "10.0.0.9-10.0.0.1"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "the range runs backwards; write" in done.stderr


def test_a_thousand_addresses_are_scanned_though_half_of_them_drop_what_comes(tmp_path: Path) -> None:
    words = ["unshare", "-rn", sys.executable, "-m", scanned.__name__, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "found.json").read_text())
    assert told["asked"] == 2 * scanned.EACH
    assert {one["family"] for one in told["found"]} == {"avalon"}
    assert len(told["found"]) == scanned.EACH
    text = (tmp_path / "inventory" / "miners-avalon.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == scanned.EACH
