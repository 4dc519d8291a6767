"""The board: sole writer of the image, and where the core is asked.

A fast reading runs `react` at once, in the same call stack, and its setpoints are on their way before this returns.
Everything else waits for the beat, ten times a second: `react` and `attend`, notes, the journal. The ladder is armed
beside both, in slices that give the loop back.

The image's mappings are never changed once an image was made of them: they are copied before the next write.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from agent.core.attend import attend
from agent.core.image import Image, Lease, LoadSeen, Outcome, Pulse, Write
from agent.core.ladder import Armed, arm, lowering_setpoints
from agent.core.notes import Note
from agent.core.react import Reaction, react
from agent.core.returning import room_w
from agent.core.rules import Rules
from agent.core.rules.command import in_force
from agent.core.setpoint import Setpoint
from agent.core.state import Durable, Mode, State
from agent.core.tree import Tree
from agent.core.values import NS_PER_S, Quality, Reading
from agent.shell.clock import Clock
from agent.shell.routing import Router, Unsent
from agent.shell.tape import Tape
from drivers.errors import DeviceError
from drivers.miners.dialect import State as MinerState
from drivers.modbus.meter import BlockRead

BEAT_S = 0.1
ARM_S = 1.0
ADOPT_NS = 5 * NS_PER_S  # beside the slowest step's time: the first round of polls
NO_PANELS: Mapping[str, str] = {}
LEASES_MAX = 64  # a keyring holds 64 keys; a circuit needs one limit of each


class Board:
    """What is known, what was decided, and who must hear of it."""

    def __init__(
        self,
        tree: Tree,
        rules: Rules,
        clock: Clock,
        state: State,
        armed_before: Mapping[str, str],
        tape: Tape,
        *,
        on_notes: Callable[[Sequence[Note]], None],
        on_durable: Callable[[Durable], None],
        on_armed: Callable[[Mapping[str, str]], None],
        on_panel: Callable[[str, bool], None] = lambda plc, local: None,
        remote: Mapping[str, str] = NO_PANELS,
    ) -> None:
        self.tree = tree
        self.rules = rules
        self.state = state
        self.armed = Armed()
        self.reaction: Reaction | None = None
        self.broker_away_ns: Callable[[], int | None] = lambda: None  # since when; app tells where to ask
        self.local_time: Callable[[int | None], tuple[int, int, int] | None] = lambda wall_ms: (
            None
        )  # of the site's zone
        self.beats = 0  # the watchdog is fed only when this advances
        self.device_faults: dict[str, str] = {}  # meter or load -> its newest error, while it lasts
        self.repairs: dict[str, int] = {}  # load -> replies that had to be mended
        self.miners: dict[str, MinerState] = {}  # load -> what it last said, for telemetry and people
        self._clock = clock
        self._before = state
        self._armed_before = armed_before
        reach_ns = max((load.steps[0].reach_ns for load in tree.site.loads), default=0)
        self._adopts_until_ns = clock.monotonic_ns() + ADOPT_NS + reach_ns
        self._on_notes = on_notes
        self._on_durable = on_durable
        self._on_armed = on_armed
        self._on_panel = on_panel
        self._remote = remote  # PLC -> the point of its panel's contact, 1 in remote
        self._tape = tape
        self._router: Router | None = None
        self._spares = lowering_setpoints(tree)
        self._points: dict[str, Reading] = {}
        self._point_keys: dict[tuple[str, str], str] = {}
        self._registers: dict[str, tuple[int, ...]] = {}
        self._pulses: dict[str, Pulse] = {}
        self._loads: dict[str, LoadSeen] = {}
        self._writes: dict[str, Write] = {}
        self._leases: tuple[Lease, ...] = ()
        self._held: frozenset[str] = frozenset()
        self._local: frozenset[str] = frozenset()
        self._loads_shared = self._writes_shared = False
        self._news: set[str] = set()
        self._rearm = asyncio.Event()

    def use(self, router: Router) -> None:
        """Where setpoints go; told once, since those that send them in turn tell this board."""
        self._router = router

    # --- what is heard ------------------------------------------------------------------------------------------------

    def meter_read(self, meter_id: str, block: BlockRead, fast: bool) -> None:
        points = dict(self._points)
        for sample in block.samples:
            key = self._point_keys.get((meter_id, sample.point))
            if key is None:
                key = self._point_keys[meter_id, sample.point] = f"{meter_id}.{sample.point}"
            quality = Quality.GOOD if sample.value is not None else Quality.BAD
            points[key] = Reading(sample.value, block.taken_ns, quality)
        self._points = points
        if self.device_faults:
            self.device_faults.pop(meter_id, None)
        if not fast:
            self._tape.points(meter_id, block, None)
            return
        contact = self._points.get(self._remote.get(meter_id, ""))
        if contact is not None and contact.value is not None:
            self._on_panel(meter_id, contact.value < 0.5)
        pulse = None
        if block.registers != self._registers.get(meter_id):
            self._registers[meter_id] = block.registers
            refreshes = self._pulses[meter_id].refreshes + 1 if meter_id in self._pulses else 0
            pulse = Pulse(refreshes, block.taken_ns)
            self._pulses = {**self._pulses, meter_id: pulse}
        self._tape.points(meter_id, block, pulse)
        self._react(self._clock.monotonic_ns())

    def meter_failed(self, meter_id: str, error: DeviceError) -> None:
        self.device_faults[meter_id] = str(error)

    def load_read(self, load_id: str, state: MinerState, taken_ns: int) -> None:
        before = self._loads.get(load_id)
        agreed = before.agreed + 1 if before is not None and before.step == state.step else 1
        seen = LoadSeen(state.step, state.watts, state.measured, taken_ns, agreed)
        self._own_loads()[load_id] = seen
        self._tape.load(load_id, seen)
        if load_id in self.tree.contactors and (before is None or before.step != state.step):
            self._rearm.set()
        self.miners[load_id] = state
        self.device_faults.pop(load_id, None)
        if state.repairs:
            self.repairs[load_id] = self.repairs.get(load_id, 0) + state.repairs
        self._news.add(load_id)

    def load_failed(self, load_id: str, outcome: Outcome, detail: str) -> None:
        before = self._loads.get(load_id)
        if before is None:
            # Never heard, and given up on for now: it holds nobody else up.
            failed = LoadSeen(None, None, False, 0, 0, outcome)
        else:
            failed = replace(before, poll=outcome)
        self._own_loads()[load_id] = failed
        self._tape.load(load_id, failed)
        self.device_faults[load_id] = f"{outcome}: {detail}" if detail else str(outcome)
        self._news.add(load_id)

    def write_sent(self, load_id: str, step: str, sent_ns: int) -> None:
        self._wrote(load_id, Write(step, sent_ns))

    def write_answered(self, load_id: str, step: str, outcome: Outcome, answered_ns: int, detail: str) -> None:
        before = self._writes.get(load_id)
        sent_ns = before.sent_ns if before is not None else answered_ns
        self._wrote(load_id, Write(step, sent_ns, outcome, answered_ns))

    def _wrote(self, load_id: str, write: Write) -> None:
        self._own_writes()[load_id] = write
        self._tape.wrote(load_id, write)
        self._news.add(load_id)

    def _own_loads(self) -> dict[str, LoadSeen]:
        if self._loads_shared:
            self._loads, self._loads_shared = dict(self._loads), False
        return self._loads

    def _own_writes(self) -> dict[str, Write]:
        if self._writes_shared:
            self._writes, self._writes_shared = dict(self._writes), False
        return self._writes

    # --- what people hold and change ----------------------------------------------------------------------------------

    def hold(self, held: frozenset[str], local: frozenset[str]) -> None:
        """These are not raised; to the second ones nothing is written."""
        self._held, self._local = held, local
        self._tape.holds(held, local)
        self._rearm.set()

    def in_local(self, plc: str) -> bool:
        """Whether nothing may be written to this PLC's contactors."""
        return any(one.plc == plc and one.id in self._local for one in self.tree.site.contactors)

    def change(self, change: Callable[[State], State]) -> None:
        """Changes the core's state between two decisions."""
        self.state = change(self.state)
        self._tape.changed(self.state)
        self._on_durable(self.state.durable)
        self._rearm.set()

    # --- what commands ask --------------------------------------------------------------------------------------------

    def circuits(self) -> Mapping[str, float | None]:
        edges = room_w(self.reaction.bounds, self.reaction.nets) if self.reaction is not None else {}
        return {circuit.id: edges.get(circuit.id, circuit.limit_w) for circuit in self.tree.site.circuits}

    def lease(self, lease: Lease) -> None:
        others = tuple(other for other in self._leases if other.id != lease.id)
        self._lease((*others, lease)[-LEASES_MAX:])
        self._react(self._clock.monotonic_ns())

    def release(self, lease_id: str, code: str) -> None:
        self._lease(tuple(lease for lease in self._leases if lease.id != lease_id))

    def _lease(self, leases: tuple[Lease, ...]) -> None:
        self._leases = leases
        self._tape.leases(leases)

    def observe(self) -> bool:
        return self.tree.site.observe

    def wanted(self, load_id: str) -> str | None:
        """The step that a lowered load is still wanted at; None when nothing is wanted of it, and in LOCAL."""
        if load_id in self._local:
            return None
        down = self.state.durable.lowered.get(load_id)
        if down is not None:
            return down.step
        for cut in self.state.durable.cuts:
            if not cut.settled and load_id in cut.loads:
                return cut.steps[cut.loads.index(load_id)]
        return None

    # --- decisions ----------------------------------------------------------------------------------------------------

    def image(self) -> Image:
        """Everything known, frozen."""
        wall_ms = self._clock.wall_ms()
        self._loads_shared = self._writes_shared = True
        return Image(
            self._points,
            self._pulses,
            self._loads,
            self._writes,
            self._leases,
            held=self._held,
            local=self._local,
            away_ns=self.broker_away_ns(),
            local_time=self.local_time(wall_ms),
            wall_ms=wall_ms,
        )

    def _react(self, now_ns: int) -> tuple[Reaction, Image]:
        image = self.image()
        reaction = react(self.tree, self.rules, self.state, image, self.armed, now_ns)
        self.state = reaction.state
        self.reaction = reaction
        self._tape.reacted(now_ns, image, reaction)
        if reaction.setpoints:
            self._fire(reaction.setpoints)
            self._on_durable(self.state.durable)
            self._rearm.set()
        return reaction, image

    def _fire(self, setpoints: Sequence[Setpoint]) -> None:
        assert self._router is not None
        held = self._router.fire(setpoints)
        if held:
            self._not_sent(held)

    def _not_sent(self, held: Sequence[Unsent]) -> None:
        """A setpoint that was held back was certainly not read; a held raise is tried again later."""
        now_ns = self._clock.monotonic_ns()
        for one in held:
            outcome = Outcome.UNREACHABLE if one.setpoint.lowers else Outcome.REFUSED
            self._wrote(one.setpoint.load, Write(one.setpoint.step, now_ns, outcome, now_ns))

    def beat(self) -> None:
        """React and attend once."""
        now_ns = self._clock.monotonic_ns()
        durable = self.state.durable
        reaction, image = self._react(now_ns)
        news, self._news = frozenset(self._news), set()
        image = replace(image, news=news)
        armed_before = self._armed_before if self._adopts(now_ns) else {}
        attended = attend(self.tree, self._before, reaction, image, self.armed, armed_before, now_ns)
        self.state = self._before = attended.state
        self._tape.attended(now_ns, image, attended, armed_before)
        if attended.setpoints:
            self._fire(attended.setpoints)
        if attended.state.durable is not durable:
            self._on_durable(attended.state.durable)
            self._rearm.set()
        if attended.notes:
            self._on_notes(attended.notes)
        leases = tuple(
            lease for lease in self._leases if in_force(lease, now_ns) or lease.id in attended.state.commands
        )
        if len(leases) < len(self._leases):
            self._lease(leases)
        self.beats += 1

    def _adopts(self, now_ns: int) -> bool:
        """Whether a load on its armed step was told so before a crash: in BOOT, and until the slowest is there."""
        if not self._armed_before:
            return False
        booting = any(memory.mode is Mode.BOOT for memory in self.state.circuits.values())
        return booting or now_ns < self._adopts_until_ns

    async def run(self) -> None:
        """Beats until cancelled; a beat that comes late is not made up for."""
        while True:
            self.beat()
            await asyncio.sleep(BEAT_S)

    async def keep_armed(self, busy: Callable[[], bool]) -> None:
        """Arms the ladder anew about once a second and after every change; gives way while a volley is out."""
        while True:
            if busy():
                await asyncio.sleep(BEAT_S / 4)
                continue
            self._rearm.clear()
            await self._arm_once()
            # A burst of changes is armed once: at most five times a second.
            await asyncio.sleep(2 * BEAT_S)
            try:
                async with asyncio.timeout(ARM_S - 2 * BEAT_S):
                    await self._rearm.wait()
            except TimeoutError:
                continue

    async def _arm_once(self) -> None:
        now_ns = self._clock.monotonic_ns()
        image = self.image()
        self._tape.arming(now_ns, image, self.state, self._news)
        slices = arm(self.tree, self.state.durable, image, now_ns, self._spares, frozenset(self.state.mistrusted))
        for armed in slices:
            if armed is None:
                await asyncio.sleep(0)
                continue
            changed = armed.armed_loads != self.armed.armed_loads
            self.armed = armed
            self._tape.armed()
            if changed:
                self._on_armed(armed.armed_loads)

    # --- for people ---------------------------------------------------------------------------------------------------

    def age_s(self, taken_ns: int) -> float:
        """How long ago something was taken."""
        return max(0, self._clock.monotonic_ns() - taken_ns) / NS_PER_S
