"""A site of every family at once, real processes: all are read, all shed at one crossing, all return; tokens die, and
one table is only read.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from hil.dialects import SPEAKERS
from hil.loopback import free_block
from hil.remote import RigProcess
from hil.rig import MeterConfig, MinerGroup, RigConfig
from hil.under_test import Agent

TOLD = ("antminer", "auradine", "bitaxe", "braiins", "epic", "vnish", "whatsminer", "whatsminer-v3")
UNPROVEN = ("hiveon", "mara")  # controlled here, since their tables allow it
READ = ("auto", "unknown")  # as luxos and avalon call themselves
EACH = 2
PORTS = (8_028, 8_080)  # no port below 1024, which not everybody may open
WITHIN_S = 60.0


class Site:
    """The rig, and the agent on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        first = IPv4Address(free_block(PORTS[0]))
        self.hosts: dict[str, list[str]] = {}
        groups = []
        for at, family in enumerate((*TOLD, *UNPROVEN, *READ)):
            start = first + 10 * at
            self.hosts[family] = [str(start + number) for number in range(EACH)]
            stand_in = {"auto": "luxos", "unknown": "avalon"}.get(family, family)
            control = PORTS[1] if family in SPEAKERS else 0
            groups.append(MinerGroup(str(start), EACH, stand_in, 3300.0, PORTS[0], control, stuck=0.0, moves_s=1.0))
        self.rig = RigProcess(RigConfig(miners=tuple(groups), meters=(MeterConfig(refresh_ms=100),)))
        self.agent = Agent(folder / "site.toml", folder / "state", folder / "agent.log", acts=True)

    def write(self) -> None:
        host, port = self.rig.meters["main"]
        tables = []
        for family, hosts in self.hosts.items():
            password = SPEAKERS[family].password if family in SPEAKERS else ""  # type: ignore[attr-defined]
            key = ""
            if password:
                (self.folder / f"{family}.pw").write_text(f"{password}\n")
                key = f'password = "{family}.pw"\ncontrol_port = {PORTS[1]}\n'
            allowed = "unverified_control = true\n" if family in UNPROVEN else ""
            span = f"{hosts[0]}-{hosts[-1]}"
            tables.append(
                f'[[miners]]\nid = "{family}"\ncircuit = "poi"\nhosts = ["{span}"]\nfamily = "{family}"\n'
                f"port = {PORTS[0]}\n{key}{allowed}rated_w = 3300\nsleep_w = 150\n"
                "min_off_s = 1\nmin_on_s = 1\npoll_s = 1\n"
            )
        text = _SITE.format(state=self.folder / "state", meter=f"{host}:{port}") + "\n".join(tables)
        (self.folder / "site.toml").write_text(text)

    def eventually(self, what: str, seen: Callable[[], Any]) -> Any:
        until = time.monotonic() + WITHIN_S
        while not (found := seen()):
            if time.monotonic() > until:
                told = {step: sorted(self.told(step)) for step in ("off", "on")}
                raise AssertionError(f"never {what}\n{self.agent.words()[-3000:]}\n{told}\n{self.hosts}")
            time.sleep(0.05)
        return found

    def told(self, step: str, since_ns: int = 0) -> dict[str, int]:
        """Which miners were told a step since then, and when."""
        stamps = self.rig.do("stamps")["miners"]
        told = {host: [at for at, verb in verbs if verb == step and at >= since_ns] for host, verbs in stamps.items()}
        return {host: found[0] for host, found in told.items() if found}

    def all_of(self, families: tuple[str, ...]) -> set[str]:
        return {host for family in families for host in self.hosts[family]}

    def settled(self) -> bool:
        status = self.agent.status()
        if not status:
            return False
        return status["circuits"][0]["mode"] in ("NORMAL", "RETURNING") and bool(status["response"][0]["kw"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("families"))
    with contextlib.ExitStack() as opened:
        opened.enter_context(made.rig)
        made.write()
        opened.callback(made.agent.kill)
        made.agent.start()
        yield made


def test_all_families_shed_at_one_crossing_and_return_and_those_that_are_read_are_told_nothing(site: Site) -> None:
    controlled = site.all_of((*TOLD, *UNPROVEN))
    site.eventually("settled", site.settled)
    crossed_ns = time.monotonic_ns()

    site.rig.do("frequency", hz=49.3)
    site.eventually("told to stop", lambda: site.told("off", crossed_ns).keys() >= controlled)
    site.eventually("stopped", lambda: not any(site.rig.do("state")["miners"][host]["on"] for host in controlled))
    restored_ns = time.monotonic_ns()
    site.rig.do("frequency", hz=50.0)
    site.eventually("told to start", lambda: site.told("on", restored_ns).keys() >= controlled)

    traffic = site.rig.do("traffic")["miners"]
    assert {host for host in traffic if traffic[host]["writes"]} == controlled


def test_a_miner_of_family_auto_says_in_status_what_to_write(site: Site) -> None:
    details = {device["id"]: device["detail"] for device in site.agent.status()["devices"]}

    for host in site.hosts["auto"]:
        assert 'it calls itself luxos: write family = "luxos" to control it' in details[f"auto/{host}"]


@pytest.mark.parametrize("fault", ["session_lost", "mute", "late"])
def test_a_fleet_whose_tokens_died_or_that_does_not_answer_still_sheds(site: Site, fault: str) -> None:
    controlled = site.all_of(TOLD)
    site.eventually("all on", lambda: all(site.rig.do("state")["miners"][host]["on"] for host in controlled))
    site.eventually("settled", site.settled)
    site.rig.do("miner_fault", fault=fault, miners=sorted(controlled))
    crossed_ns = time.monotonic_ns()

    site.rig.do("frequency", hz=49.3)
    site.eventually("stopped", lambda: not any(site.rig.do("state")["miners"][host]["on"] for host in controlled))
    site.rig.do("miner_fault", fault="none", miners=sorted(controlled))
    site.rig.do("frequency", hz=50.0)

    site.eventually("told to start", lambda: site.told("on", crossed_ns).keys() >= controlled)


_SITE = """\
[site]
id = "families"
control = "act"
nominal_hz = 50.0
state_dir = "{state}"

[[circuit]]
id = "poi"
meter = "main"
limit_kw = 120
ramp_up_kw_per_min = 6000
jump_up_kw = 100
fallback_kw = 60

[[link]]
id = "meter-net"
url = "tcp://{meter}"

[[meter]]
id = "main"
link = "meter-net"
profile = "janitza-umg604"
nominal_ln_v = 27600
fast_ms = 40
slow_ms = 1000
refresh_ms = 100

[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = 49.5
shed_kw = 90
release = {{ above_hz = 49.9, for_s = 1.0 }}

"""
