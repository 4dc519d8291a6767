"""Polling the loads: what does each miner itself say that it does.

    first      at the start every load is asked as soon as its turn comes: nothing is raised or counted before
    regular    then each has its own slot in every `poll_s`; the slots of N loads lie evenly over that time
    after      1, 2, 5 and 15 s after a setpoint went out (reference: miners.md 13, the after-check): did it come true,
               and did it stay
    at once    after a refusal that passes by itself: what the verb was wanting may be had by now

At most 32 are asked at once, a load never twice at once (its server is one thread), and none while a volley is out. A
poll that is due and finds that the load was asked since is dropped: after a volley to thousands the checks come as fast
as they can and never pile up. A poll that a volley ended tells nothing and is made again a little later.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable
from itertools import count
from typing import NoReturn, Protocol

from msgspec import Struct

from agent.core.image import Outcome
from agent.shell.clock import Clock
from agent.shell.sink import LoadSink
from agent.shell.volley import Target
from drivers.errors import DeviceError, Garbled, Refused, Silent, Unreachable
from drivers.miners.client import Exchanger
from drivers.miners.dialect import Seen, State
from drivers.miners.polls import run_poll

CHECKS_S = (1.0, 2.0, 5.0, 15.0)
AT_ONCE_MAX = 32
_AGAIN_NS = 200_000_000  # after a poll that a volley ended
_GIVE_WAY_S = 0.005
_NS_PER_S = 1_000_000_000
_NEVER_NS = -1
_REGULAR_NS = -2
_OUTCOMES: dict[type[DeviceError], Outcome] = {
    Silent: Outcome.SILENT,
    Unreachable: Outcome.UNREACHABLE,
    Refused: Outcome.REFUSED,
    Garbled: Outcome.GARBLED,
}


class Writes(Protocol):
    """Who writes to the loads: agent.shell.volley.Volley."""

    def on_sent(self, callback: Callable[[str, int], None]) -> None:
        """Have (load, sent_ns) told for every setpoint that goes out."""
        ...

    def on_turned_away(self, callback: Callable[[str], None]) -> None:
        """Have a load told whose refusal may pass once it was polled."""
        ...

    def seen(self, load_id: str, state: State, taken_ns: int) -> None:
        """What a poll found that was asked at taken_ns."""
        ...


class PolledLoad(Struct, frozen=True):
    """One load and how often it is asked."""

    target: Target
    poll_ns: int


class _Turn:
    """Where one load stands."""

    def __init__(self, polled: PolledLoad, phase_ns: int) -> None:
        self.target = polled.target
        self.poll_ns = polled.poll_ns
        self.phase_ns = phase_ns
        self.asking = False
        self.asked_ns = _NEVER_NS  # when it was last asked
        self.sent_ns = _NEVER_NS  # when it was last told something
        self.seen: Seen | None = None


class LoadPoller:
    """Polls all loads of the site. Make it inside the running loop, after the volley."""

    def __init__(
        self, loads: Iterable[PolledLoad], exchanger: Exchanger, sink: LoadSink, clock: Clock, writes: Writes
    ) -> None:
        self._exchanger = exchanger
        self._sink = sink
        self._clock = clock
        self._writes = writes
        self._begin_ns = clock.monotonic_ns()
        all_loads = list(loads)
        self._turns = {
            polled.target.load: _Turn(polled, polled.poll_ns * number // len(all_loads))
            for number, polled in enumerate(all_loads)
        }
        self._number = count()  # keeps the order of what is due at the same instant
        # When due, the order, whom, and after which write it is a check; every load has one regular poll in here.
        self._due: list[tuple[int, int, _Turn, int]] = []
        self._sooner = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE_MAX)
        for turn in self._turns.values():
            self._plan(self._begin_ns, turn)
        writes.on_sent(self._sent)
        writes.on_turned_away(self._turned_away)

    async def run(self) -> NoReturn:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as polls:
            while True:
                await self._room.acquire()
                turn = await self._next()
                turn.asking = True
                turn.asked_ns = self._clock.monotonic_ns()
                polls.create_task(self._poll(turn), name=f"poll:{turn.target.load}")

    async def _next(self) -> _Turn:
        """The next load that is to be asked, when it is time."""
        while True:
            self._sooner.clear()
            now_ns = self._clock.monotonic_ns()
            if self._due and self._due[0][0] <= now_ns:
                if self._exchanger.firing:
                    await asyncio.sleep(_GIVE_WAY_S)
                    continue
                due_ns, _, turn, sent_ns = heapq.heappop(self._due)
                if sent_ns == _REGULAR_NS:
                    self._plan(_slot_after(now_ns, self._begin_ns + turn.phase_ns, turn.poll_ns), turn)
                elif sent_ns != turn.sent_ns:
                    continue  # it was told something newer, which has checks of its own
                if turn.asking or turn.asked_ns >= due_ns:
                    continue
                return turn
            wait_s = (self._due[0][0] - now_ns) / _NS_PER_S if self._due else None
            try:
                async with asyncio.timeout(wait_s):
                    await self._sooner.wait()
            except TimeoutError:
                continue

    async def _poll(self, turn: _Turn) -> None:
        try:
            await self._ask(turn)
        finally:
            turn.asking = False
            self._room.release()

    async def _ask(self, turn: _Turn) -> None:
        target, clock_ns = turn.target, self._clock.monotonic_ns
        load, asked_ns = target.load, clock_ns()
        try:
            poll = target.dialect.poll(turn.seen, asked_ns)
            state = await run_poll(poll, self._exchanger.ask, clock_ns, load, target.host, target.port)
        except DeviceError as error:
            self._sink.load_failed(load, _OUTCOMES[type(error)], error.detail)
            return
        if state is None:
            self._plan(self._clock.monotonic_ns() + _AGAIN_NS, turn, turn.sent_ns)
            return
        turn.seen = state.seen
        self._writes.seen(load, state, asked_ns)
        self._sink.load_read(load, state, asked_ns)

    def _turned_away(self, load_id: str) -> None:
        turn = self._turns[load_id]
        turn.seen = None
        self._plan(self._clock.monotonic_ns(), turn, turn.sent_ns)

    def _sent(self, load_id: str, sent_ns: int) -> None:
        turn = self._turns[load_id]
        turn.sent_ns = sent_ns
        for check_s in CHECKS_S:
            self._plan(sent_ns + round(check_s * _NS_PER_S), turn, sent_ns)

    def _plan(self, due_ns: int, turn: _Turn, sent_ns: int = _REGULAR_NS) -> None:
        heapq.heappush(self._due, (due_ns, next(self._number), turn, sent_ns))
        if self._due[0][0] == due_ns:
            self._sooner.set()


def _slot_after(now_ns: int, first_ns: int, period_ns: int) -> int:
    """The first of the slots at first_ns, first_ns + period_ns, ... that is after now_ns."""
    return first_ns if first_ns > now_ns else first_ns + ((now_ns - first_ns) // period_ns + 1) * period_ns
