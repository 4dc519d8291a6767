"""A site of tests.e2e.agent with everything else on it: a tank, a contactor, GPUs with their gpud.

Twelve miners: the first six, "east", are cooled by tank-a and fed by contactor a-east; the other six, "west", by nobody
here. Four GPUs (fake library) are cooled by tank-a too. The meter counts all of them. Times are short on purpose.
"""

from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from hil.contactors import ContactorConfig, ContactorsConfig
from hil.remote import RigProcess
from hil.tank import TankConfig
from hil.under_test import Gpud, person
from tests.e2e.agent.broker import Broker
from tests.e2e.agent.site import Figures, Site

EAST = 6
GPUS = 4
FLOOR_W, FALLBACK_W, FULL_W, LOWEST_W = 350.0, 500.0, 700.0, 200.0  # the first two as configured, the others the fakes'
PERMITS = ("estop_ok", "leak_ok", "remote")


class Yard(Site):
    """The site. Without `gpud=True` its GPUs are not in site.toml."""

    def __init__(
        self,
        folder: Path,
        figures: Figures | None = None,
        *,
        broker: Broker | None = None,
        gpud: bool = False,
        auto_returns_per_day: int = 1,
        sheds_at: str = "condenser_flow_lpm_below = 60, vapor_pressure_kpa_g_above = 6.0",
        use: str = "last",
    ) -> None:
        super().__init__(folder, figures, broker=broker)
        self.east, self.west = self.miners[:EAST], self.miners[EAST:]
        self._gpud: Gpud | None = None
        self._with_gpus = gpud
        self._rule = {"auto_returns_per_day": auto_returns_per_day, "sheds_at": sheds_at, "use": use}
        tank = TankConfig(miners=tuple(self.east), gpus=gpud, rated_w=30_000.0)
        east = ContactorConfig(
            "a-east", coil=1, closed=2, open=3, miners=tuple(self.east), interlocks=("estop_ok", "leak_ok")
        )
        switchgear = ContactorsConfig(
            contactors=(east,), inputs={"q52g_open": 1, "estop_ok": 4, "leak_ok": 5, "remote": 6}, remote="remote"
        )
        config = self.rig.config
        self.rig = RigProcess(
            type(config)(
                miners=config.miners,
                meters=config.meters,
                unmetered_w=config.unmetered_w,
                tanks=(tank,),
                switchgears=(switchgear,),
                gpus=GPUS if gpud else 0,
            )
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill_gpud()
        super().__exit__(kind, error, at)

    def start(self, *, settled: bool = True) -> None:
        """`ballast gpud`, if there is to be one and it does not run, and `ballast run`."""
        if self._with_gpus and self._gpud is None:
            self.start_gpud()
        super().start(settled=settled)
        if self._with_gpus and settled:  # it begins anew once it knows them
            self.eventually("the GPUs are heard", lambda: self._gpus_heard() == GPUS)

    # --- gpud ---------------------------------------------------------------------------------------------------------

    def start_gpud(self) -> None:
        """`ballast gpud` over the fake library."""
        self._gpud = Gpud(self.folder, self.folder / "gpud.log", self.rig.gpud_environment)
        self._gpud.start()

    def kill_gpud(self) -> None:
        """kill -9, if it runs."""
        if self._gpud is not None:
            self._gpud.kill()
            self._gpud = None

    def _gpus_heard(self) -> int:
        return sum(row["kind"] == "gpu" for row in self.status().get("devices", ()))

    def kill_gpu_worker(self) -> None:
        """kill -9 of gpud's NVML worker alone."""
        assert self._gpud is not None
        for worker in psutil.Process(self._gpud.pid).children():
            worker.kill()

    @property
    def gpud_socket(self) -> Path:
        """Where gpud listens."""
        return self.folder / "gpud.sock"

    def gpu_limits(self) -> list[float]:
        """The limit of each GPU, as the driver has it."""
        return [gpu["limit_w"] for gpu in self.rig.do("gpu", deed="gpus")]

    # --- tank and switchgear ------------------------------------------------------------------------------------------

    def tank(self) -> dict[str, Any]:
        """What is really so in the tank."""
        tank: dict[str, Any] = self.rig.do("plcs")["tanks"]["tank-a"]
        return tank

    def closed(self) -> bool:
        """Whether the contactor's poles are closed."""
        closed: bool = self.rig.do("plcs")["switchgears"]["switchgear"]["contactors"]["a-east"]
        return closed

    def coils(self, since_ns: int = 0) -> list[tuple[int, bool]]:
        """What was written to the contactor's coil, and when."""
        written = self.rig.do("stamps")["plcs"]["switchgear"]["coils"]
        return [(at_ns, value) for at_ns, coil, value in written if coil == 1 and at_ns >= since_ns]

    def plc_writes(self, plc: str) -> list[str]:
        """Everything that could have changed a PLC, as hexadecimal PDUs."""
        return [pdu for _, pdu in self.rig.do("traffic")["plcs"][plc]["writes"]]

    def device(self, name: str) -> dict[str, Any]:
        """One device as the status has it; empty while it is not in it."""
        return next((row for row in self.status().get("devices", ()) if row["id"] == name), {})

    def do(self, verb: str, target: str, *more: str) -> str:
        """`ballast tag|untag|local|ack|release`, as a person does it; what it said."""
        return person(self.socket, verb, target, *more)

    def mend(self) -> None:
        """Everything on site is well again, whatever a test did."""
        self.rig.do("frequency", hz=50.0)
        self.rig.do("lie", lie="none")
        self.rig.do("miner_fault", fault="none")
        self.rig.do("condenser_flow", plc="tank-a", lpm=None)
        self.rig.do("weld", plc="switchgear", contactor="a-east", welded=False)
        self.rig.do("stick", plc="switchgear", contactor="a-east", stuck=False)
        for plc in ("tank-a", "switchgear"):
            self.rig.do("plc_fault", plc=plc, fault="none")
        for name in PERMITS:
            self.rig.do("input", plc="switchgear", name=name, on=True)

    def whole(self) -> bool:
        """All is on, closed and NORMAL."""
        return self.mode() == "NORMAL" and self.closed() and len(self.on()) == len(self.miners)

    def _write(self) -> None:
        super()._write()
        inventory = "address,string,tank\n"
        inventory += "".join(f"{miner},east,tank-a\n" for miner in self.east)
        inventory += "".join(f"{miner},west,\n" for miner in self.west)
        (self.folder / "miners.csv").write_text(inventory, encoding="utf-8")
        text = self.file.read_text(encoding="utf-8")
        text = text.replace(f'hosts = ["{self.miners[0]}-{self.miners[-1]}"]', 'inventory = "miners.csv"')
        text += _DEVICES.format(tank=self.rig.plcs["tank-a"], switchgear=self.rig.plcs["switchgear"], **self._rule)
        if self._with_gpus:
            text += _GPUS.format(socket=self.gpud_socket, floor_w=FLOOR_W, fallback_w=FALLBACK_W)
        self.file.write_text(text, encoding="utf-8")


_DEVICES = """
[[link]]
id = "cooling-net"
url = "tcp://{tank}"

[[link]]
id = "switchgear-net"
url = "tcp://{switchgear}"

[[plc]]
id = "tank-a"
link = "cooling-net"
unit_id = 3
profile = "two-phase-tank"
fast_ms = 50
blind_after_s = 2
heartbeat_ms = 500

[[plc]]
id = "switchgear"
link = "switchgear-net"
unit_id = 20
profile = "contactors-16"
fast_ms = 50
heartbeat_ms = 200
[plc.bits]
q52g_open = "di1"
k1_52a = "di2"
k1_52b = "di3"
estop_ok = "di4"
leak_ok = "di5"
remote = "di6"

[[contactor]]
id = "a-east"
plc = "switchgear"
close = {{ coil = "k1", kind = "maintained" }}
feedback = {{ closed = "k1_52a", open = "k1_52b", within_ms = 500 }}
permit = ["estop_ok", "leak_ok", "remote"]
feeds = {{ miners = "a", string = "east" }}
use = "{use}"
min_open_s = 3
operations_per_day_max = 20
on_silence = "open"

[[rule]]
id = "tank"
kind = "cooling"
plc = "tank-a"
shed = {{ {sheds_at}, for_ms = 200 }}
warn = {{ vapor_pressure_kpa_g_above = 4.0, coolant_c_above = 52.0, for_s = 1 }}
permit = {{ vapor_pressure_kpa_g_below = 3.0, condenser_flow_lpm_above = 80, for_s = 2 }}
auto_returns_per_day = {auto_returns_per_day}
"""

_GPUS = """
[[gpus]]
id = "r1"
circuit = "poi"
at = "unix:{socket}"
select = "all"
floor_w = {floor_w}
fallback_w = {fallback_w}
value_usd_per_mwh = 900.0
cooling = "tank-a"
"""
