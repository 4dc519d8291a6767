"""What control keeps over a crash: the core's durable state and what was armed, through the journal.

`core`     agent.core.state.Durable. A fresh cut is on its way to the disk before its loads have answered; what changes
           while loads come back one by one is written about once a second.
`armed`    load -> the step a cut may take it to: after a crash a load found on it counts as lowered by us.
`epoch`    the incarnation of the replay store: one more whenever the journal was new or lost (docs/wire.md 6).
`machine`  the machine's boot: within one, monotonic times go on.
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

log = logging.getLogger(__name__)


class Keeping:
    """Reads it once, then writes it as it changes; nothing ever waits for it."""

    def __init__(self, journal: Journal, clock: Clock, on_fault: Callable[[str], None]) -> None:
        self._journal = journal
        self._clock = clock
        self._on_fault = on_fault
        self._waiting: Durable | None = None
        self._due = asyncio.Event()

    def epoch(self) -> int:
        """The replay store's incarnation; a new journal makes a new one."""
        kept = self._journal.kept("epoch")
        if isinstance(kept, int):
            return kept
        before = self._journal.salvaged.get("epoch")
        epoch = before + 1 if isinstance(before, int) else 1
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

    async def run(self) -> None:
        """Writes what may wait, about once a second."""
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
