"""An asyncio loop whose time is an integer that jumps: when nothing is ready, it is the time of the next timer.

Everything that asyncio offers above a selector works (tasks, timeouts, groups, queues) in the order it always has;
sockets, signals and threads are refused, since the agent must reach them through its seams. Two faults end a run
instead of hanging it: Deadlock (somebody waits, and nothing is scheduled) and Livelock (work without end at one
instant, or simply too much).

A life is one run of the agent, from start to kill or stop. What the agent schedules carries its life in a context
variable, so that a kill can drop exactly that, as the kernel would: no callback of a dead process runs, whatever its
code had planned.
"""

import asyncio
import math
from collections import deque
from contextvars import Context, ContextVar
from typing import Any, NoReturn

NS_PER_S = 1_000_000_000

LIFE: ContextVar[int] = ContextVar("life", default=0)  # 0: the world itself; 1, 2, ...: the agent's lives
ROUNDS_PER_INSTANT_MAX = 200_000
ROUNDS_MAX = 200_000_000


class Deadlock(Exception):
    """Somebody waits, and nothing will ever happen."""


class Livelock(Exception):
    """Work without end, and time stands still."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop on which an hour takes as long as its work."""

    _ready: deque[asyncio.Handle]  # CPython's own, 3.11 to 3.13
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, start_ns: int = 1_000 * NS_PER_S) -> None:
        super().__init__()
        self.now_ns = start_ns
        self.rounds = 0
        self._rounds_here = 0
        self._clock_resolution = 1e-9
        self._selector = self  # BaseEventLoop asks it for events between two rounds

    def time(self) -> float:
        return self.now_ns / NS_PER_S

    def select(self, timeout: float | None) -> list[Any]:
        """What a selector does with spare time: here the time passes at once."""
        self.rounds += 1
        self._rounds_here += 1
        if self.rounds > ROUNDS_MAX or self._rounds_here > ROUNDS_PER_INSTANT_MAX:
            raise Livelock(f"{self._rounds_here} rounds at {self.now_ns} ns, {self.rounds} in all")
        if timeout is None:
            raise Deadlock(f"nothing is scheduled after {self.now_ns} ns, and somebody still waits")
        if timeout > 0:
            next_ns = math.ceil(self._scheduled[0].when() * NS_PER_S)
            self.now_ns = max(next_ns, self.now_ns + 1)
            self._rounds_here = 0
        return []

    def drop_timers(self, life: int) -> None:
        """No timer that the given life set will ring."""
        for handle in self._scheduled:
            context: Context = handle._context  # type: ignore[attr-defined]
            if context.get(LIFE) == life:
                handle.cancel()

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        """call_soon_threadsafe needs no waking here: there is one thread."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # type: ignore[override]
        raise AssertionError(f"{func} wants a thread; the simulation has only the spawn seam")

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:  # type: ignore[override]
        """Signals come from a terminal; the simulation stops the agent by its stop event."""

    def remove_signal_handler(self, sig: int) -> bool:
        return True


def life_tasks(loop: VirtualLoop, life: int) -> list[asyncio.Task[Any]]:
    """The unfinished tasks that a life made, in the order they were made."""
    made = [task for task in asyncio.all_tasks(loop) if getattr(task, "life", 0) == life]
    return sorted(made, key=lambda task: getattr(task, "number", 0))


class LivedTask(asyncio.Task[Any]):
    """A task that knows whose it is."""

    life: int
    number: int


def mark_tasks(loop: VirtualLoop) -> None:
    """Every task made from here on says which life made it, and when in the order."""
    made = 0

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        nonlocal made
        made += 1
        context: Context | None = options.get("context")
        task = LivedTask(coroutine, loop=loop, **options)
        task.life = LIFE.get() if context is None else context.get(LIFE, 0)
        task.number = made
        return task

    loop.set_task_factory(make)
