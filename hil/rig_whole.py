"""A whole rig from a rig.toml: its stand-ins in a process of their own, its real devices by their drivers.

The grid is what the stand-in meter measures: where the meter is real, nobody can play a frequency.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from types import TracebackType
from typing import Any, Self

import msgspec

from hil import rig_protocols as verbs
from hil.loopback import free_block, free_net
from hil.remote import RigProcess
from hil.rig import RigConfig
from hil.rig_file import MeterDevice, MinersDevice, RigFile, RigFileError, SwitchgearDevice, TankDevice
from hil.rig_protocols import Truth
from hil.rig_real import Follower, RealMeter, RealMiners, RealRelay

_REAL_SIGHTS = {"meter": (verbs.POWER,), "miners": (verbs.ON,), "tank": (), "switchgear": (), "gpus": ()}
_MINER_SILENCE = "never_accepts"


class WholeRig:
    """One rig of a scenario; PlayedRig of hil/rig_protocols.py. It may be asked from several threads."""

    def __init__(self, file: RigFile, seed: int = 0, *, for_floor: bool = False) -> None:
        """for_floor: miners are at addresses that hil/bench's floor counts them by."""
        self.file = file
        self.modbus: dict[str, str] = {}
        self.miners: dict[str, tuple[str, ...]] = {}
        self.gpud_environment: dict[str, str] = {}
        self._seed = seed
        self._for_floor = for_floor
        self._process: RigProcess
        self._lock = threading.Lock()
        self._kinds = {
            one.id: kind for kind in ("meter", "miners", "tank", "switchgear", "gpus") for one in getattr(file, kind)
        }
        self._real = set(file.real)
        self._real_meters = {one.id: RealMeter(one.at, one.unit_id, one.layout) for one in file.meter if one.real}
        self._real_miners = {one.id: RealMiners(one.hosts, one.port) for one in file.miners if one.real}
        self._relays = {one.id: RealRelay(one.at, one.unit_id) for one in file.relay}
        self._followers = {
            one.id: Follower(RealMeter(one.follows.at, one.follows.unit_id, one.follows.layout), self._shower(one.id))
            for one in file.meter
            if one.follows is not None
        }
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            self._place_miners()
            self._process = opening.enter_context(RigProcess(self._config()))
            for meter in self._real_meters.values():
                opening.callback(meter.close)
            for relay in self._relays.values():
                opening.callback(relay.close)
            for name, follower in self._followers.items():
                self._ask("show", meter=name, quantity="watts", value="nan")  # until the real one was read
                opening.enter_context(follower)
            self._open = opening.pop_all()
        self.modbus = {name: f"{host}:{port}" for name, (host, port) in self._process.meters.items()}
        self.modbus |= self._process.plcs
        devices: list[MeterDevice | TankDevice | SwitchgearDevice]
        devices = [*self.file.meter, *self.file.tank, *self.file.switchgear]
        self.modbus |= {device.id: device.at for device in devices if device.real}
        self.gpud_environment = self._process.gpud_environment
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def lacks(self, verb: str, device: str) -> str:
        """Why a verb or sight is not to be had of a device."""
        if device not in self._kinds:
            return f"this rig has no {device!r}"
        if device not in self._real or verb in _REAL_SIGHTS[self._kinds[device]]:
            return ""
        links = verb in (verbs.BREAK_LINK, verbs.MEND_LINK)
        supplies = verb in (verbs.LOWER, verbs.RAISE)
        if (links or supplies) and self._coil("links" if links else "supplies", device):
            return ""
        mend = ""
        if links or supplies:
            mend = f"; a [[relay]] whose {'links' if links else 'supplies'} name it can do it"
        return f"{device} is real ({self._kinds[device]}): no {verb} is to be had of it{mend}"

    def do(self, verb: str, **arguments: Any) -> Any:
        """One operation of hil/rig.py, or break_link, mend_link, lower, raise."""
        if verb in (verbs.BREAK_LINK, verbs.MEND_LINK):
            return self._link(arguments["device"], broken=verb == verbs.BREAK_LINK)
        if verb in (verbs.LOWER, verbs.RAISE):
            return self._move(arguments["miners"], on=verb == verbs.RAISE)
        return self._ask(verb, **arguments)

    def truth(self) -> Truth:
        """Now; what is real is read from it, the rest is the stand-ins' own."""
        state = self._ask("state")
        on = [name for name, miner in state["miners"].items() if miner["on"]]
        for group in self._real_miners.values():
            on += group.running()
        plcs = self._ask("plcs")
        gears = plcs["switchgears"].values()
        limits = tuple(gpu["limit_w"] for gpu in self._ask("gpu", deed="gpus")) if self._process.config.gpus else ()
        watts, hertz = state["watts"], state["hertz"]
        main = self.file.meter[0].id
        if main in self._followers:
            watts = self._followers[main].watts
        if main in self._real_meters:
            measured = self._real_meters[main].read()
            watts = measured["watts"]
            hertz = measured["hertz"] if math.isfinite(measured["hertz"]) else None
        return Truth(
            time.monotonic_ns(),
            watts,
            hertz,
            tuple(on),
            {name: closed for gear in gears for name, closed in gear["contactors"].items()},
            limits,
            plcs["tanks"],
        )

    def stamps(self) -> dict[str, Any]:
        """Of the stand-ins."""
        found: dict[str, Any] = self._ask("stamps")
        return found

    def traffic(self) -> dict[str, Any]:
        """Of the stand-ins."""
        found: dict[str, Any] = self._ask("traffic")
        return found

    def _ask(self, verb: str, **arguments: Any) -> Any:
        with self._lock:
            return self._process.do(verb, **arguments)

    def _shower(self, meter: str) -> Callable[[float | str], None]:
        return lambda watts: self._ask("show", meter=meter, quantity="watts", value=watts)

    def _coil(self, what: str, device: str) -> tuple[RealRelay, int] | None:
        for relay in self.file.relay:
            coils: Mapping[str, int] = getattr(relay, what)
            if device in coils:
                return self._relays[relay.id], coils[device]
        return None

    def _link(self, device: str, *, broken: bool) -> None:
        """By a relay's coil where there is one; a stand-in hears and says nothing any more."""
        found = self._coil("links", device)
        kind = self._kinds[device]
        if found is not None:
            found[0].switch(found[1], broken)
        elif kind == "miners":
            self._ask("miner_fault", fault=_MINER_SILENCE if broken else "none", miners=self.miners[device])
        elif kind == "meter":
            self._ask("meter_fault", meter=device, fault="silent" if broken else "none")
        else:
            self._ask("plc_fault", plc=device, fault="silent" if broken else "none")

    def _move(self, miners: list[str], *, on: bool) -> None:
        """A stand-in by itself; real ones by the relay of their group's supply."""
        for group, addresses in self.miners.items():
            mine = [miner for miner in miners if miner in addresses]
            if not mine:
                continue
            found = self._coil("supplies", group)
            if group not in self._real:
                self._ask("move", on=on, miners=mine)
            elif found is not None:
                found[0].switch(found[1], not on)

    def _place_miners(self) -> None:
        """Stand-ins get one block of loopback addresses, group after group."""
        at = IPv4Address(f"{free_net()}.0.1" if self._for_floor else free_block())
        for group in self.file.miners:
            if group.real:
                self.miners[group.id] = group.hosts
            else:
                self.miners[group.id] = tuple(str(at + number) for number in range(group.count))
                at += group.count

    def _config(self) -> RigConfig:
        file = self.file
        groups = [
            {"first": self.miners[one.id][0], "count": one.count} | one.stand_in for one in file.miners if not one.real
        ]
        meters = [{"id": one.id, "unit_id": one.unit_id} | one.stand_in for one in file.meter if not one.real]
        tanks = [
            {"id": one.id, "unit_id": one.unit_id, "miners": self._cooled(one.id), "gpus": self._cools_gpus(one.id)}
            | one.stand_in
            for one in file.tank
            if not one.real
        ]
        gears = [
            {"id": one.id, "unit_id": one.unit_id, "contactors": self._contactors(one.id)} | one.stand_in
            for one in file.switchgear
            if not one.real
        ]
        whole = file.grid | {
            "miners": groups,
            "meters": meters,
            "tanks": tanks,
            "switchgears": gears,
            "gpus": sum(one.count for one in file.gpus if not one.real),
            "seed": self._seed,
        }
        try:
            return msgspec.convert(whole, RigConfig)
        except msgspec.ValidationError as error:
            raise RigFileError(f"rig {file.name}: its stand-ins: {error}; hil/rig.py has the structures") from error

    def part(self, group: MinersDevice, name: str) -> tuple[str, ...]:
        """The addresses of one part of a group."""
        first = 0
        for part in group.parts:
            if part.name == name:
                return self.miners[group.id][first : first + part.count]
            first += part.count
        return ()

    def _cooled(self, tank: str) -> list[str]:
        return [
            miner
            for group in self.file.miners
            if not group.real
            for part in group.parts
            if part.tank == tank
            for miner in self.part(group, part.name)
        ]

    def _cools_gpus(self, tank: str) -> bool:
        return any(one.tank == tank for one in self.file.gpus)

    def _contactors(self, gear: str) -> list[dict[str, Any]]:
        groups = {group.id: group for group in self.file.miners}
        return [
            {name: getattr(one, name) for name in ("id", "coil", "closed", "open", "interlocks")}
            | {"miners": self.part(groups[one.miners], one.part)}
            for one in self.file.contactor
            if one.switchgear == gear and not groups[one.miners].real
        ]
