"""The rig: plant, miners and meters wired together, and the operations that a test, the demo or a bench drives it with.

A rig is described by RigConfig (TOML or JSON) and runs in the calling event loop (`Rig`) or as a process of its own
(hil/standins.py, driven by hil/remote.py). Operations are the same in both: a name, plain arguments, plain data back.

    frequency    hz, volts=None          the grid is this from now on (volts line to neutral; default nominal)
    play         first, last, speed=1, then=[[s, hz, volts], ...]
                                         the Toledo recording between two clock times, then drawn points (seconds after
                                         the last recorded sample); answers {"start_ns", "recorded_s"}
    draw         points=[[s, hz, volts], ...]   a drawn line alone
    bias         watts                   added to what the site draws
    show         meter, quantity, value  the meter shows this ("nan" and "inf" as text) and not what it measures; null
                                         ends it; quantities as in hil/meters/*.toml: hertz, watts, volts_l1n, ...
    meter_fault  meter, fault, ms=0      none silent late reset garbage exception refuse (hil.modbus_server.LinkFault),
                                         or freeze: the values renew no more
    miner_fault  fault, miners=None      hil.fleet.MinerFault; miners: a list of addresses, default all
    lie          lie, miners=None        hil.miner.Lie
    dark         dark, miners=None       supply gone or back
    move         on, miners=None         they go on or off by themselves
    percent      percent, miners=None    they go to this part of their rated watts by themselves, as near as they can
    state                                watts, hertz, on (how many) and each miner's {on, told_on, watts}: the truth
    stamps                               each meter's refreshes; each miner's verbs [[ns, "off" or "on"], ...]
    traffic                              per meter function counts and writes, per miner requests and writes
    clear                                forgets stamps and traffic
    drain                                what happened since the last drain, and forgets it (hil/drain.py)

and those of tanks and contactors (hil/field.py), of a generating set and its tie (hil/island.py), and of GPUs
(hil/gpu/host.py).
"""

import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from ipaddress import IPv4Address
from typing import Any

from msgspec import Struct, structs

from hil.clock import Clock
from hil.contactors import ContactorsConfig
from hil.dialects import SPEAKERS
from hil.doors import Doors
from hil.drain import Drain
from hil.field import Field, endpoints
from hil.fleet import Endpoint, Fleet, MinerFault
from hil.gpu.host import GpuHost, InferenceConfig
from hil.island import GensetConfig, Island, make_genset
from hil.meter import Meter, Noise, load_layout
from hil.miner import Lie, Miner, load_families
from hil.miner_replies import API_PORT, DIALECTS
from hil.modbus_line import ModbusLine
from hil.modbus_server import LinkFault, ModbusServer
from hil.physics.feeder import load_feeder
from hil.plant import PLACES, Plant
from hil.recording import Sample, load_toledo
from hil.tank import TankConfig


class MinerGroup(Struct, frozen=True, forbid_unknown_fields=True):
    """Miners at consecutive addresses from `first`, alike but for their draws."""

    first: str  # "127.20.0.1"
    count: int
    family: str = "avalon"
    rated_w: float = 3300.0
    port: int = 0  # 0: the firmware's own
    control_port: int = 0  # of its second interface, where it has one
    answer_ms: float = 0.0
    stuck: float | None = None  # instead of the family's share of stops that do not happen
    moves_s: float | None = None  # instead of the family's delays and ramps, up and down


class MeterConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One meter, on an endpoint of its own."""

    id: str = "main"
    layout: str = "janitza-umg604"
    unit_id: int = 1
    host: str = "127.0.0.1"
    port: int = 0
    refresh_ms: float = 200.0
    noise: Noise = Noise()
    at: str = "site"  # or tie, genset (hil/plant.py)
    averages: bool = False  # it shows the mean of its window and not the instant of its refresh
    error: float = 0.0  # by which share of its accuracy class it errs, -1 to 1


class RigConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole rig."""

    miners: tuple[MinerGroup, ...] = ()
    meters: tuple[MeterConfig, ...] = (MeterConfig(),)
    tanks: tuple[TankConfig, ...] = ()
    switchgears: tuple[ContactorsConfig, ...] = ()
    gpus: int = 0  # fake GPUs, of one host; `ballast gpud` is started by whoever drives the rig
    inference: InferenceConfig | None = None  # what they serve; none: a job that draws 650 W each
    nominal_hz: float = 50.0
    nominal_ln_v: float = 27_600.0
    feeder: str = ""  # of hil/physics/feeder.toml; none: the site is at the grid itself
    genset: GensetConfig | None = None
    unmetered_w: float = 0.0
    wander_w: float = 0.0
    seed: int = 1


class Rig:
    """The stand-ins in this event loop. Start `run` as a task after `open`."""

    def __init__(self, config: RigConfig, clock: Clock = time.monotonic_ns) -> None:
        self.config = config
        self.clock = clock
        self.fleet = Fleet(clock)
        self.gpu_host = GpuHost(config.gpus, config.seed, clock, config.inference)
        self.plant = Plant(
            lambda now_ns: self.fleet.watts(now_ns) + self.gpu_host.watts(),
            hertz=config.nominal_hz,
            volts=config.nominal_ln_v,
            unmetered_w=config.unmetered_w,
            wander_w=config.wander_w,
            seed=config.seed,
            feeder=load_feeder(config.feeder) if config.feeder else None,
            genset=make_genset(config.genset, config.nominal_hz),
        )
        self.meters: dict[str, Meter] = {}
        self.servers: dict[str, ModbusServer | ModbusLine] = {}
        self._add_miners()
        self._add_meters()
        self.field = Field(config.tanks, config.switchgears, self.fleet, self.gpu_host.watts, clock)
        self._add_plcs()
        self.island = Island(config.genset, self.plant, self.fleet, self.field, clock)
        self.operations: dict[str, Callable[..., Any]] = {
            "frequency": self.frequency,
            "play": self.play,
            "draw": self.draw,
            "bias": self.bias,
            "show": self.show,
            "meter_fault": self.meter_fault,
            "miner_fault": self.miner_fault,
            "lie": self.lie,
            "dark": self.dark,
            "move": self.move,
            "percent": self.fleet.percent,
            "state": self.state,
            "stamps": self.stamps,
            "traffic": self.traffic,
            "clear": self.clear,
            "drain": Drain(self),
            **self.gpu_host.operations,
            **self.field.operations,
            **self.island.operations,
        }

    async def open(self) -> None:
        """Every endpoint listens; ports that were 0 are known afterwards."""
        self.gpu_host.open()
        self.fleet.open()
        for meter in self.meters.values():
            meter.refresh()
        for plc in self.field.plcs.values():
            plc.once(self.clock())
        for server in endpoints(self.servers):
            await server.start()

    async def close(self) -> None:
        """Nothing listens."""
        self.fleet.close()
        for server in endpoints(self.servers):
            await server.stop()
        self.gpu_host.close()

    def ready(self) -> dict[str, Any]:
        """Where everything listens: meters and PLCs by host:port (a serial line by its path), miners, GPUs."""
        places = {
            name: server.path if isinstance(server, ModbusLine) else f"{server.host}:{server.port}"
            for name, server in self.servers.items()
        }
        return {
            "meters": {name: places[name] for name in self.meters},
            "plcs": {name: places[name] for name in self.field.plcs},
            "miners": [f"{name}:{endpoint.port}" for name, endpoint in self.fleet.endpoints.items()],
            "gpud_environment": self.gpu_host.environment(),
        }

    def programs(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to run while it is open: meters that renew, PLCs' rounds, GPUs that serve, a set that turns."""
        renewing = {f"meter:{name}": meter.run() for name, meter in self.meters.items()}
        if self.config.gpus:
            renewing["gpus"] = self.gpu_host.run()
        if self.config.genset is not None:
            renewing["island"] = self.island.run()
        return renewing | {f"plc:{name}": plc.run() for name, plc in self.field.plcs.items()}

    async def do(self, operation: str, **arguments: Any) -> Any:
        """One operation of the list above."""
        if operation not in self.operations:
            raise ValueError(f"no operation {operation!r}; there are: {', '.join(self.operations)}")
        outcome = self.operations[operation](**arguments)
        return await outcome if isinstance(outcome, Awaitable) else outcome

    def frequency(self, hz: float, volts: float | None = None) -> None:
        """The grid is this from now on."""
        self.plant.hold(hz, self.config.nominal_ln_v if volts is None else volts)

    def play(
        self, first: str, last: str, speed: float = 1.0, then: Sequence[Sequence[float]] = ()
    ) -> dict[str, float | int]:
        """The recording, then a drawn line."""
        recorded = load_toledo(first, last)
        end_s = recorded[-1].at_s
        start_ns = self.clock()
        self.plant.play([*recorded, *_drawn(then, end_s)], start_ns, speed)
        return {"start_ns": start_ns, "recorded_s": end_s / speed}

    def draw(self, points: Sequence[Sequence[float]]) -> dict[str, int]:
        """A drawn line from now on."""
        start_ns = self.clock()
        self.plant.play(_drawn(points, 0.0), start_ns)
        return {"start_ns": start_ns}

    def bias(self, watts: float) -> None:
        """Added to what the site draws."""
        self.plant.bias_w = watts

    def show(self, meter: str, quantity: str, value: float | str | None) -> None:
        """A meter shows this from its next refresh on."""
        shown = self.meters[meter]
        if quantity not in shown.layout.value:
            raise KeyError(f"{shown.layout.name} shows no {quantity!r}")
        if value is None:
            shown.overrides.pop(quantity, None)
        else:
            shown.overrides[quantity] = float(value)

    async def meter_fault(self, meter: str, fault: str, ms: float = 0.0) -> None:
        """Something is wrong with a meter or its link; "none" mends both."""
        self.meters[meter].frozen = fault == "freeze"
        await self.servers[meter].set_fault(LinkFault.NONE if fault == "freeze" else LinkFault(fault), ms)

    def miner_fault(self, fault: str, miners: Sequence[str] | None = None) -> None:
        """Something is wrong with these miners' API."""
        for endpoint in self.fleet.select(miners):
            endpoint.set_fault(MinerFault(fault))

    def lie(self, lie: str, miners: Sequence[str] | None = None) -> None:
        """Whether these do what they acknowledge."""
        for endpoint in self.fleet.select(miners):
            self.fleet.set_lie(endpoint, Lie(lie))

    def dark(self, dark: bool, miners: Sequence[str] | None = None) -> None:
        """These have no supply, or have it back."""
        for endpoint in self.fleet.select(miners):
            self.fleet.set_dark(endpoint, dark)

    def move(self, on: bool, miners: Sequence[str] | None = None) -> None:
        """These go on or off by themselves."""
        for endpoint in self.fleet.select(miners):
            self.fleet.move(endpoint, on, self.clock())

    def state(self) -> dict[str, Any]:
        """What is really so, now."""
        now_ns = self.clock()
        seen = self.plant.electrical(now_ns)
        miners = {name: _miner_state(endpoint, now_ns) for name, endpoint in self.fleet.endpoints.items()}
        return {
            "now_ns": now_ns,
            "watts": seen.watts,
            "hertz": _plain(seen.hertz),
            "volts": [_plain(volts) for volts in seen.volts],
            "on": sum(1 for endpoint in self.fleet.endpoints.values() if endpoint.miner.hashing),
            "miners": miners,
            "inference": self.gpu_host.state(),
            "island": self.island.state(),
        }

    def stamps(self) -> dict[str, Any]:
        """When registers changed and were served, and when miners were told."""
        return {
            "meters": {
                name: [
                    {
                        "changed_ns": refresh.changed_ns,
                        "served_ns": refresh.served_ns,
                        "watts": _plain(refresh.watts),
                        "hertz": _plain(refresh.hertz),
                        "volts": _plain(refresh.volts),
                    }
                    for refresh in meter.refreshes
                ]
                for name, meter in self.meters.items()
            },
            "miners": {name: list(endpoint.told) for name, endpoint in self.fleet.endpoints.items()},
            "plcs": self.field.stamps(),
        }

    def traffic(self) -> dict[str, Any]:
        """Every kind of request that came, and everything that was not a read."""
        return {
            "meters": {config.id: self._asked(config) for config in self.config.meters},
            "plcs": {config.id: self._asked(config) for config in self._plc_configs()},
            "miners": {
                name: {
                    "requests": {request.decode("latin-1"): count for request, count in endpoint.requests.items()},
                    "writes": [[at_ns, request.decode("latin-1")] for at_ns, request in endpoint.writes],
                }
                for name, endpoint in self.fleet.endpoints.items()
            },
        }

    def clear(self) -> None:
        """Forgets stamps and traffic."""
        for meter in self.meters.values():
            meter.refreshes.clear()
        self.field.clear()
        for server in endpoints(self.servers):
            server.functions.clear()
            server.writes.clear()
        for endpoint in self.fleet.endpoints.values():
            endpoint.clear()

    def _asked(self, device: MeterConfig | TankConfig | ContactorsConfig) -> dict[str, Any]:
        """What kinds of request came to a device's endpoint, and what could have changed this device."""
        server = self.servers[device.id]
        return {
            "functions": {str(function): count for function, count in server.functions.items()},
            "writes": [[at_ns, pdu.hex()] for at_ns, unit, pdu in server.writes if unit == device.unit_id],
        }

    def _plc_configs(self) -> list[TankConfig | ContactorsConfig]:
        return [*self.config.tanks, *self.config.switchgears]

    def _add_plcs(self) -> None:
        for config in self._plc_configs():
            bank = {config.unit_id: self.field.plcs[config.id]}
            if config.on:
                self.servers[config.id] = self.servers[config.on]
                self.servers[config.id].banks.update(bank)
            elif isinstance(config, TankConfig) and config.serial:
                self.servers[config.id] = ModbusLine(bank)
            else:
                self.servers[config.id] = ModbusServer(bank, config.host, config.port, self.config.seed)
        self.field.servers = self.servers

    def _add_miners(self) -> None:
        families = load_families()
        for group in self.config.miners:
            if group.family not in DIALECTS | SPEAKERS.keys():
                known = ", ".join(sorted(DIALECTS | SPEAKERS.keys()))
                raise ValueError(f"no stand-in speaks for {group.family!r}; there are: {known}")
            family = families[group.family]
            if group.stuck is not None:
                family = structs.replace(family, stuck=group.stuck)
            if group.moves_s is not None:
                at_once, within = (0.0, 0.0), (group.moves_s, group.moves_s)
                family = structs.replace(
                    family, down_delay_s=at_once, down_ramp_s=within, up_delay_s=at_once, up_ramp_s=within
                )
            for index in range(group.count):
                address = str(IPv4Address(group.first) + index)
                miner = Miner(address, family, group.rated_w, f"miner:{self.config.seed}:{address}")
                if group.family in SPEAKERS:
                    self.fleet.add(miner, group.family, group.port, group.answer_ms / 1000, make=Doors)
                    endpoint = self.fleet.endpoints[address]
                    assert isinstance(endpoint, Doors)
                    endpoint.control_port = group.control_port
                else:
                    self.fleet.add(miner, group.family, group.port or API_PORT, group.answer_ms / 1000)

    def _add_meters(self) -> None:
        for index, config in enumerate(self.config.meters):
            if config.at not in PLACES:
                raise ValueError(f"meter {config.id}: nobody can measure at {config.at!r}, only at {', '.join(PLACES)}")
            meter = Meter(
                load_layout(config.layout),
                partial(self.plant.at, config.at),
                refresh_ms=config.refresh_ms,
                noise=config.noise,
                seed=self.config.seed + index,
                error=config.error,
                clock=self.clock,
            )
            if config.averages:
                self.plant.sample(config.at, meter.sample)
            self.meters[config.id] = meter
            self.servers[config.id] = ModbusServer({config.unit_id: meter}, config.host, config.port, self.config.seed)


def _drawn(points: Sequence[Sequence[float]], start_s: float) -> list[Sample]:
    return [Sample(start_s + at_s, hertz, (volts, volts, volts)) for at_s, hertz, volts in points]


def _miner_state(endpoint: Endpoint, now_ns: int) -> dict[str, Any]:
    miner = endpoint.miner
    return {"on": miner.hashing, "told_on": miner.told_on, "watts": round(miner.watts(now_ns), 1)}


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
