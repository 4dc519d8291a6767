"""The composition root: the only file that knows every concrete class, and the order in which things start and stop.

start   journal -> what it kept -> board -> links and loads polled, ladder armed, uplink, status socket: all at once.
        Control runs from the first second whether or not a broker, a clock or a network answers.
stop    polling and control end first (nothing rises because we are gone), then a goodbye to the broker, then the
        journal.

The six seams (Seams) are all that the simulation replaces.
"""

import asyncio
import logging
import os
import random
import secrets
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from agent import report
from agent.config import LinkTable, SiteFile
from agent.core.notes import CommandNote, Note
from agent.core.rules import Rules
from agent.core.tree import Tree
from agent.local.status import SOCKET_NAME, StatusServer
from agent.shell.alone import alone_in
from agent.shell.board import Board
from agent.shell.clock import Clock, SystemClock
from agent.shell.disk import Disk, RealDisk
from agent.shell.journal import Journal
from agent.shell.keeping import Keeping
from agent.shell.lateness import Lateness
from agent.shell.load_polling import LoadPoller, PolledLoad
from agent.shell.polling import LinkPoller, PolledMeter
from agent.shell.spawn import RealSpawn, Spawn
from agent.shell.volley import Volley
from agent.shell.watchdog import ServiceManager, feed, measure_lateness
from agent.translate import Translated, translate
from agent.uplink.keyring import Keyring
from agent.uplink.mqtt import MqttWire, broker_at
from agent.uplink.publisher import Uplink, UplinkSettings
from agent.uplink.records import ctl_body
from agent.uplink.sealing import Signer
from agent.uplink.wire import Wire
from agent.version import VERSION
from drivers.dial import Dial, SocketDial, raise_descriptor_limit
from drivers.miners.client import Exchanger
from drivers.modbus.link import Link
from drivers.modbus.meter import MeterReader
from drivers.modbus.transport import PymodbusTransport, Transport
from drivers.profile import load_profile

MIB = 1024 * 1024
BUFFER_MIB_MAX = 16  # the spool is not yet on disk: this much of it is kept in memory

log = logging.getLogger(__name__)


class Seams(Struct, frozen=True):
    """The six doors to the outside, and where chance comes from."""

    dial: Dial
    transport: Callable[[LinkTable], Transport]
    wire: Wire | None  # the broker; None: nothing is published, nothing is heard
    disk: Disk
    clock: Clock
    spawn: Spawn
    token_hex: Callable[[int], str]
    jitter: random.Random


class Identity(Struct, frozen=True):
    """Who we are, and whom we obey."""

    signer: Signer
    keyring: Keyring | None


class Agent:
    """The agent, put together. `run` is its whole life."""

    def __init__(self, file: SiteFile, seams: Seams, identity: Identity, *, uncommissioned: bool) -> None:
        self.file = file
        self.seams = seams
        self.identity = identity
        self.uncommissioned = uncommissioned
        self.translated: Translated = translate(file)
        self.tree = Tree(self.translated.site)
        self.started_ns = seams.clock.monotonic_ns()
        self.boot = seams.token_hex(8)
        self.epoch = 0
        self.board: Board
        self.uplink: Uplink | None = None
        self.pollers: list[LinkPoller] = []
        self.links: dict[str, Link] = {}
        self.lateness = Lateness()
        self.journal: Journal
        self.keeping: Keeping
        self._faults: list[str] = []

    async def run(self, stop: asyncio.Event, *, status_path: Path | None, manager: ServiceManager) -> None:
        """Control the site until `stop` is set."""
        seams = self.seams
        self.journal = await Journal.open(seams.disk, seams.spawn, Path(self.file.site.state_dir), on_fault=self._fault)
        self.keeping = Keeping(self.journal, seams.clock, self._fault)
        self.epoch = self.keeping.epoch(self.boot)
        self.board = board = self._make_board()
        exchanger = Exchanger(seams.dial, seams.clock.monotonic_ns)
        volley = Volley(
            exchanger,
            board,
            seams.clock,
            self.translated.targets,
            observe=self.translated.site.observe,
            wanted=board.wanted,
        )
        board.use(volley)
        self._make_uplink(board)
        if self.uplink is not None:
            await self.uplink.restore()
        server = None
        if status_path is not None:
            try:
                server = await StatusServer.open(status_path, {"status": lambda question: self.status()})
            except OSError:
                await self.journal.close()
                raise
        try:
            async with asyncio.TaskGroup() as tasks:
                working = [tasks.create_task(work, name=name) for name, work in self._work(exchanger, volley, manager)]
                if self.uplink is not None:
                    tasks.create_task(self.uplink.run(), name="uplink")
                manager.ready(self._control_words())
                log.info("control from now on: %s", self._control_words())
                await stop.wait()
                manager.stopping()
                log.info("stopping: nothing rises because of it")
                for task in working:
                    task.cancel()
                self.keeping.tell_rest()
                if self.uplink is not None:
                    self.uplink.stop("stopped")
        finally:
            exchanger.close()  # what is still out would look at a dial that is shut by then
            if server is not None:
                await server.close()
        self.keeping.stop()
        await self.journal.close()

    def _work(
        self, exchanger: Exchanger, volley: Volley, manager: ServiceManager
    ) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """Everything that runs for as long as we control."""
        clock, board = self.seams.clock, self.board
        for name, poller in self._make_pollers().items():
            yield f"poll:{name}", poller.run()
        loads = [PolledLoad(target, self.translated.poll_ns[target.load]) for target in self.translated.targets]
        if loads:
            yield "poll:loads", LoadPoller(loads, exchanger, board, clock, volley).run()
        yield "volley", volley.run()
        yield "arm", board.keep_armed(lambda: exchanger.firing)
        yield "beat", board.run()
        yield "keeping", self.keeping.run()
        yield "watchdog", feed(manager, lambda: board.beats)
        yield "lateness", measure_lateness(self.lateness, clock)
        yield "publish", self._publish()

    def _make_board(self) -> Board:
        return Board(
            self.tree,
            Rules(self.tree, self.translated.rules),
            self.seams.clock,
            self.keeping.state(self.tree),
            self.keeping.armed_before(),
            on_notes=self._notes,
            on_durable=self.keeping.durable,
            on_armed=self.keeping.armed,
        )

    # --- what is told -------------------------------------------------------------------------------------------------

    def _fault(self, text: str) -> None:
        log.error("%s", text)
        self._faults.append(text)
        if self.uplink is not None:
            self._tell_fault(text)

    def _tell_fault(self, text: str) -> None:
        assert self.uplink is not None
        self.uplink.event({"ev": None, "k": "alarm", "circuit": None, "rule": None, "class": None, "why": text})

    def _notes(self, notes: Sequence[Note]) -> None:
        self.keeping.afterwards(partial(self._tell, notes))

    def _tell(self, notes: Sequence[Note]) -> None:
        for note in notes:
            if isinstance(note, CommandNote):
                log.info("command %s %s %s", note.command, note.state, note.code)
            else:
                log.info("%s %s %s: %s", note.kind, note.circuit, note.rule, note.why)
            if self.uplink is not None:
                self.uplink.told(note)

    def _make_uplink(self, board: Board) -> None:
        if self.seams.wire is None or self.file.mqtt is None:
            return
        settings = UplinkSettings(
            self.file.site.id,
            self.file.site.agent,
            VERSION,
            self.file.mqtt.root,
            self.file.site.control,
            self.file.site.commissioned is not None,
            min(self.file.telemetry.spool_mib, BUFFER_MIB_MAX) * MIB,
        )
        self.uplink = Uplink(
            settings,
            wire=self.seams.wire,
            signer=self.identity.signer,
            keyring=self.identity.keyring,
            clock=self.seams.clock,
            keeper=self.journal,
            sink=board,
            boot=self.boot,
            epoch=self.epoch,
            jitter=self.seams.jitter,
        )
        names = {point.name for meter in self.file.meters for point in load_profile(meter.profile).points}
        self._columns = report.columns(names)
        self.uplink.describe(report.devices(self.tree, self.translated.models), self._columns)
        for text in self._faults:
            self._tell_fault(text)

    async def _publish(self) -> None:
        """Telemetry at its interval, and `ctl` as it changes."""
        if self.uplink is None:
            return
        sampler = report.Sampler(self.tree, self._columns)
        interval_s = self.file.telemetry.interval_ms / 1000
        while True:
            await asyncio.sleep(interval_s)
            now_ns = self.seams.clock.monotonic_ns()
            rows = sampler.rows(self.board)
            if rows:
                self.uplink.telemetry(now_ns, rows)
            self.uplink.state(
                ctl_body(
                    self.file.site.control,
                    report.circuit_states(self.tree, self.board),
                    response=report.responses(self.board),
                    commissioned=self.file.site.commissioned is not None,
                )
            )

    # --- what is read -------------------------------------------------------------------------------------------------

    def _make_pollers(self) -> dict[str, LinkPoller]:
        pollers: dict[str, LinkPoller] = {}
        for table in self.file.links:
            meters = [meter for meter in self.file.meters if meter.link == table.id]
            if not meters:
                continue
            clock = self.seams.clock
            link = Link(self.seams.transport(table), clock.monotonic_ns, self.seams.jitter.random)
            self.links[table.id] = link
            polled = [
                PolledMeter(
                    meter.id,
                    MeterReader(link, meter.unit_id, load_profile(meter.profile), invert=meter.invert),
                    meter.fast_ms * 1_000_000,
                    meter.slow_ms * 1_000_000,
                )
                for meter in meters
            ]
            pollers[table.id] = LinkPoller(polled, self.board, clock)
        self.pollers = list(pollers.values())
        return pollers

    # --- for people ---------------------------------------------------------------------------------------------------

    def _control_words(self) -> str:
        if self.file.site.control == "observe":
            return "observe, nothing is written to any device"
        return "act, uncommissioned" if self.uncommissioned else "act"

    def status(self) -> dict[str, Any]:
        """The whole of what `ballast status` shows."""
        now_ns = self.seams.clock.monotonic_ns()
        polls_late = [turn.lateness.percentile_ns(99) for poller in self.pollers for turn in poller.turns]
        names = {
            "site": self.file.site.id,
            "agent": self.file.site.agent,
            "version": VERSION,
            "control": self.file.site.control,
            "uncommissioned": self.uncommissioned,
            "up_ms": (now_ns - self.started_ns) // 1_000_000,
            "boot": self.boot,
            "epoch": self.epoch,
            "loop_late_ms": self.lateness.percentile_ns(99) / 1e6,
            "polls_late_ms": max(polls_late, default=0) / 1e6,
            "faults": self._faults[-10:],
            "journal": "degraded" if self.journal.degraded else "ok",
            "links": [
                {
                    "id": name,
                    "address": link.address,
                    "state": "up" if link.state.connected else "down",
                    "detail": link.state.error,
                }
                for name, link in self.links.items()
            ],
        }
        if self.uplink is not None:
            state = "connected" if self.uplink.connected else "away"
            names["broker"] = {"state": state, "detail": self.uplink.trouble}
            names["buffer"] = {
                "bytes": self.uplink.outbox.bytes,
                "records": len(self.uplink.outbox),
                "lost": sum(count for name, count in self.uplink.counters.items() if name.startswith("lost")),
            }
        else:
            names["broker"] = {"state": "none", "detail": "site.toml has no [mqtt]"}
            names["buffer"] = {"bytes": 0, "records": 0, "lost": 0}
        return report.status(self.board, names, now_ns)


async def serve(file: SiteFile, identity: Identity, *, uncommissioned: bool, stop: asyncio.Event) -> None:
    """The agent on the real world, until `stop`; OSError when its state folder or status socket cannot be had."""
    clock = SystemClock()
    wire = None
    if file.mqtt is not None:
        paths = [None if text is None else Path(text) for text in (file.mqtt.ca, file.mqtt.cert, file.mqtt.key)]
        wire = MqttWire(broker_at(file.mqtt.url, f"{file.site.id}.{file.site.agent}", *paths))
    raise_descriptor_limit()
    dial, spawn = SocketDial(), RealSpawn("disk")
    seams = Seams(
        dial=dial,
        transport=lambda table: PymodbusTransport(table.host, table.port),
        wire=wire,
        disk=RealDisk(),
        clock=clock,
        spawn=spawn,
        token_hex=secrets.token_hex,
        jitter=random.SystemRandom(),
    )
    agent = Agent(file, seams, identity, uncommissioned=uncommissioned)
    folder = os.environ.get("RUNTIME_DIRECTORY", file.site.state_dir)
    try:
        with alone_in(Path(file.site.state_dir)):
            await agent.run(
                stop, status_path=Path(folder) / SOCKET_NAME, manager=ServiceManager.of(os.environ, os.getpid())
            )
    finally:
        dial.shut()
        spawn.close()
