"""Setpoints to GPUs: who may be told what now, what came of it, what has to be told again.

The rules are those of agent/shell/volley.py. A *flight* is a setpoint handed to the wire and not judged yet; a write is
*unknown* when it may have been done or not.

    fire     newest wins. A raise goes only to a GPU without a flight and without an unknown write, and is never
             repeated. With gpud away a setpoint comes to "unreachable" at once
    answer   "ok" when gpud read back what was asked; an answer overdue by a second is "silent"
    after    a lowering setpoint that came to nothing known is repeated 2, 5, 15 and 60 s after it was first sent, and
             at once when gpud is back, unless a read agrees with it or the core does not want it any more
    unknown  ends when the state was read twice in a row the same, both taken after the write
    observe  nothing is sent

The sink is never called from within fire(): its caller is the board, in the middle of a decision.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from drivers.gpu.messages import SET_S_MAX, FromClient, Set, SetDone
from drivers.gpu.steps import GpuStep

REPEATS_S = (2.0, 5.0, 15.0, 60.0)
ANSWER_S_MAX = SET_S_MAX + 1.0
_AGREE_MIN = 2  # reads in a row
_NS_PER_S = 1_000_000_000
_REFUSALS = ("no_permission", "out_of_range", "unsupported", "no_lease", "unknown_gpu", "read_back")


class Setpoint(Protocol):
    """agent.core.setpoint.Setpoint, as far as it is needed here."""

    @property
    def load(self) -> str:
        """Whom."""
        ...

    @property
    def step(self) -> str:
        """lowest | floor | full."""
        ...

    @property
    def lowers(self) -> bool:
        """Whether it is no raise."""
        ...


class WriteSink(Protocol):
    """Hears what became of setpoints. Outcomes: ok | refused | silent | unreachable."""

    def write_sent(self, load_id: str, step: str, sent_ns: int) -> None:
        """A setpoint was handed to the wire."""
        ...

    def write_answered(self, load_id: str, step: str, outcome: str, answered_ns: int, detail: str) -> None:
        """What came of the newest setpoint of this load."""
        ...


class Held(Struct, frozen=True):
    """A setpoint that was not sent, and why: observe | unanswered | unknown | unprepared."""

    setpoint: Setpoint
    why: str


class _Flight(Struct, gc=False):
    """One setpoint on its way."""

    setpoint: Setpoint
    number: int
    sent_ns: int
    first_ns: int  # when it was sent for the first time
    repeats: int = 0


class _Unknown(Struct, gc=False):
    """The reads since a write of unknown effect."""

    sent_ns: int
    step: str | None = None
    agreed: int = 0


class Writes:
    """The setpoints of one gpud's GPUs."""

    def __init__(
        self,
        sink: WriteSink,
        clock_ns: Callable[[], int],
        numbers: Iterator[int],
        *,
        gpu_of: Callable[[str], tuple[str, tuple[GpuStep, ...]]],  # load -> its UUID and steps, none while unknown
        wanted: Callable[[str], str | None],  # the step the core still wants a lowered load to be at, None if none
        soon: Callable[[Callable[[], None]], object],  # the loop's call_soon
        observe: bool,
    ) -> None:
        self._sink = sink
        self._clock_ns = clock_ns
        self._numbers = numbers
        self._gpu_of = gpu_of
        self._wanted = wanted
        self._soon = soon
        self._observe = observe
        self._send: Callable[[FromClient], None] | None = None
        self._flights: dict[str, _Flight] = {}
        self._by_number: dict[int, _Flight] = {}
        self._unknown: dict[str, _Unknown] = {}
        self._repeats: dict[str, tuple[int, _Flight]] = {}  # load -> when due, what
        self.told: dict[str, str] = {}  # load -> the step it was told last

    def fire(self, setpoints: Sequence[Setpoint]) -> tuple[Held, ...]:
        """Send these now; those that must not be sent come back."""
        now_ns = self._clock_ns()
        held = []
        for setpoint in setpoints:
            why = self._holds(setpoint)
            if why:
                held.append(Held(setpoint, why))
            else:
                self._repeats.pop(setpoint.load, None)
                self._fly(_Flight(setpoint, next(self._numbers), now_ns, now_ns))
        return tuple(held)

    def open(self, send: Callable[[FromClient], None]) -> None:
        """gpud is there: what is to be repeated goes now."""
        self._send = send
        self._repeat(tuple(self._repeats))

    def shut(self) -> None:
        """gpud is away: what it has not answered is unknown."""
        self._send = None
        for flight in tuple(self._by_number.values()):
            self._judge(flight, "silent", "the connection to gpud ended before its answer")

    def answered(self, done: SetDone) -> None:
        """gpud's answer to a Set."""
        flight = self._by_number.get(done.id)
        if flight is None:
            return  # overdue, or a newer setpoint speaks for the load
        if done.outcome == "ok":
            self._judge(flight, "ok", done.detail)
        elif done.outcome in _REFUSALS:
            self._judge(flight, "refused", f"{done.outcome}: {done.detail}")
        else:
            self._judge(flight, "silent" if done.tried else "unreachable", f"{done.outcome}: {done.detail}")

    def seen(self, load_id: str, step: str | None, taken_ns: int) -> None:
        """What a read found."""
        if step is None:
            return
        repeat = self._repeats.get(load_id)
        if repeat is not None and repeat[1].sent_ns < taken_ns and repeat[1].setpoint.step == step:
            del self._repeats[load_id]
        unknown = self._unknown.get(load_id)
        if unknown is not None and unknown.sent_ns < taken_ns:
            unknown.agreed = unknown.agreed + 1 if unknown.step == step else 1
            unknown.step = step
            if unknown.agreed >= _AGREE_MIN:
                del self._unknown[load_id]

    def tick(self) -> None:
        """Judge what is overdue, repeat what is due; call it a few times a second."""
        now_ns = self._clock_ns()
        for flight in tuple(self._by_number.values()):
            if now_ns - flight.sent_ns > ANSWER_S_MAX * _NS_PER_S:
                self._judge(flight, "silent", "gpud did not answer")
        self._repeat(tuple(load for load, (due_ns, _) in self._repeats.items() if due_ns <= now_ns))

    def _holds(self, setpoint: Setpoint) -> str:
        load = setpoint.load
        if self._observe:
            return "observe"
        if not self._gpu_of(load)[1]:
            return "unprepared"
        if setpoint.lowers:
            return ""
        if load in self._flights:
            return "unanswered"
        return "unknown" if load in self._unknown else ""

    def _repeat(self, loads: Sequence[str]) -> None:
        now_ns = self._clock_ns()
        for load in loads:
            flight = self._repeats.pop(load)[1]
            if self._wanted(load) == flight.setpoint.step:
                self._fly(_Flight(flight.setpoint, next(self._numbers), now_ns, flight.first_ns, flight.repeats + 1))

    def _fly(self, flight: _Flight) -> None:
        setpoint = flight.setpoint
        load = setpoint.load
        older = self._flights.pop(load, None)
        if older is not None:
            del self._by_number[older.number]
            self._unknown[load] = _Unknown(flight.sent_ns)
        self._flights[load] = self._by_number[flight.number] = flight
        self.told[load] = setpoint.step
        self._soon(lambda: self._sink.write_sent(load, setpoint.step, flight.sent_ns))
        if self._send is None:
            self._soon(lambda: self._judge(flight, "unreachable", "gpud is away"))
            return
        uuid, steps = self._gpu_of(load)
        step = next(step for step in steps if step.name == setpoint.step)
        self._send(Set(flight.number, uuid, step.limit_w, step.clocks))

    def _judge(self, flight: _Flight, outcome: str, detail: str) -> None:
        load = flight.setpoint.load
        if self._by_number.pop(flight.number, None) is None:
            return  # a newer setpoint speaks for the load
        del self._flights[load]
        if outcome == "silent":
            self._unknown[load] = _Unknown(flight.sent_ns)
        elif outcome != "unreachable":
            self._unknown.pop(load, None)
        if outcome in ("silent", "unreachable") and flight.setpoint.lowers and flight.repeats < len(REPEATS_S):
            self._repeats[load] = (flight.first_ns + round(REPEATS_S[flight.repeats] * _NS_PER_S), flight)
        self._sink.write_answered(load, flight.setpoint.step, outcome, self._clock_ns(), detail)
