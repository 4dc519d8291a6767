"""The PLCs of a rig, wired to its miners and GPUs: tanks that are heated by them, contactors that feed them.

Operations, beside those of hil/rig.py:

    condenser_flow  plc, lpm          the tank's pump goes to this; null: nominal again
    condenser_water plc, supply_c     its cooling water comes at this; null: as usual again
    withhold        plc, withheld     the tank's PLC takes its permit away by itself, or gives it again
    alarm           plc, name, on     leak, estop, pump_1_fault, ... of a tank
    sensor          plc, point, value what a sensor of a tank shows; "failed": nothing; null: what is so
    input           plc, name, on     an input of a contactor PLC: a permit, the panel's switch
    remote          plc, remote       the panel's switch, of either PLC
    hand            plc, contactor, closed            somebody at the panel moves it, in LOCAL
    weld            plc, contactor, welded, linked=true   its poles stay closed; linked: and its contacts show it
    stick           plc, contactor, stuck             its auxiliary contacts stay as they are
    plc_fault       plc, fault, ms=0  a LinkFault (hil.modbus_server); stop: the program stands still behind its server;
                                      restart: it comes up anew, once; none mends all
    rounds          plc               each round that showed something new: [changed_ns, served_ns, values]
    plcs                              what is really so: each tank's values, each contactor's {closed, coil}, comm_lost
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from hil.clock import Clock
from hil.contactors import ContactorConfig, ContactorPlc, ContactorsConfig
from hil.fleet import Fleet
from hil.modbus_line import ModbusLine
from hil.modbus_server import LinkFault, ModbusServer
from hil.plc import Plc
from hil.tank import Tank, TankConfig


class Field:
    """Tanks and switchgear of one rig."""

    def __init__(
        self,
        tanks: tuple[TankConfig, ...],
        switchgears: tuple[ContactorsConfig, ...],
        fleet: Fleet,
        gpu_watts: Callable[[], float],
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self._clock = clock
        self._fleet = fleet
        self._gpu_watts = gpu_watts
        self.tanks = {config.id: Tank(config, self._heat_of(config), clock) for config in tanks}
        self.switchgears = {config.id: ContactorPlc(config, self._switch, clock) for config in switchgears}
        self.plcs: dict[str, Plc] = {**self.tanks, **self.switchgears}
        self.servers: dict[str, ModbusServer | ModbusLine] = {}
        self.operations: dict[str, Callable[..., Any]] = {
            "condenser_flow": self.condenser_flow,
            "condenser_water": self.condenser_water,
            "withhold": self.withhold,
            "alarm": self.alarm,
            "sensor": self.sensor,
            "input": self.input,
            "remote": self.remote,
            "hand": self.hand,
            "weld": self.weld,
            "stick": self.stick,
            "plc_fault": self.plc_fault,
            "plcs": self.state,
            "rounds": self.rounds,
        }

    def condenser_flow(self, plc: str, lpm: float | None) -> None:
        """The tank's pump goes to this."""
        tank = self.tanks[plc]
        tank.flow_set_lpm = tank.config.nominal_flow_lpm if lpm is None else lpm

    def condenser_water(self, plc: str, supply_c: float | None) -> None:
        """The tank's cooling water comes at this."""
        self.tanks[plc].water(supply_c)

    def withhold(self, plc: str, withheld: bool) -> None:
        """The tank's own permit."""
        self.tanks[plc].withheld = withheld

    def alarm(self, plc: str, name: str, on: bool) -> None:
        """An alarm of a tank that its physics do not make."""
        tank = self.tanks[plc]
        if name not in tank.layout.bit:
            raise KeyError(f"{plc} has no alarm {name!r}")
        tank.alarms = tank.alarms | {name} if on else tank.alarms - {name}

    def sensor(self, plc: str, point: str, value: float | str | None) -> None:
        """What a sensor shows."""
        tank = self.tanks[plc]
        if point not in tank.layout.value:
            raise KeyError(f"{plc} shows no {point!r}")
        if value is None:
            tank.sensors.pop(point, None)
        else:
            tank.sensors[point] = None if value == "failed" else float(value)

    def input(self, plc: str, name: str, on: bool) -> None:
        """What is wired to a contactor PLC."""
        inputs = self.switchgears[plc].inputs
        if name not in inputs:
            raise KeyError(f"{plc} has no input {name!r}; there are: {', '.join(inputs)}")
        inputs[name] = on

    def remote(self, plc: str, remote: bool) -> None:
        """The panel's switch."""
        if plc in self.tanks:
            self.tanks[plc].remote = remote
        else:
            self.input(plc, self.switchgears[plc].config.remote, remote)

    def hand(self, plc: str, contactor: str, closed: bool) -> None:
        """Somebody at the panel."""
        self.switchgears[plc].hand(contactor, closed)

    def weld(self, plc: str, contactor: str, welded: bool, linked: bool = True) -> None:
        """Poles that stay closed."""
        one = self.switchgears[plc].contactors[contactor]
        one.welded, one.linked = welded, linked

    def stick(self, plc: str, contactor: str, stuck: bool) -> None:
        """Auxiliary contacts that stay as they are."""
        one = self.switchgears[plc].contactors[contactor]
        one.stuck = None
        if stuck:
            one.stuck = one.auxiliary()

    async def plc_fault(self, plc: str, fault: str, ms: float = 0.0) -> None:
        """Something is wrong with a PLC or the way to it."""
        program = self.plcs[plc]
        program.stopped = fault == "stop"
        if fault == "restart":
            program.restart()
        link = LinkFault.NONE if fault in ("stop", "restart") else LinkFault(fault)
        await self.servers[plc].set_fault(link, ms)

    def state(self) -> dict[str, Any]:
        """What is really so."""
        return {
            "tanks": {
                name: {
                    "pressure_kpa": tank.pressure_kpa,
                    "flow_lpm": tank.flow_lpm,
                    "level_pct": tank.level_pct,
                    "heat_w": self._heat_of(tank.config)(self._clock()),
                    "comm_lost": tank.comm_lost,
                    "beats": len(tank.beats),
                }
                for name, tank in self.tanks.items()
            },
            "switchgears": {
                name: {
                    "contactors": {one.config.id: one.poles for one in plc.contactors.values()},
                    "inputs": plc.inputs,
                    "comm_lost": plc.comm_lost,
                    "beats": len(plc.beats),
                }
                for name, plc in self.switchgears.items()
            },
        }

    def rounds(self, plc: str) -> list[list[Any]]:
        """When what was shown, and first served."""
        return [[one.changed_ns, one.served_ns, one.values] for one in self.plcs[plc].rounds]

    def stamps(self) -> dict[str, Any]:
        """When beats came, coils were asked for and poles moved."""
        return {
            name: {
                "beats": [beat_ns for beat_ns, _ in plc.beats],
                **({"coils": list(plc.coil_writes), "moves": list(plc.moves)} if isinstance(plc, ContactorPlc) else {}),
            }
            for name, plc in self.plcs.items()
        }

    def clear(self) -> None:
        """Forgets stamps."""
        for plc in self.plcs.values():
            newest = plc.rounds[-1] if plc.rounds else None
            plc.rounds.clear()
            plc.beats.clear()
            if newest is not None:
                plc.rounds.append(newest)
        for switchgear in self.switchgears.values():
            switchgear.coil_writes.clear()
            switchgear.moves.clear()

    def _switch(self, contactor: ContactorConfig, closed: bool) -> None:
        for endpoint in self._fleet.select(contactor.miners):
            self._fleet.feed(endpoint, contactor.id, fed=closed)

    def _heat_of(self, config: TankConfig) -> Callable[[int], float]:
        miners = [self._fleet.endpoints[address].miner for address in config.miners]

        def heat_w(now_ns: int) -> float:
            return sum(miner.watts(now_ns) for miner in miners) + (self._gpu_watts() if config.gpus else 0.0)

        return heat_w


def endpoints(servers: Mapping[str, ModbusServer | ModbusLine]) -> list[ModbusServer | ModbusLine]:
    """Each server once, however many devices share it."""
    return list({id(server): server for server in servers.values()}.values())
