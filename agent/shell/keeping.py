"""What control keeps over a crash: the core's durable state and what was armed, through the journal.

`core`     agent.core.state.Durable. A fresh cut is on its way to the disk before its loads have answered; what changes
           while loads come back one by one is written about once a second.
`armed`    load -> the step a cut may take it to: after a crash a load found on it counts as lowered by us.
`epoch`    the incarnation of the replay store: one more whenever the journal was new or lost (docs/wire.md 6).
`machine`  the machine's boot: within one, monotonic times go on.
`told`     counts the notes that went out: written behind `core`, so that when it is durable that is.

What is told of a decision waits until the decision is on the disk. Told first, an event that ended just before a crash
would be adopted by the next start, and end a second time. The disk is given a second; setpoints never wait for it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

import msgspec

from agent.core.restore import restored
from agent.core.state import Durable, State
from agent.core.tree import Tree
from agent.shell.clock import Clock
from agent.shell.journal import Journal

EVERY_S = 1.0
TELL_WITHIN_S = 1.0

log = logging.getLogger(__name__)


class Keeping:
    """Reads it once, then writes it as it changes; no setpoint ever waits for it."""

    def __init__(self, journal: Journal, clock: Clock, on_fault: Callable[[str], None]) -> None:
        self._journal = journal
        self._clock = clock
        self._on_fault = on_fault
        self._waiting: Durable | None = None
        self._due = asyncio.Event()
        self._untold: list[Callable[[], None]] = []
        self._told = 0
        self._tell_due = asyncio.Event()

    def epoch(self, boot: str) -> int:
        """The replay store's incarnation; a new journal makes a new one.

        A journal that is gone without a trace does not say which it was: counted from 1 again, the commands of the lost
        one would be good once more. The Unix time was not used before; without a clock, a part of `boot`, which is
        random. Posted, not kept: no command becomes durable before it, since commits keep their order.
        """
        kept = self._journal.kept("epoch")
        if isinstance(kept, int):
            return kept
        before = self._journal.salvaged.get("epoch")
        wall_ms = self._clock.wall_ms()
        fresh = wall_ms // 1000 if wall_ms is not None else int(boot[:8], 16)
        epoch = before + 1 if isinstance(before, int) else fresh
        self._journal.post("epoch", epoch)
        return epoch

    def state(self, tree: Tree) -> State:
        """What to start from."""
        machine = self._clock.machine_boot()
        same_boot = self._journal.kept("machine") == machine
        self._journal.post("machine", machine)
        kept = self._journal.kept("core")
        if kept is None:
            return State()
        try:
            durable = msgspec.convert(kept, Durable)
        except msgspec.ValidationError as error:
            self._on_fault(f"what the journal says of lowered loads is not understood ({error}): they stay as they are")
            return State()
        state = restored(tree, durable, same_boot=same_boot, now_ns=self._clock.monotonic_ns())
        if not same_boot:
            # In one commit with `machine`: the next start must not take the other boot's times for this one's.
            self._journal.post("core", state.durable)
        log.info("adopting %d open events and %d lowered loads", len(state.durable.events), len(state.durable.lowered))
        return state

    def armed_before(self) -> Mapping[str, str]:
        """What was armed when we crashed; nothing after a clean stop."""
        kept = self._journal.kept("armed")
        return {str(load): str(step) for load, step in kept.items()} if isinstance(kept, dict) else {}

    def durable(self, durable: Durable) -> None:
        """The core's durable state is another one now."""
        if any(not cut.settled for cut in durable.cuts):
            self._journal.post("core", durable)
            self._waiting = None
        else:
            self._waiting = durable
            self._due.set()

    def armed(self, armed: Mapping[str, str]) -> None:
        """The armed set is another one now."""
        self._journal.post("armed", dict(armed))

    def afterwards(self, tell: Callable[[], None]) -> None:
        """Calls this once what is decided by now is on the disk."""
        self._untold.append(tell)
        self._tell_due.set()

    async def run(self) -> None:
        """Writes what may wait, about once a second; tells what has become durable."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write_slowly(), name="keeping:write")
            tasks.create_task(self._tell(), name="keeping:tell")

    def tell_rest(self) -> None:
        """Tells at once what still waits: the end."""
        self._tell_first(len(self._untold))

    async def _tell(self) -> None:
        while True:
            await self._tell_due.wait()
            self._tell_due.clear()
            count = len(self._untold)
            self._write()
            self._told += count
            try:
                async with asyncio.timeout(TELL_WITHIN_S):
                    await self._journal.keep("told", self._told)
            except (OSError, TimeoutError):
                pass  # a disk that refuses or hangs is told of by the journal, and silences nobody
            self._tell_first(count)

    def _tell_first(self, count: int) -> None:
        told, self._untold = self._untold[:count], self._untold[count:]
        for tell in told:
            tell()

    async def _write_slowly(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            self._write()
            await asyncio.sleep(EVERY_S)

    def stop(self) -> None:
        """A clean end: only after a crash may a load that is found off be one that we lowered and could not note."""
        self._write()
        self._journal.post("armed", None)

    def _write(self) -> None:
        if self._waiting is not None:
            self._journal.post("core", self._waiting)
            self._waiting = None
