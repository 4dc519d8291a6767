"""Switchgear: contactors are told by their PLCs' coils, and a heartbeat shows the PLCs that control lives.

A contactor is told "open" or "closed" as a load is told its step. What goes out is the coil's state, never a change of
it, so that a write of unknown effect can be repeated; coils side by side that are told together go in one frame.

- Newest wins: a contactor has one setpoint under way, and a newer one takes its place.
- A write that timed out may have been done or not. For opening, the coil is read back and the write repeated while the
  core still wants it. For closing it is left at that: nothing is told until the feedback has agreed twice with itself,
  and then it is the core that decides anew, from permits that are fresh.
- Coils are not refreshed. A PLC that restarted has cleared them; to set "closed" again of our own accord would close a
  contactor that nobody decided to close. The feedback tells the core, and the core decides.
- While a PLC counts as failed nothing is closed over it; opening is tried all the same.

The heartbeat (a uint16 counted up, 0 skipped) is written only when the control loop has made beats since the last one,
and only to a PLC that has been read since it was last lost: never by a bare timer, never in observe. In LOCAL it is all
that is written. An echo that does not follow for 2 s, or a counter of the PLC's own that stands still for 2 s, means
that the PLC's program has stopped, however well its server answers: its readings are then kept from the board, which
sees them age, and it is told why.

All readings of PLCs come through here on their way to the board (meter_read), which sees them first.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from agent.core.image import Outcome
from agent.core.setpoint import Setpoint
from agent.shell.clock import Clock
from agent.shell.sink import LoadSink, MeterSink, WriteSink
from agent.shell.volley import Held
from drivers.errors import DeviceError, Garbled, Refused, Silent, Unreachable
from drivers.miners.dialect import State
from drivers.modbus.meter import BlockRead
from drivers.modbus.plc import PlcWriter
from drivers.points import HEARTBEAT_ECHO, PLC_COUNTER

OPEN, CLOSED = "open", "closed"
REPEATS_S = (0.3, 0.6, 1.2, 2.5, 5.0, 10.0)  # after the first sending; an answer is waited for up to 0.25 s
STOPPED_NS = 2_000_000_000  # modbus devices' convention: no echo for this long and the PLC counts as failed
_AGREE_MIN = 2
_COUNT_MAX = 0xFFFF
_NS_PER_S = 1_000_000_000


class Contactor(Struct, frozen=True):
    """One contactor: what is written, and what it says of itself."""

    id: str
    plc: str
    coil: str  # the profile's name: 1 closes, 0 opens
    closed: str  # the bit that is 1 while it is closed (52a), by the site's name
    open: str | None = None  # the bit that is 1 while it is open (52b)
    held: bool = True  # the coil holds its order; False: the PLC makes a pulse of each write


class Plc(Struct, frozen=True):
    """One PLC, and how often it is shown that we live."""

    id: str
    writer: PlcWriter
    heartbeat_ns: int | None = None


class SwitchSink(MeterSink, LoadSink, WriteSink, Protocol):
    """Hears what PLCs and contactors said, and what became of setpoints: the board."""


class _Flight(Struct, gc=False, eq=False):
    """One setpoint on its way."""

    setpoint: Setpoint
    first_ns: int
    due_ns: int
    repeats: int = 0
    unknown: bool = False  # a write of it may have been done


class _Unknown(Struct, gc=False):
    """The feedback since a write of unknown effect."""

    sent_ns: int
    step: str | None = None
    agreed: int = 0


class _Life:
    """What one PLC shows of its own life."""

    def __init__(self) -> None:
        self.heard = False  # read since it was last lost
        self.stopped = ""  # why its program counts as stopped
        self.beat = 0  # the newest that we wrote
        self.echo: float | None = None
        self.unechoed_ns: int | None = None  # the oldest beat that it took and no echo followed
        self.counter: float | None = None
        self.counted_ns = 0

    def seen(self, signs: Mapping[str, float | None], taken_ns: int) -> None:
        """Note what a round of reading showed."""
        self.heard = True
        echo, counter = signs.get(HEARTBEAT_ECHO), signs.get(PLC_COUNTER)
        if echo is not None and echo != self.echo:
            self.echo, self.unechoed_ns = echo, None
        if counter is not None and counter != self.counter:
            self.counter, self.counted_ns = counter, taken_ns
        self.stopped = ""
        if self.counter is not None and taken_ns - self.counted_ns > STOPPED_NS:
            self.stopped = _stands_still("its own counter", taken_ns - self.counted_ns)
        if self.unechoed_ns is not None and taken_ns - self.unechoed_ns > STOPPED_NS:
            self.stopped = _stands_still("the echo of the heartbeat", taken_ns - self.unechoed_ns)

    def next_beat(self) -> int:
        """One more than the newest that is known, so that the PLC sees a change after our restart too."""
        newest = self.beat or int(self.echo or 0)
        self.beat = newest + 1 if newest < _COUNT_MAX else 1
        return self.beat

    def beat_taken(self, now_ns: int) -> None:
        """The PLC acknowledged the newest beat."""
        if self.echo is not None and self.echo != self.beat and self.unechoed_ns is None:
            self.unechoed_ns = now_ns


class Switchgear:
    """Tells contactors, keeps the heartbeats, and watches that PLCs live."""

    def __init__(
        self,
        plcs: Iterable[Plc],
        contactors: Iterable[Contactor],
        sink: SwitchSink,
        clock: Clock,
        *,
        observe: bool,
        beats: Callable[[], int],  # goes up as the control loop goes round
        wanted: Callable[[str], str | None],  # the step the core still wants a contactor to be at, None if none
        local: Callable[[str], bool] = lambda plc: False,  # whether a PLC is in LOCAL
    ) -> None:
        self._plcs = {plc.id: plc for plc in plcs}
        self._contactors = {contactor.id: contactor for contactor in contactors}
        self._sink = sink
        self._clock = clock
        self._observe = observe
        self._beats = beats
        self._wanted = wanted
        self._local = local
        self._life = {plc: _Life() for plc in self._plcs}
        self._flights: dict[str, _Flight] = {}
        self._unknown: dict[str, _Unknown] = {}
        self._news = {plc: asyncio.Event() for plc in self._plcs}

    def fire(self, setpoints: Sequence[Setpoint]) -> tuple[Held, ...]:
        """Tell these contactors now; those that must not be told come back with why."""
        now_ns = self._clock.monotonic_ns()
        held: list[Held] = []
        for setpoint in setpoints:
            contactor = self._contactors[setpoint.load]
            why = self._why_held(contactor, setpoint)
            if why:
                held.append(Held(setpoint, why))
                continue
            self._flights[contactor.id] = _Flight(setpoint, now_ns, now_ns)
            self._news[contactor.plc].set()
        return tuple(held)

    async def run(self) -> None:
        """Write what is told, and beat, until cancelled."""
        if self._observe:
            return
        async with asyncio.TaskGroup() as tasks:
            for plc in self._plcs.values():
                tasks.create_task(self._write(plc), name=f"switch:{plc.id}")
                if plc.heartbeat_ns is not None:
                    tasks.create_task(self._beat(plc, plc.heartbeat_ns / _NS_PER_S), name=f"heartbeat:{plc.id}")

    def stopped(self, plc: str) -> str:
        """Why this PLC's program counts as stopped; "" while it runs."""
        return self._life[plc].stopped

    # --- what is read -------------------------------------------------------------------------------------------------

    def meter_read(self, plc_id: str, block: BlockRead, fast: bool) -> None:
        """A round of reading a PLC: to the board, unless its program stands still; and what contactors say."""
        if not fast:
            if not self._life[plc_id].stopped:
                self._sink.meter_read(plc_id, block, fast)
            return
        values = {sample.point: sample.value for sample in block.samples}
        life = self._life[plc_id]
        life.seen(values, block.taken_ns)
        if life.stopped:
            self._sink.meter_failed(plc_id, Silent(plc_id, life.stopped))
            for contactor in self._of(plc_id):
                self._sink.load_failed(contactor.id, Outcome.SILENT, life.stopped)
            return
        self._sink.meter_read(plc_id, block, fast)
        for contactor in self._of(plc_id):
            state = feedback(contactor, values)
            self._agree(contactor.id, state.step, block.taken_ns)
            self._sink.load_read(contactor.id, state, block.taken_ns)

    def meter_failed(self, plc_id: str, error: DeviceError) -> None:
        """A round of reading a PLC brought nothing."""
        self._life[plc_id].heard = False
        self._sink.meter_failed(plc_id, error)
        for contactor in self._of(plc_id):
            self._sink.load_failed(contactor.id, _outcome(error), error.detail)

    def _of(self, plc_id: str) -> list[Contactor]:
        return [contactor for contactor in self._contactors.values() if contactor.plc == plc_id]

    def _agree(self, contactor_id: str, step: str | None, taken_ns: int) -> None:
        unknown = self._unknown.get(contactor_id)
        if unknown is None or step is None or taken_ns <= unknown.sent_ns:
            return
        unknown.agreed = unknown.agreed + 1 if unknown.step == step else 1
        unknown.step = step
        if unknown.agreed >= _AGREE_MIN:
            del self._unknown[contactor_id]

    # --- what is written ----------------------------------------------------------------------------------------------

    def _why_held(self, contactor: Contactor, setpoint: Setpoint) -> str:
        life = self._life[contactor.plc]
        if self._observe:
            return "observe"
        if self._local(contactor.plc):
            return "local"
        if setpoint.step == OPEN:
            return ""
        if contactor.id in self._flights:
            return "unanswered"
        if contactor.id in self._unknown:
            return "unknown"
        return "failed" if life.stopped or not life.heard else ""

    async def _write(self, plc: Plc) -> None:
        while True:
            self._news[plc.id].clear()
            now_ns = self._clock.monotonic_ns()
            flights = {
                contactor.coil: self._flights[contactor.id]
                for contactor in self._of(plc.id)
                if contactor.id in self._flights
            }
            due = {coil: flight for coil, flight in flights.items() if flight.due_ns <= now_ns}
            for coil, flight in tuple(due.items()):
                if flight.repeats and not await self._still_needed(plc, coil, flight):
                    del due[coil]
            for run in plc.writer.runs({coil: flight.setpoint.step == CLOSED for coil, flight in due.items()}):
                await self._put(plc, run, [due[coil] for coil in run])
            if due:
                continue
            next_ns = min((flight.due_ns for flight in flights.values()), default=None)
            try:
                async with asyncio.timeout(None if next_ns is None else max(0.001, (next_ns - now_ns) / _NS_PER_S)):
                    await self._news[plc.id].wait()
            except TimeoutError:
                continue

    async def _put(self, plc: Plc, run: Mapping[str, bool], flights: Sequence[_Flight]) -> None:
        flights = [flight for flight in flights if self._flights.get(flight.setpoint.load) is flight]
        if len(flights) < len(run):
            return  # a newer setpoint came for one of them while another was written: look again
        sent_ns = self._clock.monotonic_ns()
        for flight in flights:
            self._sink.write_sent(flight.setpoint.load, flight.setpoint.step, sent_ns)
        try:
            answer = await plc.writer.set_coils(run)
        except DeviceError as error:
            for flight in flights:
                self._failed(flight, error, sent_ns)
        else:
            for flight in flights:
                self._done(flight, answer.answered_ns, "")

    async def _still_needed(self, plc: Plc, coil: str, flight: _Flight) -> bool:
        """Whether a write that came to nothing known has to be repeated: not if it was done, or is not wanted now."""
        contactor = self._contactors[flight.setpoint.load]
        if self._wanted(contactor.id) != flight.setpoint.step or self._local(plc.id):
            if self._flights.get(contactor.id) is flight:
                del self._flights[contactor.id]
            return False
        if not flight.unknown or not contactor.held:
            return True
        try:
            is_set = await plc.writer.read_coil(coil)
        except DeviceError:
            return True
        if is_set != (flight.setpoint.step == CLOSED):
            return True
        self._done(flight, self._clock.monotonic_ns(), "read back")
        return False

    def _done(self, flight: _Flight, answered_ns: int, detail: str) -> None:
        load, step = flight.setpoint.load, flight.setpoint.step
        if self._flights.get(load) is flight:
            del self._flights[load]
            self._unknown.pop(load, None)
            self._sink.write_answered(load, step, Outcome.OK, answered_ns, detail)

    def _failed(self, flight: _Flight, error: DeviceError, sent_ns: int) -> None:
        load, step = flight.setpoint.load, flight.setpoint.step
        outcome = _outcome(error)
        if outcome in (Outcome.SILENT, Outcome.GARBLED):
            self._unknown[load] = _Unknown(sent_ns)
            flight.unknown = True
        if self._flights.get(load) is not flight:
            return  # a newer setpoint speaks for it
        if step == OPEN and outcome is not Outcome.REFUSED and flight.repeats < len(REPEATS_S):
            flight.due_ns = flight.first_ns + round(REPEATS_S[flight.repeats] * _NS_PER_S)
            flight.repeats += 1
        else:
            del self._flights[load]
        self._sink.write_answered(load, step, outcome, self._clock.monotonic_ns(), error.detail)

    async def _beat(self, plc: Plc, period_s: float) -> None:
        life, beats = self._life[plc.id], self._beats()
        while True:
            await asyncio.sleep(period_s)
            if not life.heard or self._beats() == beats:
                continue
            beats = self._beats()
            try:
                answer = await plc.writer.beat(life.next_beat())
            except DeviceError:
                continue  # the polls tell that it does not answer, and the PLC that no beat came
            life.beat_taken(answer.answered_ns)


def feedback(contactor: Contactor, values: Mapping[str, float | None]) -> State:
    """What the auxiliary contacts say; no step where they contradict each other or one is not known."""
    closed = values.get(contactor.closed)
    is_open = values.get(contactor.open) if contactor.open is not None else None if closed is None else 1.0 - closed
    if closed is None or is_open is None:
        return _state(None, "the feedback was not read")
    if closed == is_open:
        return _state(None, f"52a and 52b are both {closed:g}: it moves, or a contact or its wire is faulty")
    return _state(CLOSED if closed else OPEN, "")


def _state(step: str | None, detail: str) -> State:
    return State(step, None, False, None, None, detail)


def _outcome(error: DeviceError) -> Outcome:
    kinds = {
        Refused: Outcome.REFUSED,
        Silent: Outcome.SILENT,
        Garbled: Outcome.GARBLED,
        Unreachable: Outcome.UNREACHABLE,
    }
    return next((outcome for kind, outcome in kinds.items() if isinstance(error, kind)), Outcome.SILENT)


def _stands_still(what: str, for_ns: int) -> str:
    return f"{what} stands still for {for_ns / _NS_PER_S:.1f} s: the PLC's program has stopped"
