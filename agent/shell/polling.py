"""Polling the meters of one link: fast rounds on a fixed schedule, slow rounds in the time between.

One task owns one link, and its meters take turns (style D2). A meter's fast slots lie `fast_ns` apart from the start
on and never move: what cannot be kept is skipped and counted, so that the schedule never drifts and a round is never
hurried to catch up. How late each fast round began is kept for status.

A slow round goes out only when, by what it took lately, it is over before the next fast slot of any meter of the link.
One that has found no room for five of its periods goes anyway: energy counters that are never read are worse than one
fast round that is late.

Failures. A round that raises posts nothing but its error; the values age and the core knows what that means. After
three in a row the meter is lost: before it is read again it must prove to be the same device (another may have its
address now), and on a link that others share its slots lie further apart, so that its time-outs don't take the others'
slots. A meter alone on its link is tried at every slot; the link itself paces its connects. A device that proves to be
another is left alone for 5 s at a time. Registers that a device refused are asked for again when it was proven anew,
and every 5 minutes.
"""

import asyncio
from collections.abc import Sequence
from typing import NoReturn, Protocol

from msgspec import Struct

from agent.shell.clock import Clock
from agent.shell.lateness import Lateness
from agent.shell.sink import MeterSink
from drivers.errors import DeviceError, Garbled
from drivers.modbus.meter import BlockRead, Proof, Proved

LOST_FAILURES = 3
WRONG_AGAIN_NS = 5_000_000_000
LOST_AGAIN_NS = (500_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000)  # on a link that others share
_ASK_REFUSED_NS = 300_000_000_000
_STARVED_PERIODS = 5
_EARLY_NS = 500_000  # uvloop's timers may fire up to 1 ms early (reference: pymodbus.md 1); less than this is on time
_NS_PER_S = 1_000_000_000


class WrongDevice(Garbled):
    """Another device answers at the meter's address."""


class Reader(Protocol):
    """One meter as a driver reads it: drivers.modbus.meter.MeterReader."""

    async def probe(self) -> Proved:
        """Whether the device is the one its profile describes."""
        ...

    async def read_fast(self) -> BlockRead:
        """The points that decisions are made from."""
        ...

    async def read_slow(self) -> BlockRead:
        """All the others."""
        ...

    def forget_refusals(self) -> None:
        """Ask again for registers that the device refused."""
        ...


class PolledMeter(Struct, frozen=True):
    """One meter, how to read it and how often."""

    id: str
    reader: Reader
    fast_ns: int
    slow_ns: int


class Turn:
    """Where one meter stands; the public part is for status."""

    def __init__(self, meter: PolledMeter, now_ns: int) -> None:
        self.meter = meter
        self.rounds = 0  # fast ones begun
        self.skipped = 0  # fast slots that passed without one
        self.failures = 0  # rounds in a row that brought nothing
        self.proof: Proved | None = None  # None: not proven since it was lost
        self.lateness = Lateness()
        self._fast_due_ns = now_ns
        self._slow_due_ns = now_ns
        self._slow_takes_ns = 0
        self._refused_due_ns = now_ns + _ASK_REFUSED_NS


class LinkPoller:
    """Polls the meters of one link."""

    def __init__(self, meters: Sequence[PolledMeter], sink: MeterSink, clock: Clock) -> None:
        now_ns = clock.monotonic_ns()
        self.turns = tuple(Turn(meter, now_ns) for meter in meters)
        self._sink = sink
        self._clock = clock

    async def run(self) -> NoReturn:
        """Poll until cancelled."""
        while True:
            now_ns = self._clock.monotonic_ns()
            turn = min(self.turns, key=lambda turn: turn._fast_due_ns)
            if turn._fast_due_ns <= now_ns + _EARLY_NS:
                await self._fast(turn, now_ns)
            elif (slow := self._slow_that_fits(now_ns, turn._fast_due_ns)) is not None:
                await self._slow(slow, now_ns)
            else:
                later = [turn._slow_due_ns for turn in self.turns if turn._slow_due_ns > now_ns]
                await asyncio.sleep((min([turn._fast_due_ns, *later]) - now_ns) / _NS_PER_S)

    async def _fast(self, turn: Turn, now_ns: int) -> None:
        due_ns, meter = turn._fast_due_ns, turn.meter
        turn.rounds += 1
        turn.lateness.add(now_ns - due_ns)
        again_ns = 0
        try:
            if turn.proof is None:
                turn.proof = await self._prove(turn)
            block = await meter.reader.read_fast()
        except DeviceError as error:
            again_ns = self._failed(turn, error)
        else:
            turn.failures = 0
            self._sink.meter_read(meter.id, block, fast=True)
        # The next slot of the schedule that has not begun yet, or the first after the pause.
        now_ns = self._clock.monotonic_ns() + again_ns
        slots = max(1, -(-(now_ns - due_ns) // meter.fast_ns))
        turn._fast_due_ns = due_ns + slots * meter.fast_ns
        turn.skipped += slots - 1

    async def _slow(self, turn: Turn, now_ns: int) -> None:
        meter = turn.meter
        if turn._refused_due_ns <= now_ns:
            turn._refused_due_ns = now_ns + _ASK_REFUSED_NS
            meter.reader.forget_refusals()
        try:
            block = await meter.reader.read_slow()
        except DeviceError as error:
            self._failed(turn, error)
        else:
            self._sink.meter_read(meter.id, block, fast=False)
        after_ns = self._clock.monotonic_ns()
        # The longest of late, forgotten by an eighth at each round.
        turn._slow_takes_ns = max(after_ns - now_ns, turn._slow_takes_ns * 7 // 8)
        turn._slow_due_ns += max(1, -(-(after_ns - turn._slow_due_ns) // meter.slow_ns)) * meter.slow_ns

    def _slow_that_fits(self, now_ns: int, fast_due_ns: int) -> Turn | None:
        for turn in sorted(self.turns, key=lambda turn: turn._slow_due_ns):
            if turn._slow_due_ns > now_ns or turn.failures or turn.proof is None:
                continue
            starved = now_ns - turn._slow_due_ns > _STARVED_PERIODS * turn.meter.slow_ns
            if starved or now_ns + turn._slow_takes_ns <= fast_due_ns:
                return turn
        return None

    async def _prove(self, turn: Turn) -> Proved:
        proved = await turn.meter.reader.probe()
        if proved.proof is Proof.WRONG:
            raise WrongDevice(turn.meter.id, f"not what its profile says: {proved.detail}. Correct profile or address")
        turn.meter.reader.forget_refusals()
        return proved

    def _failed(self, turn: Turn, error: DeviceError) -> int:
        """Post the error; how long to leave this meter alone."""
        turn.failures += 1
        self._sink.meter_failed(turn.meter.id, error)
        lost = turn.failures - LOST_FAILURES
        if lost >= 0:
            turn.proof = None
        if isinstance(error, WrongDevice):
            return WRONG_AGAIN_NS
        if lost >= 0 and len(self.turns) > 1:
            return LOST_AGAIN_NS[min(lost, len(LOST_AGAIN_NS) - 1)]
        return 0
