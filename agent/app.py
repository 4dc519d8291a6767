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
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from agent import report
from agent.config import GpusTable, LinkTable, SiteFile
from agent.core.notes import CommandNote, EventNote, Note
from agent.core.rules import Rules
from agent.core.tree import Tree
from agent.devices import Devices, Doors, read_listed, real_transport
from agent.flight.recorder import FOLDER, Recorder
from agent.flight.scene import head_of
from agent.local.status import SOCKET_NAME, StatusServer
from agent.shell.alone import alone_in
from agent.shell.board import Board
from agent.shell.clock import Clock, SystemClock
from agent.shell.disk import Disk, RealDisk
from agent.shell.journal import Journal
from agent.shell.keeping import Keeping
from agent.shell.lateness import Lateness
from agent.shell.local_time import LocalTime
from agent.shell.people import People
from agent.shell.spawn import RealSpawn, Spawn
from agent.shell.watchdog import ServiceManager, feed, measure_lateness
from agent.translate import GpuSteps, Translated, translate
from agent.uplink.keyring import Keyring
from agent.uplink.mqtt import MqttWire, broker_at
from agent.uplink.publisher import Uplink, UplinkSettings
from agent.uplink.records import ctl_body
from agent.uplink.sealing import Signer
from agent.uplink.spool import Spool
from agent.uplink.wire import Wire
from agent.version import VERSION
from drivers.dial import Dial, SocketDial, raise_descriptor_limit
from drivers.gpu.wire import Connect, connect_to
from drivers.miners.dialect import Secret
from drivers.modbus.transport import Transport
from drivers.profile import load_profile

MIB = 1024 * 1024

log = logging.getLogger(__name__)


class Seams(Struct, frozen=True):
    """The doors to the outside, and where chance comes from."""

    dial: Dial
    transport: Callable[[LinkTable], Transport]
    gpud: Callable[[GpusTable], Connect]
    wire: Wire | None  # the broker; None: nothing is published, nothing is heard
    disk: Disk
    clock: Clock
    spawn: Spawn  # for what must be durable soon
    spawn_spool: Spawn  # for what may wait: for the broker, or to be looked at later
    token_hex: Callable[[int], str]
    jitter: random.Random


class Identity(Struct, frozen=True):
    """Who we are, whom we obey, and what lets us in."""

    signer: Signer
    keyring: Keyring | None
    passwords: Mapping[str, Secret] = {}  # [[miners]] table -> what lets us in


class Agent:
    """The agent, put together. `run` is its whole life."""

    def __init__(self, file: SiteFile, seams: Seams, identity: Identity, *, uncommissioned: bool) -> None:
        self.file = file
        self.seams = seams
        self.identity = identity
        self.uncommissioned = uncommissioned
        self.relisted = asyncio.Event()  # a gpud listed other GPUs than we know: the caller begins anew
        self.translated: Translated
        self.tree: Tree
        self.started_ns = seams.clock.monotonic_ns()
        self.boot = seams.token_hex(8)
        self.epoch = 0
        self.board: Board
        self.recorder: Recorder
        self.uplink: Uplink | None = None
        self.devices: Devices
        self.people: People
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
        listed = {table.id: read_listed(self.journal.kept(f"gpus/{table.id}")) for table in self.file.gpus}
        self.translated = translate(self.file, listed, self.identity.passwords)
        self.tree = Tree(self.translated.site)
        self.recorder = self._make_recorder(listed)
        self.board = board = self._make_board()
        board.local_time = LocalTime(self.file.site.timezone)
        self.people = People(self.tree, board, board.image, self.journal, seams.clock, self._tell_note)
        self.devices = Devices(
            self.file,
            self.translated,
            board,
            Doors(seams.dial, seams.transport, seams.gpud, seams.clock, seams.jitter),
            partial(self._listed, listed),
        )
        await self._make_uplink(board)
        if self.uplink is not None:
            await self.uplink.restore()
        server = None
        if status_path is not None:
            answers: dict[str, Any] = {"status": lambda question: self.status(), **self.people.answers}
            try:
                server = await StatusServer.open(status_path, answers)
            except OSError:
                await self.journal.close()
                raise
        try:
            async with asyncio.TaskGroup() as tasks:
                working = [tasks.create_task(work, name=name) for name, work in self._work(manager)]
                tasks.create_task(self.recorder.run(lambda: self.devices.exchanger.firing), name="recorder")
                if self.uplink is not None:
                    tasks.create_task(self.uplink.run(), name="uplink")
                manager.ready(self._control_words())
                log.info("control from now on: %s", self._control_words())
                await _either(stop, self.relisted)
                if stop.is_set():
                    manager.stopping()
                log.info("stopping: nothing rises because of it")
                for task in working:
                    task.cancel()
                self.keeping.tell_rest()
                self.recorder.stop()
                if self.uplink is not None:
                    self.uplink.stop("stopped" if stop.is_set() else "other GPUs")
        finally:
            await self.devices.close()
            if server is not None:
                await server.close()
        self.keeping.stop()
        await self.journal.close()

    def _work(self, manager: ServiceManager) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """Everything that runs for as long as we control."""
        board = self.board
        yield from self.devices.work()
        yield "arm", board.keep_armed(lambda: self.devices.exchanger.firing)
        yield "beat", board.run()
        yield "keeping", self.keeping.run()
        yield "watchdog", feed(manager, lambda: board.beats)
        yield "lateness", measure_lateness(self.lateness, self.seams.clock)
        yield "publish", self._publish()

    def _listed(
        self,
        known: Mapping[str, tuple[GpuSteps, ...]],
        table: str,
        listed: tuple[GpuSteps, ...],
    ) -> None:
        """A gpud said which GPUs it has. Other ones than we know: what we know of the site is built anew with them."""
        if listed == known[table]:
            return
        log.info("[[gpus]] %s has %d GPUs now", table, len(listed))
        self.journal.post(f"gpus/{table}", listed)
        self.relisted.set()

    def _make_board(self) -> Board:
        return Board(
            self.tree,
            Rules(self.tree, self.translated.rules),
            self.seams.clock,
            self.keeping.state(self.tree),
            self.keeping.armed_before(),
            self.recorder,
            on_notes=self._notes,
            on_durable=self.keeping.durable,
            on_armed=self.keeping.armed,
            on_panel=lambda plc, local: self.people.panel(plc, local=local),
            remote=self.translated.remote,
        )

    def _make_recorder(self, listed: Mapping[str, tuple[GpuSteps, ...]]) -> Recorder:
        seams, folder = self.seams, Path(self.file.site.state_dir) / FOLDER
        head = head_of(self.file, listed, self.boot)
        return Recorder(head, seams.disk, seams.spawn_spool, seams.clock, folder, self._fault)

    # --- what is told -------------------------------------------------------------------------------------------------

    def _fault(self, text: str) -> None:
        log.error("%s", text)
        self._faults.append(text)
        if self.uplink is not None:
            self._tell_fault(text)

    def _tell_fault(self, text: str) -> None:
        assert self.uplink is not None
        self.uplink.event({"ev": None, "k": "alarm", "circuit": None, "rule": None, "class": None, "why": text})

    def _tell_note(self, note: EventNote) -> None:
        self._tell((note,))

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

    async def _make_uplink(self, board: Board) -> None:
        if self.seams.wire is None or self.file.mqtt is None:
            return
        settings = UplinkSettings(
            self.file.site.id,
            self.file.site.agent,
            VERSION,
            self.file.mqtt.root,
            self.file.site.control,
            self.file.site.commissioned is not None,
        )
        self.uplink = Uplink(
            settings,
            wire=self.seams.wire,
            signer=self.identity.signer,
            keyring=self.identity.keyring,
            clock=self.seams.clock,
            keeper=self.journal,
            sink=board,
            spool=await self._open_spool(),
            boot=self.boot,
            epoch=self.epoch,
            jitter=self.seams.jitter,
        )
        profiles = {table.profile for table in self.file.meters} | {table.profile for table in self.file.plcs}
        names = {point.name for profile in profiles for point in load_profile(profile).points}
        self._columns = report.columns(names)
        self.uplink.describe(report.devices(self.tree, self.translated.models), self._columns)
        board.broker_away_ns = self.uplink.away_ns
        for text in self._faults:
            self._tell_fault(text)

    async def _open_spool(self) -> Spool | None:
        folder = Path(self.file.site.state_dir) / "spool"
        spool = Spool(self.seams.disk, folder, self.file.telemetry.spool_mib * MIB, self.seams.spawn_spool)
        try:
            await spool.open()
        except OSError as error:
            self._fault(f"nothing can wait for the broker on the disk: {folder}: {error.strerror or error}")
            return None
        return spool

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
                    tie=str(self.board.state.tie or "unknown"),
                    response=report.responses(self.board),
                    tags=self.people.held(),
                    commissioned=self.file.site.commissioned is not None,
                )
            )

    # --- for people ---------------------------------------------------------------------------------------------------

    def _control_words(self) -> str:
        if self.file.site.control == "observe":
            return "observe, nothing is written to any device"
        return "act, uncommissioned" if self.uncommissioned else "act"

    def status(self) -> dict[str, Any]:
        """The whole of what `ballast status` shows."""
        now_ns = self.seams.clock.monotonic_ns()
        turns = [turn for poller in self.devices.pollers.values() for turn in poller.turns]
        polls_late = [turn.lateness.percentile_ns(99) for turn in turns]
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
            "tags": self.people.held(),
            "latched": dict(self.board.state.durable.latched),
            "journal": "degraded" if self.journal.degraded else "ok",
            "links": [
                {
                    "id": name,
                    "address": link.address,
                    "state": "up" if link.state.connected else "down",
                    "detail": link.state.error,
                }
                for name, link in self.devices.links.items()
            ],
        }
        if self.uplink is not None:
            state = "connected" if self.uplink.connected else "away"
            names["broker"] = {"state": state, "detail": self.uplink.trouble}
            names["buffer"] = {
                "bytes": self.uplink.outbox.bytes,
                "records": len(self.uplink.outbox),
                "disk_bytes": self.uplink.bytes_on_disk,
                "lost": sum(count for name, count in self.uplink.counters.items() if name.startswith("lost")),
            }
        else:
            names["broker"] = {"state": "none", "detail": "site.toml has no [mqtt]"}
            names["buffer"] = {"bytes": 0, "records": 0, "disk_bytes": 0, "lost": 0}
        return report.status(self.board, names, now_ns)


async def serve(file: SiteFile, identity: Identity, *, uncommissioned: bool, stop: asyncio.Event) -> None:
    """The agent on the real world, until `stop`; OSError when its state folder or status socket cannot be had."""
    clock = SystemClock()
    wire = None
    if file.mqtt is not None:
        paths = [None if text is None else Path(text) for text in (file.mqtt.ca, file.mqtt.cert, file.mqtt.key)]
        wire = MqttWire(broker_at(file.mqtt.url, f"{file.site.id}.{file.site.agent}", *paths))
    raise_descriptor_limit()
    spawn, spawn_spool = RealSpawn("disk"), RealSpawn("spool")
    folder = os.environ.get("RUNTIME_DIRECTORY", file.site.state_dir)
    manager = ServiceManager.of(os.environ, os.getpid())
    try:
        with alone_in(Path(file.site.state_dir)):
            while not stop.is_set():
                dial = SocketDial()
                seams = Seams(
                    dial=dial,
                    transport=real_transport,
                    gpud=lambda table: connect_to(table.at),
                    wire=wire,
                    disk=RealDisk(),
                    clock=clock,
                    spawn=spawn,
                    spawn_spool=spawn_spool,
                    token_hex=secrets.token_hex,
                    jitter=random.SystemRandom(),
                )
                agent = Agent(file, seams, identity, uncommissioned=uncommissioned)
                try:
                    await agent.run(stop, status_path=Path(folder) / SOCKET_NAME, manager=manager)
                finally:
                    dial.shut()
    finally:
        spawn.close()
        spawn_spool.close()


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    """Waits for the first of two events."""
    waits = [asyncio.ensure_future(one.wait()), asyncio.ensure_future(other.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
