"""A toy site for tests of the core: the pure decision driven by hand, beside a plant of a few lines.

Nothing here is shared with hil or tests/sim: it only shows the core images and does to the plant what the core says.
"""

from typing import Any

from msgspec.structs import replace

from agent.core.attend import attend
from agent.core.image import Image, Lease, LoadSeen, Outcome, Pulse, Write
from agent.core.ladder import Armed, arm, lowering_setpoints
from agent.core.notes import Note
from agent.core.react import react
from agent.core.rules import Rule, Rules
from agent.core.rules.under_frequency import UnderFrequency
from agent.core.setpoint import Setpoint
from agent.core.site import Circuit, Load, Meter, Site, Step
from agent.core.state import Mode, State
from agent.core.tree import Tree
from agent.core.values import NS_PER_MS, NS_PER_S, Quality, Reading

SECOND = NS_PER_S
TICK = 100 * NS_PER_MS
START = 1_000 * NS_PER_S

UFR = UnderFrequency("ufr", "poi", "main", 49.5, 49.9, 2 * NS_PER_S, shed_w=60_000.0)


def a_site(count: int = 40, *, observe: bool = False, off_s: float = 0, value: float = 95.0, **circuit: float) -> Site:
    """One metered circuit `poi` with `count` miners of 3 kW on it."""
    limits: dict[str, Any] = {"limit_w": 500_000.0, "unmetered_w": 10_000.0, **circuit}
    loads = tuple(
        Load(
            f"a/10.0.0.{number}",
            "poi",
            (Step("off", 25.0, 2 * NS_PER_S), Step("on", 3_000.0, 4 * NS_PER_S)),
            value,
            int(off_s * NS_PER_S),
            0,
            10 * NS_PER_S,
            "a",
        )
        for number in range(count)
    )
    meter = Meter("main", 20 * NS_PER_MS, 100 * NS_PER_MS, 230.0)
    return Site("s", "a", 50.0, (Circuit("poi", None, "main", **limits),), (meter,), loads, observe)


class Rig:
    """The core and its plant. `tick` advances both by 100 ms."""

    def __init__(self, site: Site, *rules: Rule, state: State | None = None) -> None:
        self.tree = Tree(site)
        self.rules = Rules(self.tree, rules)
        self.state = state if state is not None else State()
        self.before = self.state
        self.now_ns = START
        self.hz: float | None = 50.0
        self.volts: float | None = 230.0
        self.on = {load.id: True for load in site.loads}
        self.at = {load.id: load.steps[-1].name for load in site.loads if load.floor}  # loads of several steps
        self.deaf: set[str] = set()  # acknowledge and do nothing
        self.dark: set[str] = set()  # never answer
        self.extra_w = 10_000.0
        self.sensors = True  # whether loads measure their own watts
        self.meter_dead = False
        self.meter_frozen = False
        self.power_bad = False
        self.leases: tuple[Lease, ...] = ()
        self.away_ns: int | None = None  # since when there has been no broker
        self.loads: dict[str, LoadSeen] = {}
        self.writes: dict[str, Write] = {}
        self.points: dict[str, Reading] = {}
        self.pulse = Pulse(0, START)
        self.held: frozenset[str] = frozenset()
        self.local: frozenset[str] = frozenset()
        self.tank: dict[str, float | None] = {}  # the PLC's points and bits, read with the meter
        self.tank_dead = False
        self.closed = {contactor.id: True for contactor in site.contactors}
        self.stuck: set[str] = set()  # contactors that do not move
        self.clock = True
        self.local_time = (6, 0, 12 * 60)  # a Monday in June, noon
        self.notes: list[Note] = []
        self.told: list[tuple[int, Setpoint]] = []
        self.armed_before: dict[str, str] = {}
        self.armed = Armed()
        self._spares = lowering_setpoints(self.tree)

    @property
    def watts(self) -> float:
        """What the meter would show."""
        return self.extra_w + sum(self.draws(load) for load in self.on)

    def draws(self, load: str) -> float:
        """What one load draws."""
        contactor = self.tree.fed_by.get(load)
        if contactor is not None and not self.closed[contactor]:
            return 0.0
        return self.tree.step_watts(load, self.at[load]) if load in self.at else 3_000.0 if self.on[load] else 25.0

    @property
    def wall_ms(self) -> int | None:
        """Unix ms; None while `clock` says that it is not trusted."""
        return 1_790_000_000_000 + (self.now_ns - START) // NS_PER_MS if self.clock else None

    def mode(self) -> Mode:
        return self.state.circuits["poi"].mode

    def kinds(self) -> list[str]:
        """The kinds of the notes so far."""
        return [note.kind if hasattr(note, "kind") else note.state for note in self.notes]

    def image(self) -> Image:
        return Image(
            dict(self.points),
            {"main": self.pulse},
            dict(self.loads),
            dict(self.writes),
            self.leases,
            frozenset(self.loads),
            held=self.held | self.local,
            local=self.local,
            away_ns=self.away_ns,
            local_time=self.local_time if self.clock else None,
            wall_ms=self.wall_ms,
        )

    def read(self) -> None:
        """The meter and every load that answers are read."""
        if not self.meter_dead:
            if not self.meter_frozen:
                self.pulse = Pulse(self.pulse.refreshes + 1, self.now_ns)
            for name, value in (
                ("power_w", None if self.power_bad else self.watts),
                ("frequency_hz", self.hz),
                ("voltage_l1_v", self.volts),
                ("voltage_l2_v", self.volts),
                ("voltage_l3_v", self.volts),
            ):
                quality = Quality.GOOD if value is not None else Quality.BAD
                self.points[f"main.{name}"] = Reading(value, self.now_ns, quality)
        if not self.tank_dead:
            for point, value in self.tank.items():
                self.points[point] = Reading(value, self.now_ns, Quality.GOOD if value is not None else Quality.BAD)
        for name, closed in self.closed.items():
            before = self.loads.get(name)
            step = "closed" if closed else "open"
            agreed = before.agreed + 1 if before is not None and before.step == step else 1
            self.loads[name] = LoadSeen(step, None, False, self.now_ns, agreed)
        for load, on in self.on.items():
            step = self.at.get(load, "on" if on else "off")
            old = self.loads.get(load)
            fed_by = self.tree.fed_by.get(load)
            if load in self.dark or (fed_by is not None and not self.closed[fed_by]):
                never = LoadSeen(None, None, False, 0, 0)
                self.loads[load] = replace(old if old is not None else never, poll=Outcome.SILENT)
                continue
            agreed = old.agreed + 1 if old is not None and old.step == step else 1
            watts = self.draws(load) if self.sensors else None
            self.loads[load] = LoadSeen(step, watts, self.sensors, self.now_ns, agreed)

    def arm(self) -> None:
        mistrusted, contested = frozenset(self.state.mistrusted), frozenset(self.state.contested)
        for armed in arm(self.tree, self.state.durable, self.image(), self.now_ns, self._spares, mistrusted, contested):
            if armed is not None:
                self.armed = armed

    def obey(self, setpoints: tuple[Setpoint, ...]) -> None:
        """The plant does what it is told, at once."""
        for setpoint in setpoints:
            self.told.append((self.now_ns, setpoint))
            outcome = Outcome.SILENT if setpoint.load in self.dark else Outcome.OK
            self.writes[setpoint.load] = Write(setpoint.step, self.now_ns, outcome, self.now_ns)
            if setpoint.load in self.closed:
                if setpoint.load not in self.stuck:
                    self.closed[setpoint.load] = setpoint.step == "closed"
            elif setpoint.load in self.at:
                self.at[setpoint.load] = setpoint.step
            elif setpoint.load not in self.deaf and setpoint.load not in self.dark:
                self.on[setpoint.load] = setpoint.step == "on"

    def tick(self, count: int = 1, *, reading: bool = True) -> tuple[Setpoint, ...]:
        """`count` beats; gives the setpoints of all of them."""
        out: tuple[Setpoint, ...] = ()
        for _ in range(count):
            self.now_ns += TICK
            if reading:
                self.read()
            image = self.image()
            reaction = react(self.tree, self.rules, self.state, image, self.armed, self.now_ns)
            twice = react(self.tree, self.rules, reaction.state, image, self.armed, self.now_ns)
            assert twice.setpoints == (), "twice at the same instant commands nothing new"
            self.obey(reaction.setpoints)
            attended = attend(self.tree, self.before, reaction, image, self.armed, self.armed_before, self.now_ns)
            self.obey(attended.setpoints)
            self.state = self.before = attended.state
            self.notes += attended.notes
            self.arm()
            out += reaction.setpoints + attended.setpoints
        return out

    def settle(self) -> None:
        """Runs until the circuit is NORMAL."""
        for _ in range(50):
            self.tick()
            if self.mode() is Mode.NORMAL:
                return
        raise AssertionError(f"still {self.mode()}")
