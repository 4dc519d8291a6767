"""The C floor through the same crossing: what the rig itself costs, its stand-ins and this machine.

When the agent has gone, hil/bench's program (libmodbus and epoll, no decision to make) is given the same meter and the
same miners, and the same frequency falls. The difference between its times and the agent's is the agent's.
"""

import time
from pathlib import Path

from hil.bench import programs
from hil.bench.programs import Program
from hil.results import Latency
from hil.scenario.file import Floor
from hil.scenario.stage import Stage

_WAKE_S = 30.0
_BELOW_HZ = 49.5  # compiled into floor.c
DIALECTS = ("avalon", "luxos")  # whose verbs floor.c speaks


def floor_latency(stage: Stage, floor: Floor, folder: Path) -> tuple[Latency, ...]:
    """The floor's own times, one volley after the other."""
    programs.build(folder)
    group = stage.file.miners[0]
    meter_port = stage.rig.modbus[stage.file.meter[0].id].rpartition(":")[2]
    net = stage.rig.miners[group.id][0].split(".")[1]
    dialect = str(group.stand_in["family"])
    command = [str(folder / "floor"), meter_port, net, str(group.count), dialect, "volley"]
    each: list[float] = []
    last: list[float] = []
    with Program(command) as program:
        program.hear()
        for _ in range(floor.volleys):
            stage.rig.do("frequency", hz=floor.nominal_hz)
            stage.rig.do("raise", miners=list(stage.loads["all"]))
            stage.wait_for("all run again", lambda: len(stage.rig.truth().on) < group.count, _WAKE_S)
            program.tell("go")
            time.sleep(0.3)  # it has to have seen the frequency above before it falls
            begin_ns = time.monotonic_ns()
            stage.rig.do("frequency", hz=floor.hz)
            program.hear()
            told = _told_ms(stage, begin_ns)
            each += told
            last += told[-1:]
    return (
        Latency("register served -> verb read, each load", "ms", tuple(each), "floor"),
        Latency("register served -> verb read, last load", "ms", tuple(last), "floor"),
    )


def _told_ms(stage: Stage, begin_ns: int) -> list[float]:
    stamps = stage.rig.stamps()
    served = [
        one["served_ns"]
        for one in stamps["meters"][stage.file.meter[0].id]
        if one["changed_ns"] >= begin_ns and one["hertz"] < _BELOW_HZ and one["served_ns"]
    ]
    told = [
        at_ns for verbs in stamps["miners"].values() for at_ns, step in verbs if step == "off" and at_ns >= begin_ns
    ]
    return sorted((at_ns - served[0]) / 1e6 for at_ns in told) if served else []
