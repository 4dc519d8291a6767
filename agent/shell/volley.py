"""The volley: setpoints onto the wire, all at once, and what came of each back to the board.

Words: a *flight* is a setpoint that was handed to the wire and is not judged yet. A write is *unknown* when it was
written and not answered, or answered with nonsense: it may have been done or not.

How one goes
------------
    fire -> the first 64 setpoints are looked up and their connections opened; only then the rest are looked up
         -> the loop goes on opening (drivers/miners/client.py), the board is told "sent" in between
         -> answers wait until every byte is out, then they are read by the dialect, a few at a time

Nothing is encoded on that way: the bytes of every step of every load lie ready, made anew when a poll has learned what
the verbs need (drivers/miners/dialect.py). Verbs that perish (an Avalon's hold a time 5 s ahead) are made anew all the
time, twice within what they are good for; what is too old when it is fired is made anew on the spot.

Rules kept here (design.md, section 4.3 and 4.15)
- Newest wins: a newer setpoint ends the flight of an older one for the same load.
- A raise goes only to a load without a flight and without an unknown write; it is never hedged and never repeated.
  What is not sent comes back from fire() with the reason. After an unknown write the state has to be read twice in a
  row the same, both asked after the write, before the load counts as known again.
- A lowering write that came to nothing known, or to a refusal that passes by itself (somebody else has the miner's only
  session, a token died), is repeated 2, 5, 15 and 60 s after it was first sent (reference: miners.md 13), or as soon as
  a poll brought what such a refusal was for want of, unless a read agrees with it, a newer setpoint replaced it or the
  core does not want it any more. All lowering verbs are idempotent. A session
  whose opening was never answered may stay open for a minute: the repeats at 60 s come after that.
- Sessions are ended before run() does, however it ends.
- In observe nothing is sent at all.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from agent.core.image import Outcome
from agent.core.setpoint import Setpoint
from agent.shell.clock import Clock
from agent.shell.sink import WriteSink
from drivers.miners.client import Answer, Exchanger, Shot
from drivers.miners.dialect import Dialect, Seen, State

REPEATS_S = (2.0, 5.0, 15.0, 60.0)
_AGREE_MIN = 2  # reads in a row
_FIRST = 64  # the exchanger's slice: looked up before anything else
_TELL_SLICE = 256  # "sent" told to the board in one turn of the loop
_JUDGE_SLICE = 32  # answers parsed in one turn of the loop: 50 us each at most
_JUDGE_AGAIN_S = 0.005
_JUDGE_LATE_NS = 250_000_000  # an answer is read by then, even if a slow fleet keeps the volley going
_RENEW_SLICE = 64  # loads whose requests are made anew in one turn of the loop: 10 us each
_LEAVE_S_MAX = 3.0  # a verb and the end of its session at a miner that answers neither
_NS_PER_S = 1_000_000_000
_FOREVER_NS = 1 << 62


class Target(Struct, frozen=True):
    """Where one load listens and what it speaks."""

    load: str
    host: str
    port: int
    dialect: Dialect


class Held(Struct, frozen=True):
    """A setpoint that was not sent, and why: observe | unanswered | unknown | unprepared."""

    setpoint: Setpoint
    why: str


class _Ready(Struct, frozen=True):
    """The requests of one load, ready to be sent."""

    shots: dict[str, tuple[Shot, ...]]
    until_ns: int


class _Flight(Struct, gc=False):
    """One setpoint on its way."""

    setpoint: Setpoint
    sent_ns: int
    parts: int  # requests still to be judged
    first_ns: int  # when it was sent for the first time
    repeats: int = 0
    told: bool = False
    outcomes: tuple[Outcome, ...] = ()
    passes: bool = False  # one of them is a refusal that ends by itself
    detail: str = ""


class _Unknown(Struct, gc=False):
    """The reads since a write of unknown effect."""

    sent_ns: int
    step: str | None = None
    agreed: int = 0


class Volley:
    """Puts setpoints on the wire, judges the answers, repeats lowering ones that came to nothing known."""

    def __init__(
        self,
        exchanger: Exchanger,
        sink: WriteSink,
        clock: Clock,
        targets: Iterable[Target],
        *,
        observe: bool,
        wanted: Callable[[str], str | None],  # the step the core still wants a lowered load to be at, None if none
    ) -> None:
        self._exchanger = exchanger
        self._sink = sink
        self._clock = clock
        self._targets = {target.load: target for target in targets}
        self._observe = observe
        self._wanted = wanted
        self._loop = asyncio.get_running_loop()
        self._sent_to: list[Callable[[str, int], None]] = []
        self._turned_away: list[Callable[[str], None]] = []
        self._seen: dict[str, Seen] = {}
        self._ready = {load: self._encode(load) for load in self._targets}
        self._flights: dict[str, _Flight] = {}
        self._unknown: dict[str, _Unknown] = {}
        self._repeats: dict[str, tuple[int, _Flight]] = {}  # load -> when due, what
        self._repeats_changed = asyncio.Event()
        self._untold: deque[_Flight] = deque()
        self._unjudged: deque[tuple[_Flight, Answer, int]] = deque()
        self._judging: asyncio.Handle | None = None

    def on_sent(self, callback: Callable[[str, int], None]) -> None:
        """Have (load, sent_ns) told for every setpoint that went out: the poller looks at what came of it."""
        self._sent_to.append(callback)

    def on_turned_away(self, callback: Callable[[str], None]) -> None:
        """Have a load told whose refusal passes: a poll may get what its verb needs, and seen() then repeats it."""
        self._turned_away.append(callback)

    def fire(self, setpoints: Sequence[Setpoint]) -> tuple[Held, ...]:
        """Send these now, one a load; those that must not be sent come back. The first are out when this returns."""
        if self._observe:
            return tuple(Held(setpoint, "observe") for setpoint in setpoints)
        now_ns = self._clock.monotonic_ns()
        held: list[Held] = []
        self._send(setpoints[:_FIRST], now_ns, held)
        if len(setpoints) > _FIRST:
            self._send(setpoints[_FIRST:], now_ns, held)
        return tuple(held)

    def prepared(self, load_id: str) -> bool:
        """Whether every step of this load can be told at once."""
        return all(self._ready[load_id].shots.values())

    def seen(self, load_id: str, state: State, taken_ns: int) -> None:
        """What a poll found that was asked at taken_ns: makes the load's requests anew, settles unknown writes."""
        if state.seen != self._seen.get(load_id) or self._ready[load_id].until_ns != _FOREVER_NS:
            self._seen[load_id] = state.seen
            self._ready[load_id] = self._encode(load_id)
            waiting = self._repeats.get(load_id)
            if waiting is not None and waiting[1].passes and waiting[1].sent_ns < taken_ns:
                self._repeats[load_id] = (self._clock.monotonic_ns(), waiting[1])
                self._repeats_changed.set()
        if state.step is None:
            return
        repeat = self._repeats.get(load_id)
        if repeat is not None and repeat[1].sent_ns < taken_ns and repeat[1].setpoint.step == state.step:
            del self._repeats[load_id]
        unknown = self._unknown.get(load_id)
        if unknown is not None and unknown.sent_ns < taken_ns:
            unknown.agreed = unknown.agreed + 1 if unknown.step == state.step else 1
            unknown.step = state.step
            if unknown.agreed >= _AGREE_MIN:
                del self._unknown[load_id]

    async def run(self) -> None:
        """Repeat what must be repeated, and keep the requests fresh, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._repeat_lost(), name="volley:repeat")
                tasks.create_task(self._renew_perishable(), name="volley:renew")
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_S_MAX):
                    await self._exchanger.leave()

    async def _renew_perishable(self) -> None:
        good_ns = {load: target.dialect.verb_good_ns for load, target in self._targets.items()}
        perishable = [load for load, good in good_ns.items() if good is not None]
        if not perishable or self._observe:
            return
        slices = [perishable[at : at + _RENEW_SLICE] for at in range(0, len(perishable), _RENEW_SLICE)]
        pause_s = min(good for good in good_ns.values() if good is not None) / 2 / len(slices) / _NS_PER_S
        while True:
            for loads in slices:
                await asyncio.sleep(pause_s)
                if not self._exchanger.firing:
                    self._ready |= {load: self._encode(load) for load in loads if load in self._seen}

    async def _repeat_lost(self) -> None:
        while True:
            self._repeats_changed.clear()
            now_ns = self._clock.monotonic_ns()
            due = [load for load, (due_ns, _) in self._repeats.items() if due_ns <= now_ns]
            self._repeat(due, now_ns)
            next_ns = min((due_ns for due_ns, _ in self._repeats.values()), default=None)
            try:
                async with asyncio.timeout(None if next_ns is None else max(0.001, (next_ns - now_ns) / _NS_PER_S)):
                    await self._repeats_changed.wait()
            except TimeoutError:
                continue

    # --- out --------------------------------------------------------------------------------------------------------

    def _send(self, setpoints: Sequence[Setpoint], now_ns: int, held: list[Held]) -> None:
        shots: list[Shot] = []
        flights: dict[str, _Flight] = {}
        for setpoint in setpoints:
            load = setpoint.load
            if not setpoint.lowers and (load in self._flights or load in self._unknown):
                held.append(Held(setpoint, "unanswered" if load in self._flights else "unknown"))
                continue
            ready = self._ready[load]
            if ready.until_ns < now_ns:
                ready = self._ready[load] = self._encode(load)
            requests = ready.shots[setpoint.step]
            if not requests:
                held.append(Held(setpoint, "unprepared"))
                continue
            if setpoint.lowers:
                shots += requests
            else:
                shots += (msgspec.structs.replace(shot, hedge=False) for shot in requests)
            assert load not in flights, f"{load} is told twice in one volley"
            flights[load] = _Flight(setpoint, now_ns, len(requests), now_ns)
            self._repeats.pop(load, None)
        self._launch(shots, flights)

    def _launch(self, shots: list[Shot], flights: dict[str, _Flight]) -> None:
        if not shots:
            return
        self._exchanger.fire(shots, partial(self._answered, flights))
        self._flights |= flights
        if not self._untold:
            self._loop.call_soon(self._tell)
        self._untold += flights.values()

    def _repeat(self, loads: Sequence[str], now_ns: int) -> None:
        shots: list[Shot] = []
        flights: dict[str, _Flight] = {}
        for load in loads:
            _, flight = self._repeats.pop(load)
            setpoint = flight.setpoint
            requests = self._ready[load].shots[setpoint.step]
            if requests and self._wanted(load) == setpoint.step:
                shots += requests
                flights[load] = _Flight(setpoint, now_ns, len(requests), flight.first_ns, flight.repeats + 1)
        self._launch(shots, flights)

    def _tell(self) -> None:
        """Tell the board what is on its way, in slices: the sockets have to be served in between."""
        for _ in range(min(_TELL_SLICE, len(self._untold))):
            self._tell_sent(self._untold.popleft())
        if self._untold:
            self._loop.call_soon(self._tell)

    def _tell_sent(self, flight: _Flight) -> None:
        load = flight.setpoint.load
        if flight.told or self._flights.get(load) is not flight:
            return
        flight.told = True
        self._sink.write_sent(load, flight.setpoint.step, flight.sent_ns)
        for callback in self._sent_to:
            callback(load, flight.sent_ns)

    # --- back -------------------------------------------------------------------------------------------------------

    def _answered(self, flights: dict[str, _Flight], answer: Answer) -> None:
        self._unjudged.append((flights[answer.key], answer, self._clock.monotonic_ns()))
        if self._judging is None:
            self._judging = self._loop.call_soon(self._judge)

    def _judge(self) -> None:
        self._judging = None
        oldest_ns = self._unjudged[0][2]
        if self._exchanger.firing and self._clock.monotonic_ns() - oldest_ns < _JUDGE_LATE_NS:
            self._judging = self._loop.call_later(_JUDGE_AGAIN_S, self._judge)
            return
        for _ in range(min(_JUDGE_SLICE, len(self._unjudged))):
            self._judge_one(*self._unjudged.popleft())
        if self._unjudged:
            self._judging = self._loop.call_soon(self._judge)

    def _judge_one(self, flight: _Flight, answer: Answer, heard_ns: int) -> None:
        load, step = flight.setpoint.load, flight.setpoint.step
        if self._flights.get(load) is not flight:
            return  # a newer setpoint speaks for the load
        if answer.outcome == "ok":
            verdict = self._targets[load].dialect.decode_answer(step, answer.reply, self._seen.get(load))
            outcome, detail = Outcome(verdict.outcome), verdict.detail
            flight.passes = flight.passes or verdict.passes
        else:
            outcome, detail = Outcome(answer.outcome), answer.detail
        flight.outcomes += (outcome,)
        if outcome is not Outcome.OK or not flight.detail:
            flight.detail = detail
        flight.parts -= 1
        if flight.parts:
            return
        self._tell_sent(flight)
        del self._flights[load]
        outcome = worst(flight.outcomes)
        self._settle(flight, outcome)
        answered_ns = heard_ns if answer.answered_ns is None else answer.answered_ns
        self._sink.write_answered(load, step, outcome, answered_ns, flight.detail)

    def _settle(self, flight: _Flight, outcome: Outcome) -> None:
        """Note what is unknown from here on, and what has to be repeated."""
        load = flight.setpoint.load
        if outcome in (Outcome.SILENT, Outcome.GARBLED):
            self._unknown[load] = _Unknown(flight.sent_ns)
        elif outcome is not Outcome.UNREACHABLE:
            self._unknown.pop(load, None)
        lost = outcome in (Outcome.SILENT, Outcome.GARBLED, Outcome.UNREACHABLE) or flight.passes
        if lost and flight.setpoint.lowers and flight.repeats < len(REPEATS_S):
            now_ns = self._clock.monotonic_ns()
            due_ns = flight.first_ns + round(REPEATS_S[flight.repeats] * _NS_PER_S)
            if due_ns <= now_ns:  # a family that takes half a minute to answer: look at it first
                due_ns = now_ns + round(REPEATS_S[0] * _NS_PER_S)
            self._repeats[load] = (due_ns, flight)
            self._repeats_changed.set()
        if flight.passes:
            for callback in self._turned_away:
                callback(load)

    def _encode(self, load_id: str) -> _Ready:
        target = self._targets[load_id]
        dialect, seen, now_ns = target.dialect, self._seen.get(load_id), self._clock.monotonic_ns()
        good_ns = dialect.verb_good_ns
        return _Ready(
            {
                step.name: tuple(
                    Shot(
                        load_id,
                        target.host,
                        request.port or target.port,
                        request.raw,
                        request.hedge,
                        part,
                        dialect.conversation(step.name),
                        request.framing,
                        request.answer_ns,
                    )
                    for part, request in enumerate(dialect.set_requests(step.name, seen, now_ns))
                )
                for step in dialect.steps
            },
            _FOREVER_NS if good_ns is None else now_ns + good_ns,
        )


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """What several requests that make one setpoint came to together; some connected and some not is unknown."""
    if all(outcome is Outcome.UNREACHABLE for outcome in outcomes):
        return Outcome.UNREACHABLE
    if Outcome.SILENT in outcomes or Outcome.UNREACHABLE in outcomes:
        return Outcome.SILENT
    for outcome in (Outcome.GARBLED, Outcome.REFUSED):
        if outcome in outcomes:
            return outcome
    return Outcome.OK
