"""What the board knows, put into the words of others: telemetry rows, `ctl`, `evt`, and the status for people on site.

Pure functions of the board at one instant; nothing here is on the path from a reading to a setpoint.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.core.image import Image, Outcome
from agent.core.ladder import READ_POLLS_MAX
from agent.core.power import NO_MEMORY, Net
from agent.core.returning import room_w
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.state import Mode, RuleMemory, State, Supply
from agent.core.tree import Tree
from agent.core.values import NS_PER_MS, NS_PER_S, Quality
from agent.shell.board import Board
from agent.uplink.records import CircuitState, Column, Device, Row
from drivers.points import COMM_TIMEOUT, HEARTBEAT_ECHO, PLC_COUNTER, POINTS

MINER_COLUMNS = ("hash_rate_ths", "temperature_c", "on")
COUNTERS = ("energy_import_wh", "energy_export_wh")

DETAIL_MAX = 200  # of what a miner says of itself


def columns(points: Iterable[str]) -> tuple[Column, ...]:
    """The telemetry's columns: every point that a meter or a PLC of this site has, and what loads tell."""
    points = ["power_w", *sorted(set(points) - {"power_w", HEARTBEAT_ECHO, PLC_COUNTER, COMM_TIMEOUT})]
    meters = [Column(name, POINTS[name], "counter" if name in COUNTERS else "gauge") for name in points]
    miners = [Column("hash_rate_ths", "TH/s"), Column("temperature_c", "°C"), Column("on", "", "state")]
    return (*meters, *miners, Column("measured", "", "state"))


def devices(tree: Tree, models: Mapping[str, str]) -> tuple[Device, ...]:
    """The telemetry's devices: meters, PLCs, then loads and contactors."""
    meters = [Device(meter.id, "meter", models.get(meter.id, "")) for meter in tree.site.meters]
    plcs = [Device(plc.id, "plc", models.get(plc.id, "")) for plc in tree.site.plcs]
    loads = [Device(load.id, load.kind, models.get(load.id, ""), load.group) for load in tree.loads.values()]
    return (*meters, *plcs, *loads)


class Sampler:
    """Gives each reading once: values are never repeated as fresh."""

    def __init__(self, tree: Tree, order: tuple[Column, ...]) -> None:
        self._tree = tree
        self._names = [column.n for column in order]
        self._given: dict[str, int] = {}

    def rows(self, board: Board) -> list[Row]:
        """What was read since the last call."""
        image = board.image()
        rows: list[Row] = []
        for device in (*self._tree.meters, *self._tree.plcs):
            row = self._measured(device, image)
            if row is not None:
                rows.append(row)
        on_at = self._names.index("on")
        for load, seen in image.loads.items():
            if seen.taken_ns <= self._given.get(load, 0):
                continue
            self._given[load] = seen.taken_ns
            said = board.miners.get(load)
            values: list[float | None] = [None] * len(self._names)
            values[0] = seen.watts
            values[on_at - 2] = said.hash_rate_ths if said is not None else None
            values[on_at - 1] = said.temperature_c if said is not None else None
            steps = self._tree.loads[load].steps
            lowest = steps[0].name if len(steps) > 1 else "off"  # of a load that is only read
            values[on_at] = None if seen.step is None else float(seen.step != lowest)
            values[on_at + 1] = None if seen.watts is None else float(seen.measured)
            rows.append(Row(load, seen.taken_ns, tuple(values)))
        return rows

    def _measured(self, device: str, image: Image) -> Row | None:
        values: list[float | None] = []
        bad: list[tuple[int, str]] = []
        newest_ns = self._given.get(device, 0)
        fresh = False
        for number, name in enumerate(self._names):
            reading = image.points.get(f"{device}.{name}")
            if reading is None or reading.taken_ns <= self._given.get(f"{device}.{name}", 0):
                values.append(None)
                continue
            fresh = True
            self._given[f"{device}.{name}"] = reading.taken_ns
            newest_ns = max(newest_ns, reading.taken_ns)
            values.append(reading.value)
            if reading.quality is Quality.BAD:
                bad.append((number, "bad"))
        return Row(device, newest_ns, tuple(values), tuple(bad)) if fresh else None


def circuit_states(tree: Tree, board: Board) -> list[CircuitState]:
    """Every circuit as `ctl` tells it."""
    reaction = board.reaction
    if reaction is None:
        return []
    edges = room_w(reaction.bounds, reaction.nets)
    states: list[CircuitState] = []
    supply = board.state.supply.supply
    flags = () if supply is Supply.ALIVE else (supply.name,)
    for circuit in tree.site.circuits:
        net = reaction.nets[circuit.id]
        memory = board.state.circuits.get(circuit.id, NO_MEMORY)
        states.append(
            CircuitState(
                circuit.id,
                str(memory.mode),
                flags if circuit.parent is None else (),
                net.watts,
                _quality(net),
                None,
                edges.get(circuit.id),
                _why(board.state, circuit.id),
            )
        )
    return states


def _quality(net: Net) -> str:
    if net.watts is None:
        return "unknown"
    return "estimated" if net.estimated else "good"


def _why(state: State, circuit: str) -> str:
    """What binds here, in a few words."""
    open_here = [event for event in state.durable.events.values() if event.circuit == circuit]
    binding = [event for event in open_here if not event.lifted]
    if binding:
        event = min(binding, key=lambda event: event.hi_w)
        told = "would hold" if event.dry else "holds"
        return f"{event.rule} {told} it at {event.hi_w / 1000:.1f} kW"
    return f"{open_here[0].rule} is over; loads come back" if open_here else ""


def responses(board: Board) -> list[tuple[str, float, int]]:
    """(rule, watts, ms) that each frequency rule could give now: 0 W while its frequency cannot be believed."""
    told: list[tuple[str, float, int]] = []
    for rule in board.rules.under_frequency:
        ladder = board.armed.urgent.get(rule.circuit)
        memory = board.state.rules.get(rule.id)
        ready = memory is not None and memory.available and memory.seen_above and rule.acts
        can_w = ladder.total_w if ladder is not None and ready else 0.0
        wanted_w = min(can_w, rule.shed_w) if rule.shed_w is not None else can_w
        slowest_ms = ladder.reach_ns[-1] // NS_PER_MS if ladder is not None and ladder.reach_ns else 0
        told.append((rule.id, wanted_w, slowest_ms))
    return told


def availability(rule: UnderFrequency, memory: RuleMemory | None) -> dict[str, object]:
    """Whether a frequency rule may be driven by its frequency now, else why not; and whether it acts."""
    if memory is None or not memory.available:
        why = memory.alarm if memory is not None and memory.alarm else "its frequency is not heard yet"
    else:
        why = "" if memory.seen_above else f"the frequency was not seen at {rule.shed_below_hz:g} Hz or above yet"
    return {"available": not why, "why": why, "acts": rule.acts}


def status(board: Board, site: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
    """What `ballast status` shows; `site` has what the board does not know (names, broker, buffer)."""
    tree, image = board.tree, board.image()
    circuits = []
    for state in circuit_states(tree, board):
        memory = board.state.circuits.get(state.id, NO_MEMORY)
        upcoming, in_s = _next(board, state.id, now_ns)
        circuits.append(
            {
                "id": state.id,
                "mode": state.mode,
                "flags": list(state.flags),
                "net_kw": _kw(state.net_w),
                "quality": state.quality,
                "lo_kw": None,
                "hi_kw": _kw(state.hi_w),
                "why": state.why,
                "since_ms": (now_ns - memory.since_ns) // NS_PER_MS,
                "next": upcoming,
                "next_in_s": in_s,
            }
        )
    events = []
    for event in board.state.durable.events.values():
        loads = [load for load, down in board.state.durable.lowered.items() if down.event == event.id]
        events.append(
            {
                "ev": event.id,
                "circuit": event.circuit,
                "rule": event.rule,
                "class": event.cls.name.lower(),
                "hi_kw": _kw(event.hi_w),
                "shed_kw": _kw(event.told_w),
                "loads": len(loads),
                "returning": event.lifted,
                "observed_only": event.dry,
            }
        )
    return {
        **site,
        "circuits": circuits,
        "events": events,
        "ladder": _ladder(board),
        "devices": _devices(board, image, now_ns),
        "response": [
            {"rule": name, "kw": _kw(watts), "ms": ms, **availability(rule, board.state.rules.get(name))}
            for rule, (name, watts, ms) in zip(board.rules.under_frequency, responses(board), strict=True)
        ],
        "supply": str(board.state.supply.supply),
        "tie": str(board.state.tie or "unknown"),
        "lowered": len(board.state.durable.lowered),
        "rising": sum(not up.arrived for up in board.state.durable.rising.values()),
        "armed": len(board.armed.armed_loads),
    }


def _kw(watts: float | None) -> float | None:
    if watts is None or watts in (float("inf"), float("-inf")):
        return None
    return round(watts / 1000, 3)


def _next(board: Board, circuit: str, now_ns: int) -> tuple[str, float | None]:
    """What happens next on a circuit and, where it is known, in how many seconds."""
    memory = board.state.circuits.get(circuit, NO_MEMORY)
    if memory.mode is Mode.BOOT:
        return "hears its meter and every load", None
    if memory.mode is Mode.BLIND:
        return "goes on when its power is known", None
    for event in board.state.durable.events.values():
        if event.circuit != circuit:
            continue
        if event.lifted:
            waits = [
                max(0, down.told_ns + board.tree.loads[load].off_ns_min - now_ns)
                for load, down in board.state.durable.lowered.items()
                if down.event == event.id
            ]
            return "the next load comes back", round(min(waits) / NS_PER_S, 1) if waits else None
        for bound in board.reaction.bounds if board.reaction is not None else ():
            if bound.key == event.key and bound.until_ns is not None:
                return "its lease ends", round(max(0, bound.until_ns - now_ns) / NS_PER_S, 1)
        for rule in board.rules.under_frequency:
            rule_memory = board.state.rules.get(rule.id)
            if rule.id == event.key:
                if rule_memory is None or rule_memory.above_since_ns is None:
                    return f"released when above {rule.release_above_hz} Hz", None
                left_ns = rule_memory.above_since_ns + rule.release_for_ns - now_ns
                return "released", round(max(0, left_ns) / NS_PER_S, 1)
    return "", None


def _ladder(board: Board) -> list[dict[str, object]]:
    root = board.tree.site.circuits[0].id
    ladder = board.armed.urgent.get(root)
    if ladder is None:
        return []
    return [
        {"load": load, "step": step, "watts": round(worth_w, 1), "cumulative_w": round(sum_w, 1)}
        for load, step, worth_w, sum_w in zip(
            ladder.loads, ladder.steps, ladder.worth_w, ladder.cumulative_w, strict=True
        )
    ]


def _devices(board: Board, image: Image, now_ns: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for meter in board.tree.site.meters:
        reading = image.points.get(f"{meter.id}.power_w")
        fault = board.device_faults.get(meter.id, "")
        age_ms = (now_ns - reading.taken_ns) // NS_PER_MS if reading is not None else None
        found.append(
            {
                "id": meter.id,
                "kind": "meter",
                "state": "silent" if fault or reading is None else "ok",
                "age_ms": age_ms,
                "detail": fault,
            }
        )
    for plc in board.tree.site.plcs:
        taken = [reading.taken_ns for name, reading in image.points.items() if name.startswith(f"{plc.id}.")]
        fault = board.device_faults.get(plc.id, "")
        found.append(
            {
                "id": plc.id,
                "kind": "plc",
                "state": "silent" if fault or not taken else "ok",
                "age_ms": (now_ns - max(taken)) // NS_PER_MS if taken else None,
                "detail": fault,
            }
        )
    for load in board.tree.loads.values():
        seen = image.loads.get(load.id)
        if seen is None:
            found.append({"id": load.id, "kind": load.kind, "state": "not heard yet", "age_ms": None, "detail": ""})
            continue
        said = board.miners.get(load.id)
        age_ns = now_ns - seen.taken_ns if seen.taken_ns else None
        state = seen.step or "unknown"
        if seen.poll is not Outcome.OK or age_ns is None or age_ns > READ_POLLS_MAX * load.poll_ns:
            state = str(seen.poll) if seen.poll is not Outcome.OK else "silent"
        found.append(
            {
                "id": load.id,
                "kind": load.kind,
                "state": state,
                "age_ms": None if age_ns is None else age_ns // NS_PER_MS,
                "detail": board.device_faults.get(load.id) or ("" if said is None else said.detail[:DETAIL_MAX]),
                "watts": seen.watts,
                "measured": seen.measured,
            }
        )
    return found
