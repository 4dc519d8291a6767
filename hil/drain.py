"""What happened at a rig's stand-ins since somebody last asked, in one piece and forgotten here: for runs of hours.

now_ns, watts, hertz, volts   the truth now
loads    [[address, on], ...]              miners that really began or ceased to hash
verbs    [[ns, address, "off" or "on"]]    when a miner had read the last byte of one
meters   {id: [[changed_ns, served_ns, watts, hertz, volts], ...]}   refreshes; served_ns null: nobody read it
tanks    {id: [[changed_ns, served_ns, kPa, l/min, level, permit], ...]}   rounds that showed something new
switchgears {id: {coils, moves, looks}}    coils asked for, poles that moved, when inputs were read
writes   {id: [[ns, PDU in hex], ...]}     everything that could have changed a PLC or a meter
truth    what hil/field.py says of its tanks and contactors
gpus     [{watts, limit_w, joules}, ...]
limits   [[ns, GPU, W], ...]               limits that were set
"""

import math
import time
from typing import TYPE_CHECKING, Any

from hil.plc import Shown

if TYPE_CHECKING:
    from hil.rig import Rig

_SHOWN = ("vapor_pressure_kpa_g", "condenser_flow_lpm", "coolant_level_pct", "permit")


class Drain:
    """Remembers what was told already."""

    def __init__(self, rig: "Rig") -> None:
        self._rig = rig
        self._on: dict[str, bool] = {}
        self._limits_ns = 0
        self._told: dict[str, Shown] = {}  # each tank's newest round that was told

    def __call__(self) -> dict[str, Any]:
        """All of it since the last call."""
        rig, now_ns = self._rig, time.monotonic_ns()
        seen = rig.plant.electrical(now_ns)
        return {
            "now_ns": now_ns,
            "watts": seen.watts,
            "hertz": _plain(seen.hertz),
            "volts": _plain(seen.volts[0]),
            "loads": self._loads(),
            "verbs": self._verbs(),
            "meters": self._meters(),
            "tanks": {name: self._rounds(name) for name in rig.field.tanks},
            "switchgears": {name: self._switching(name) for name in rig.field.switchgears},
            "writes": self._writes(),
            "truth": rig.field.state(),
            "gpus": rig.gpu_host.gpu("gpus") if rig.gpu_host.driver is not None else [],
            "limits": self._limits(),
        }

    def _loads(self) -> list[list[Any]]:
        on = {
            name: endpoint.miner.hashing and not endpoint.miner.dark
            for name, endpoint in self._rig.fleet.endpoints.items()
        }
        changed = [[name, is_on] for name, is_on in on.items() if self._on.get(name) is not is_on]
        self._on = on
        return changed

    def _verbs(self) -> list[list[Any]]:
        verbs: list[list[Any]] = []
        for name, endpoint in self._rig.fleet.endpoints.items():
            if endpoint.told or endpoint.requests:
                verbs += [[at_ns, name, step] for at_ns, step in endpoint.told]
                endpoint.clear()
        return sorted(verbs)

    def _meters(self) -> dict[str, list[list[Any]]]:
        told: dict[str, list[list[Any]]] = {}
        for name, meter in self._rig.meters.items():
            told[name] = []
            while len(meter.refreshes) > 1:  # the newest may yet be served
                one = meter.refreshes.popleft()
                told[name].append(
                    [one.changed_ns, one.served_ns, *(_plain(value) for value in (one.watts, one.hertz, one.volts))]
                )
        return told

    def _rounds(self, tank: str) -> list[list[Any]]:
        """Once they are past, or were served: the newest stays in its place, since the PLC compares with it."""
        rounds = self._rig.field.plcs[tank].rounds
        past = [rounds.popleft() for _ in range(len(rounds) - 1)]
        past += [one for one in rounds if one.served_ns is not None]
        new = [one for one in past if one is not self._told.get(tank)]
        if new:
            self._told[tank] = new[-1]
        return [[one.changed_ns, one.served_ns, *(one.values.get(point) for point in _SHOWN)] for one in new]

    def _switching(self, name: str) -> dict[str, Any]:
        plc = self._rig.field.switchgears[name]
        told = {"coils": list(plc.coil_writes), "moves": list(plc.moves), "looks": list(plc.looks)}
        for kept in (plc.coil_writes, plc.moves, plc.looks, plc.beats):
            kept.clear()
        return told

    def _writes(self) -> dict[str, list[list[Any]]]:
        traffic: dict[str, list[list[Any]]] = {}
        rig = self._rig
        units = [(config.id, config.unit_id) for config in rig.config.meters]
        units += [(config.id, config.unit_id) for config in rig.config.tanks]
        units += [(config.id, config.unit_id) for config in rig.config.switchgears]
        for name, own in units:
            traffic[name] = [[at_ns, pdu.hex()] for at_ns, unit, pdu in rig.servers[name].writes if unit == own]
        for server in rig.servers.values():
            server.writes.clear()
        return traffic

    def _limits(self) -> list[list[Any]]:
        driver = self._rig.gpu_host.driver
        if driver is None:
            return []
        told = [
            [at_ns, gpu, watts]
            for gpu in range(self._rig.config.gpus)
            for at_ns, watts in driver.limits(gpu)
            if at_ns > self._limits_ns
        ]
        self._limits_ns = max([self._limits_ns, *(int(at_ns) for at_ns, _, _ in told)])
        return sorted(told)


def _plain(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
