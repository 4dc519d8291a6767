"""A whole site of real processes: stand-ins (hil), `ballast run`, a broker if it is given one, and our ears on it.

    with Site(folder, broker=broker) as site:
        site.start()                                  # `ballast run`, until every miner and the meter were heard
        site.rig.do("frequency", hz=49.3)             # what happens to it: hil/rig.py
        site.eventually("shed", lambda: site.told("off"))
        site.kill()                                   # kill -9

Small and fast on purpose: 12 plain cgminers of 3.3 kW that stop within seconds and start at once, a meter that renews
its values ten times a second, and short minimum times. Every wait has a deadline and looks for what it waits for.
"""

import contextlib
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from agent.uplink.keyfiles import make_key
from hil.evidence import Record, load_public_key
from hil.loopback import free_block
from hil.remote import RigProcess
from hil.rig import MeterConfig, MinerGroup, RigConfig
from hil.under_test import Agent
from hil.under_test import ballast as ballast
from tests.e2e.agent.broker import ROOT, WITHIN_S, Broker, Ears, eventually
from tests.e2e.agent.issuer import Issuer, keyring

AGENT = "ctl-1"
SLEEP_W = 60.0  # what the cgminer stand-in draws when it is off (hil/families.toml)


class Figures(Struct, frozen=True, kw_only=True):
    """The numbers of one site."""

    id: str = "site-1"
    control: str = "act"
    family: str = "cgminer"
    miners: int = 12
    rated_w: float = 3300.0
    sleep_w: float = SLEEP_W
    unmetered_kw: float = 6.0
    limit_kw: float = 60.0
    ramp_up_kw_per_min: float = 300.0
    jump_up_kw: float = 10.0
    fallback_kw: float = 25.0
    ramp_down_kw_per_min: float = 300.0
    blind_after_s: float = 2.0
    refresh_ms: int = 100
    min_off_s: float = 2.0
    min_on_s: float = 1.0
    shed_below_hz: float = 49.5
    shed_kw: float = 14.5  # five of 3.24 kW, amid what four and five of them give: noise shall not decide
    release_above_hz: float = 49.9
    release_for_s: float = 1.0


class Site:
    """Everything of one site. The agent is started by start(), as often as wanted."""

    def __init__(self, folder: Path, figures: Figures | None = None, *, broker: Broker | None = None) -> None:
        self.folder = folder
        self.figures = figures or Figures()
        self.broker = broker
        self.file = folder / "site.toml"
        self.state = folder / "state"
        self.log = folder / "agent.log"
        self._agent = Agent(self.file, self.state, self.log, acts=self.figures.control == "act")
        self.socket = self._agent.socket
        self.dispatch: Issuer  # by hand, here
        self.desk: Issuer  # by `ballast send`
        self.viewer: Issuer  # who may command nothing
        self.ears: Ears
        first = free_block()
        group = MinerGroup(first, self.figures.miners, self.figures.family, self.figures.rated_w)
        meter = MeterConfig(refresh_ms=self.figures.refresh_ms)
        unmetered_w = self.figures.unmetered_kw * 1000
        self.rig = RigProcess(RigConfig(miners=(group,), meters=(meter,), unmetered_w=unmetered_w))
        self.miners = [str(IPv4Address(first) + number) for number in range(self.figures.miners)]
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        with contextlib.ExitStack() as opening:
            opening.enter_context(self.rig)
            self._write()
            if self.broker is not None:
                key = load_public_key((self.folder / "agent.pem.pub").read_bytes())
                self.ears = opening.enter_context(Ears(self.broker.port, key, self.figures.id, AGENT))
            opening.callback(self.kill)
            self._open = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    # --- the agent ----------------------------------------------------------------------------------------------------

    def start(self, *, settled: bool = True) -> None:
        """`ballast run`; settled: it has heard the meter and every miner, can shed, and has the broker if there is
        one.
        """
        self._agent.start()
        self.eventually("the status socket answers", self.status)
        if settled:
            self.eventually("settled", self._settled)

    def kill(self) -> None:
        """kill -9, if it runs."""
        self._agent.kill()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._agent.stop()

    def status(self) -> dict[str, Any]:
        """What its socket tells; empty while it does not answer."""
        return self._agent.status()

    def circuit(self) -> dict[str, Any]:
        """The one circuit in the status."""
        circuits = self.status().get("circuits") or [{"mode": None}]
        found: dict[str, Any] = circuits[0]
        return found

    def mode(self) -> str | None:
        """The one circuit's mode."""
        mode: str | None = self.circuit()["mode"]
        return mode

    def response_kw(self) -> float | None:
        """What the frequency rule says that it could give."""
        rows = self.status().get("response")
        return rows[0]["kw"] if rows else None

    def words(self) -> str:
        """What it logged."""
        return self._agent.words()

    def eventually(self, what: str, seen: Callable[[], Any], within_s: float = WITHIN_S) -> Any:
        """broker.eventually, with the agent's words where it fails."""
        try:
            return eventually(what, seen, within_s)
        except AssertionError as error:
            state = {name: value for name, value in self.status().items() if name not in ("ladder", "devices")}
            raise AssertionError(f"{error}\n{state}\n{self.words()[-4000:]}") from error

    # --- the outside --------------------------------------------------------------------------------------------------

    def told(self, step: str, since_ns: int = 0) -> dict[str, int]:
        """The miners that were told this step, and when they read the first such verb."""
        found: dict[str, int] = {}
        for miner, verbs in self.rig.do("stamps")["miners"].items():
            stamps = [at_ns for at_ns, verb in verbs if verb == step and at_ns >= since_ns]
            if stamps:
                found[miner] = stamps[0]
        return found

    def writes(self) -> int:
        """Everything at every stand-in that was not a read."""
        traffic = self.rig.do("traffic")
        return sum(len(one["writes"]) for kind in ("miners", "meters") for one in traffic[kind].values())

    def acks(self, command: str) -> list[dict[str, Any]]:
        """What was answered to a command, in order."""
        return [
            record.body
            for record in self.ears.records()
            if record.channel.startswith("ack/") and record.body["id"] == command
        ]

    def outside(self) -> list[str]:
        """What `ballast send` and `ballast tail` must be told of this site."""
        assert self.broker is not None
        pub = str(self.folder / "agent.pem.pub")
        at = ["--url", f"mqtt://127.0.0.1:{self.broker.port}", "--root", ROOT]
        return [*at, "--site", self.figures.id, "--agent", AGENT, "--agent-key", pub]

    def watts(self) -> float:
        """What the site really draws."""
        watts: float = self.rig.do("state")["watts"]
        return watts

    def on(self) -> set[str]:
        """The miners that really run."""
        return {name for name, miner in self.rig.do("state")["miners"].items() if miner["on"]}

    def events(self, kind: str | None = None, rule: str | None = None) -> list[Record]:
        """The event records that came over MQTT and count as evidence, in the order in which they were made."""
        records = self.ears.records("evt")
        boots = list(dict.fromkeys(record.body["boot"] for record in records))
        return [
            record
            for record in sorted(records, key=lambda one: (boots.index(one.body["boot"]), one.body["seq"]))
            if record.body["t"] == "evt"
            and kind in (None, record.body["k"])
            and rule in (None, record.body.get("rule"))
        ]

    def epoch(self) -> int:
        """As its status says."""
        epoch: int = self.status()["epoch"]
        return epoch

    def _settled(self) -> bool:
        status = self.status()
        if not status or status["circuits"][0]["mode"] == "BOOT":
            return False
        if self.broker is not None and status["broker"]["state"] != "connected":
            return False
        # Observing, a rule gives no response; what it needs is some refreshes of the meter.
        if self.figures.control == "observe":
            return sum(1 for refresh in self.rig.do("stamps")["meters"]["main"] if refresh["served_ns"]) >= 5
        return bool(status["response"][0]["kw"])

    def _write(self) -> None:
        figures = self.figures
        agent_pem = self.folder / "agent.pem"
        make_key(agent_pem)
        may = ("curtail", "restore")
        self.dispatch, self.desk, self.viewer = (
            Issuer(name, self.folder / f"{name}.pem", figures.id, AGENT, roles)
            for name, roles in (("dispatch", may), ("desk", may), ("viewer", ("sink",)))
        )
        ring = self.folder / "keyring.json"
        ring.write_text(keyring((self.dispatch, self.desk, self.viewer)), encoding="utf-8")
        host, port = self.rig.meters["main"]
        mqtt = "" if self.broker is None else f'[mqtt]\nurl = "mqtt://127.0.0.1:{self.broker.port}"\nroot = "{ROOT}"'
        self.file.write_text(
            _SITE.format(
                f=figures,
                agent=AGENT,
                state=self.state,
                meter=f"{host}:{port}",
                hosts=f"{self.miners[0]}-{self.miners[-1]}",
                mqtt=mqtt,
                pem=agent_pem,
                keyring=ring,
            ),
            encoding="utf-8",
        )


def now_ns() -> int:
    """The clock that stand-ins stamp with."""
    return time.monotonic_ns()


_SITE = """\
[site]
id = "{f.id}"
agent = "{agent}"
control = "{f.control}"
nominal_hz = 50.0
state_dir = "{state}"

[[circuit]]
id = "poi"
meter = "main"
limit_kw = {f.limit_kw}
unmetered_kw = {f.unmetered_kw}
ramp_up_kw_per_min = {f.ramp_up_kw_per_min}
jump_up_kw = {f.jump_up_kw}
fallback_kw = {f.fallback_kw}
ramp_down_kw_per_min = {f.ramp_down_kw_per_min}
blind_after_s = {f.blind_after_s}

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
refresh_ms = {f.refresh_ms}

[[miners]]
id = "a"
circuit = "poi"
hosts = ["{hosts}"]
family = "{f.family}"
rated_w = {f.rated_w}
sleep_w = {f.sleep_w}
min_off_s = {f.min_off_s}
min_on_s = {f.min_on_s}
poll_s = 1

[[rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = {f.shed_below_hz}
shed_kw = {f.shed_kw}
release = {{ above_hz = {f.release_above_hz}, for_s = {f.release_for_s} }}

{mqtt}

[telemetry]
interval_ms = 500

[keys]
agent = "{pem}"
keyring = "{keyring}"
"""
