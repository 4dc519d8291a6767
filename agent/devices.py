"""The devices of a site put together: links and what is polled on them, miners, GPUs, switchgear, and who is told what.

A part of app: like it, this file knows concrete classes.
"""

import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from agent.config import GpusTable, LinkTable, SiteFile
from agent.core.image import Outcome
from agent.core.setpoint import Setpoint
from agent.shell import switching
from agent.shell.board import Board
from agent.shell.clock import Clock
from agent.shell.load_polling import LoadPoller, PolledLoad
from agent.shell.polling import LinkPoller, PolledMeter
from agent.shell.routing import Actuator, Router
from agent.shell.volley import Held, Volley
from agent.translate import GpuSteps, Translated
from drivers.dial import Dial
from drivers.errors import DeviceError
from drivers.gpu.client import GpuHost
from drivers.gpu.messages import GpuInfo
from drivers.gpu.steps import FLOOR, FULL, LOWEST, steps_of
from drivers.gpu.wire import Connect
from drivers.miners.client import Exchanger
from drivers.modbus.link import Link
from drivers.modbus.meter import BlockRead
from drivers.modbus.plc import PlcReader, PlcWriter
from drivers.modbus.serial import Line, SerialTransport
from drivers.modbus.sunspec import make_reader
from drivers.modbus.transport import PymodbusTransport, Transport
from drivers.profile import load_profile

NS_PER_MS = 1_000_000
PLC_SLOW_NS = 1_000 * NS_PER_MS


class Doors(Struct, frozen=True):
    """The seams that devices need."""

    dial: Dial
    transport: Callable[[LinkTable], Transport]
    gpud: Callable[[GpusTable], Connect]
    clock: Clock
    jitter: random.Random


class _ByDevice:
    """What is read on one link goes to the board; what PLCs say goes by way of the switchgear, which sees it first."""

    def __init__(self, board: Board, switchgear: switching.Switchgear, plcs: set[str]) -> None:
        self._board = board
        self._switchgear = switchgear
        self._plcs = plcs

    def meter_read(self, meter_id: str, block: BlockRead, fast: bool) -> None:
        (self._switchgear if meter_id in self._plcs else self._board).meter_read(meter_id, block, fast)

    def meter_failed(self, meter_id: str, error: DeviceError) -> None:
        (self._switchgear if meter_id in self._plcs else self._board).meter_failed(meter_id, error)


class _GpuSink:
    """What a GpuHost tells, in the words of the board: drivers do not know the agent's outcomes."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.load_read = board.load_read
        self.write_sent = board.write_sent

    def load_failed(self, load_id: str, outcome: str, detail: str) -> None:
        self._board.load_failed(load_id, Outcome(outcome), detail)

    def write_answered(self, load_id: str, step: str, outcome: str, answered_ns: int, detail: str) -> None:
        self._board.write_answered(load_id, step, Outcome(outcome), answered_ns, detail)


class _Gpus:
    """A GpuHost as an actuator."""

    def __init__(self, host: GpuHost) -> None:
        self._host = host

    def fire(self, setpoints: Sequence[Setpoint]) -> list[Held]:
        by_load = {setpoint.load: setpoint for setpoint in setpoints}
        return [Held(by_load[held.setpoint.load], held.why) for held in self._host.fire(setpoints)]


class Devices:
    """All of them. Make it inside the running loop."""

    def __init__(
        self,
        file: SiteFile,
        translated: Translated,
        board: Board,
        doors: Doors,
        on_listed: Callable[[str, tuple[GpuSteps, ...]], None],
    ) -> None:
        self.file = file
        self.translated = translated
        self.board = board
        self.doors = doors
        self.links: dict[str, Link] = {}
        self.pollers: dict[str, LinkPoller] = {}
        observe = translated.site.observe
        self.exchanger = Exchanger(doors.dial, doors.clock.monotonic_ns)
        self.volley = Volley(
            self.exchanger, board, doors.clock, translated.targets, observe=observe, wanted=board.wanted
        )
        self._link_up()
        self.switchgear = self._switchgear(observe)
        self._poll_links()
        self.gpu_hosts = {
            table.id: GpuHost(
                doors.gpud(table),
                translated.gpus[table.id],
                _GpuSink(board),
                doors.clock.monotonic_ns,
                beats=lambda: board.beats,
                wanted=board.wanted,
                observe=observe,
                on_listed=partial(_tell_listed, table, on_listed),
            )
            for table in file.gpus
        }
        others: dict[str, Actuator] = {contactor.id: self.switchgear for contactor in file.contactors}
        for name, host in self.gpu_hosts.items():
            others |= dict.fromkeys((gpu.load for gpu in translated.gpus[name]), _Gpus(host))
        board.use(Router(self.volley, others))

    def work(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What must run, by name."""
        for name, poller in self.pollers.items():
            yield f"poll:{name}", poller.run()
        loads = [PolledLoad(target, self.translated.poll_ns[target.load]) for target in self.translated.targets]
        if loads:
            yield "poll:loads", LoadPoller(loads, self.exchanger, self.board, self.doors.clock, self.volley).run()
        yield "volley", self.volley.run()
        yield "switchgear", self.switchgear.run()
        for name, host in self.gpu_hosts.items():
            yield f"gpus:{name}", host.run()

    async def close(self) -> None:
        """Let go of everything: a serial port has one owner, and whoever comes next must find it free."""
        self.exchanger.close()  # what is still out would look at a dial that is shut by then
        for link in self.links.values():
            await link.close()

    def _link_up(self) -> None:
        for table in self.file.links:
            self.links[table.id] = self._link(table)
            if table.writes_apart and any(plc.link == table.id for plc in self.file.plcs):
                self.links[f"{table.id}:writes"] = self._link(table)

    def _link(self, table: LinkTable) -> Link:
        transport = self.doors.transport(table)
        byte_s = 0.0 if table.line is None else _line(table).byte_s
        return Link(transport, self.doors.clock.monotonic_ns, self.doors.jitter.random, byte_s=byte_s)

    def _switchgear(self, observe: bool) -> switching.Switchgear:
        plcs = [
            switching.Plc(
                table.id,
                PlcWriter(
                    self.links.get(f"{table.link}:writes", self.links[table.link]),
                    table.unit_id,
                    load_profile(table.profile),
                ),
                None if table.heartbeat_ms is None else table.heartbeat_ms * NS_PER_MS,
            )
            for table in self.file.plcs
        ]
        contactors = [
            switching.Contactor(
                table.id,
                table.plc,
                table.close.coil,
                table.feedback.closed,
                table.feedback.open,
                table.close.kind == "maintained",
            )
            for table in self.file.contactors
        ]
        board = self.board
        return switching.Switchgear(
            plcs,
            contactors,
            board,
            self.doors.clock,
            observe=observe,
            beats=lambda: board.beats,
            wanted=board.wanted,
            local=board.in_local,
        )

    def _poll_links(self) -> None:
        plcs = {table.id for table in self.file.plcs}
        for table in self.file.links:
            link = self.links[table.id]
            polled = [
                PolledMeter(
                    meter.id,
                    make_reader(link, meter.unit_id, meter.profile, invert=meter.invert),
                    meter.fast_ms * NS_PER_MS,
                    meter.slow_ms * NS_PER_MS,
                )
                for meter in self.file.meters
                if meter.link == table.id
            ]
            polled += [
                PolledMeter(
                    plc.id,
                    PlcReader(link, plc.unit_id, load_profile(plc.profile), plc.bits),
                    plc.fast_ms * NS_PER_MS,
                    PLC_SLOW_NS,
                )
                for plc in self.file.plcs
                if plc.link == table.id
            ]
            if polled:
                sink = _ByDevice(self.board, self.switchgear, plcs)
                self.pollers[table.id] = LinkPoller(polled, sink, self.doors.clock)


def real_transport(table: LinkTable) -> Transport:
    """The transport of a link of site.toml."""
    if table.line is not None:
        return SerialTransport(_line(table))
    return PymodbusTransport(table.host, table.port, rtu=table.rtu, ignore_tid=table.ignore_tid)


def _line(table: LinkTable) -> Line:
    assert table.line is not None
    line = table.line
    return Line(line.device, line.baudrate, line.parity, 2 if line.stopbits == 2 else 1)


def _tell_listed(
    table: GpusTable, on_listed: Callable[[str, tuple[GpuSteps, ...]], None], infos: tuple[GpuInfo, ...]
) -> None:
    on_listed(table.id, _listed(table, infos))


def _listed(table: GpusTable, infos: tuple[GpuInfo, ...]) -> tuple[GpuSteps, ...]:
    """What a gpud listed, as what is kept of it; GPUs whose driver tells no limits are left out."""
    listed: list[GpuSteps] = []
    for info in infos:
        steps = {step.name: step.limit_w for step in steps_of(info, table.floor_w)}
        if steps:
            listed.append(GpuSteps(info.uuid, steps[LOWEST], steps[FLOOR], steps[FULL]))
    return tuple(sorted(listed, key=lambda gpu: gpu.uuid))


def read_listed(kept: object) -> tuple[GpuSteps, ...]:
    """What the journal kept of a list; none when it is not understood: gpud lists again in a moment."""
    try:
        return msgspec.convert(kept or (), tuple[GpuSteps, ...])
    except msgspec.ValidationError:
        return ()
