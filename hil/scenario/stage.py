"""Everything that one scenario needs, started: its rig, a broker with ears on it, the agent; and what it can look at.

A stage lives in a folder of its own: site.toml, keys, state, logs. All is ended with its `with` block.
"""

import contextlib
import math
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hil.ears import Ears
from hil.evidence import load_public_key
from hil.issuer import Key, Sealed
from hil.mosquitto import Mosquitto
from hil.remote import RigError
from hil.rig_file import RigFile
from hil.rig_protocols import Truth
from hil.rig_whole import WholeRig
from hil.scenario.conditions import Sight
from hil.scenario.file import Scenario
from hil.scenario.place import loads_of, namespaces
from hil.scenario.seen import LADDER, expand
from hil.scenario.spoiling import Issuers
from hil.scenario.surroundings import Disk, Network, WallClock
from hil.site_toml import AGENT, ROOT, SITE, Places, write_site
from hil.under_test import Agent, Died, Gpud

SETTLED_S = 60.0
_LOOK_S = 0.02
_SAMPLE_S = 0.1


class NotInTime(Exception):
    """Something that was waited for did not come."""


class Stage:
    """The scenario's world."""

    def __init__(self, scenario: Scenario, file: RigFile, folder: Path, seed: int) -> None:
        self.scenario = scenario
        self.file = file
        self.folder = folder
        self.state: Path
        self.rig = WholeRig(file, seed, for_floor=scenario.floor is not None)
        self.loads: dict[str, tuple[str, ...]] = {}
        self.issuers = Issuers()
        self.broker: Mosquitto | None = None
        self.ears: Ears | None = None
        self.gpud: Gpud | None = None
        self.network: Network | None = None
        self.disk: Disk | None = None
        self.clock: WallClock | None = None
        self.agent: Agent
        self.exits: list[int] = []
        self.commands: dict[str, Sealed] = {}
        self._epoch = 0
        self.last_status: dict[str, Any] = {}
        self.samples: list[tuple[Truth, dict[str, Any]]] = []
        self.mark_ns = time.monotonic_ns()  # when the entry before was done
        self._mark_words = 0
        self._counts = (0, 0)
        self._sampling = threading.Event()
        self.blind: Exception | None = None  # why nothing more was sampled
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as opening:
            # A Unix socket's path has at most 107 characters, so what has one is not below OUT.
            short = Path(opening.enter_context(tempfile.TemporaryDirectory(prefix="hil-")))
            self.state = short / "state"
            if "--net" in namespaces(self.scenario):
                self.network = Network()
            if "--mount" in namespaces(self.scenario):
                self.disk = Disk(self.state)
                opening.callback(self.disk.close)
            if self.scenario.does("step_clock"):
                self.clock = WallClock(self.folder)
            opening.enter_context(self.rig)
            self.loads = loads_of(self.file, self.rig.miners)
            if self.scenario.head.uplink:
                self.broker = opening.enter_context(Mosquitto(self.folder / "broker"))
            places = self._places()
            key = Key(self.folder / "agent.pem")
            (self.folder / "keyring.json").write_text(self.issuers.keyring(), encoding="utf-8")
            site = write_site(self.file, places, self.scenario.site)
            if self.broker is not None:
                raw = load_public_key((self.folder / "agent.pem.pub").read_bytes())
                assert raw == key.raw
                self.ears = opening.enter_context(Ears(self.broker.port, raw, SITE, AGENT, ROOT))
            self._make_programs(site, places, opening)
            opening.callback(self._end_sampling, self._start_sampling())
            self._open = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    # --- the agent ----------------------------------------------------------------------------------------------------

    @property
    def acts(self) -> bool:
        """Whether the agent may do anything."""
        return bool(self.scenario.site.get("site", {}).get("control", "act") == "act")

    def start_agent(self, *, settled: bool) -> None:
        """`ballast run`; settled: it has heard the meter and every load, can respond, and has the broker."""
        if self.gpud is not None and self.gpud.pid is None:
            self.gpud.start()
        self.agent.start()
        self.wait_for("the agent answers at its socket", lambda: not self.agent.status(), SETTLED_S)
        if settled:
            self.wait_for("the agent is settled", self._unsettled, SETTLED_S)
            self.loads[LADDER] = self._ladder()
        self.epoch()

    def epoch(self) -> int:
        """The newest that the agent told."""
        if self.agent.pid is not None:
            self._epoch = self.agent.status().get("epoch", self._epoch)
        return self._epoch

    def stop_agent(self) -> None:
        """SIGTERM, if it runs."""
        if self.agent.pid is not None:
            self.agent.check()
            self.exits.append(self.agent.stop())

    def wait_for(self, what: str, lacking: Callable[[], Any], within_s: float) -> None:
        """Until `lacking` says nothing; NotInTime with what it said last."""
        end_s = time.monotonic() + within_s
        while said := lacking():
            if time.monotonic() >= end_s:
                told = f": {said}" if isinstance(said, str) else ""
                raise NotInTime(f"not within {within_s:g} s: {what}{told}")
            self.agent.check()
            time.sleep(_LOOK_S)

    def _unsettled(self) -> str:
        status = self.agent.status()
        if not status or not status["circuits"]:
            return "it says nothing yet"
        mode = status["circuits"][0]["mode"]
        if mode == "BOOT":
            return "mode BOOT"
        if self.broker is not None and status["broker"]["state"] != "connected":
            return "not at the broker"
        if self.acts and status["response"] and not status["response"][0]["kw"]:
            return "no response yet"
        for device in status["devices"]:
            if device["kind"] in ("meter", "plc") and device["state"] != "ok":
                return f"{device['id']} is {device['state']}"
        wanted = self._ladder_wanted(status)
        return "" if len(status["ladder"]) >= wanted else f"{len(status['ladder'])} of {wanted} steps in its ladder"

    def _ladder(self) -> tuple[str, ...]:
        """The miners in shedding order, as its status tells it."""
        rungs = [rung["load"].partition("/")[2] for rung in self.agent.status()["ladder"]]
        return tuple(rung for rung in dict.fromkeys(rungs) if rung in self.loads["all"])

    def _ladder_wanted(self, status: dict[str, Any]) -> int:
        """Every load that runs has a step in it."""
        return len(self.rig.truth().on) + sum(one.count for one in self.file.gpus if not one.real)

    # --- what can be looked at ----------------------------------------------------------------------------------------

    def mark(self) -> None:
        """From here on counts as "since the entry before"."""
        self.mark_ns = time.monotonic_ns()
        self._mark_words = len(self.agent.words())
        self._counts = (self._polls(), self._beats())

    def sight(self) -> Sight:
        """For conditions."""
        return Sight(
            status=lambda: self.agent.status() if self.agent.pid is not None else {},
            running=lambda: self.rig.truth().on,
            watts=lambda: self.rig.truth().watts,
            hertz=self._shown_hertz,
            told=self.told,
            events=self._events,
            acks=self.acks,
            contactors=lambda: self.rig.truth().contactors,
            limits_w=lambda: self.rig.truth().limits_w,
            refreshes=self._refreshes,
            polls=lambda: self._polls() - self._counts[0],
            beats=lambda: self._beats() - self._counts[1],
            words=lambda: self.agent.words()[self._mark_words :],
            loads=lambda name: expand(name, self.loads),
        )

    def told(self, step: str) -> dict[str, int]:
        """The loads that were told a step since the entry before, and when."""
        found: dict[str, int] = {}
        for miner, told in self.rig.stamps()["miners"].items():
            stamps = [at_ns for at_ns, verb in told if verb == step and at_ns >= self.mark_ns]
            if stamps:
                found[miner] = stamps[0]
        return found

    def acks(self, command: str) -> list[str]:
        """The statuses of a command."""
        digest = self.commands[command].digest
        return [] if self.ears is None else [one.body["st"] for one in self.ears.records() if _is_of(one, digest)]

    def _events(self) -> list[dict[str, Any]]:
        if self.ears is None:
            return []
        return [
            one.body for one in self.ears.records("evt") if one.received_ns >= self.mark_ns and one.body["t"] == "evt"
        ]

    def crossed_ns(self, below_hz: float) -> int | None:
        """When the main meter's registers first showed less than this, since the entry before."""
        shown = (one for one in self._main() if one["changed_ns"] >= self.mark_ns and one["hertz"] is not None)
        return next((one["changed_ns"] for one in shown if one["hertz"] < below_hz), None)

    def _main(self) -> list[dict[str, Any]]:
        refreshes: list[dict[str, Any]] = self.rig.stamps()["meters"].get(self.file.meter[0].id, [])
        return refreshes

    def _shown_hertz(self) -> float | None:
        refreshes = self._main()
        hertz = refreshes[-1]["hertz"] if refreshes else self.rig.truth().hertz
        return hertz if hertz is not None and math.isfinite(hertz) else None

    def _refreshes(self) -> int:
        return sum(1 for one in self._main() if one["changed_ns"] >= self.mark_ns and one["served_ns"])

    def _polls(self) -> int:
        """How often the miner that was asked least was asked."""
        asked = [sum(one["requests"].values()) for one in self.rig.traffic()["miners"].values()]
        return min(asked, default=0)

    def _beats(self) -> int:
        plcs = self.rig.stamps()["plcs"].values()
        return min((len(plc["beats"]) for plc in plcs), default=0)

    # --- making it ----------------------------------------------------------------------------------------------------

    def _places(self) -> Places:
        gpus = self.file.gpus[0] if self.file.gpus else None
        gpud = "" if gpus is None else gpus.at or f"unix:{self.state.parent / 'gpud.sock'}"
        port = None if self.broker is None else self.broker.port
        return Places(self.folder, self.state, self.rig.modbus, self.rig.miners, gpud, port)

    def _make_programs(self, site: Path, places: Places, opening: contextlib.ExitStack) -> None:
        environment = {} if self.clock is None else self.clock.environment
        log = self.folder / "agent.log"
        self.agent = Agent(site, self.state, log, acts=self.acts, environment=environment)
        opening.callback(self.agent.kill)
        if self.file.gpus and not self.file.gpus[0].real:
            self.gpud = Gpud(self.state.parent, self.folder / "gpud.log", self.rig.gpud_environment)
            opening.callback(self.gpud.kill)

    def _start_sampling(self) -> threading.Thread:
        thread = threading.Thread(target=self._sample, name="sample", daemon=True)
        thread.start()
        return thread

    def _end_sampling(self, thread: threading.Thread) -> None:
        self._sampling.set()
        thread.join()

    def _sample(self) -> None:
        try:
            while not self._sampling.wait(_SAMPLE_S):
                status: dict[str, Any] = {}
                with contextlib.suppress(Died):
                    status = self.agent.status() if self.agent.pid is not None else {}
                self.samples.append((self.rig.truth(), _kept(status)))
        except (RigError, OSError, ValueError, KeyError) as error:
            self.blind = error


def _kept(status: dict[str, Any]) -> dict[str, Any]:
    """Of a status what is plotted and judged over time."""
    if not status:
        return {}
    circuit = (status["circuits"] or [{"mode": None, "hi_kw": None}])[0]
    rows = status["response"]
    return {"mode": circuit["mode"], "hi_kw": circuit["hi_kw"], "response_kw": rows[0]["kw"] if rows else None}


def _is_of(record: Any, digest: str) -> bool:
    return bool(record.channel.startswith("ack/") and record.body.get("cmd") == digest)
