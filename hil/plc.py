"""What the PLC stand-ins have in common: a program that goes round, registers, and the watch on a heartbeat.

Like a real one, a PLC here is two things that fail apart: a Modbus server, which answers as long as the PLC has power,
and a program, which goes round every 20 ms and alone gives the registers their meaning. A program that has stopped
(`stopped`) leaves a server that serves its last values for ever; echo and counter stand still then.

Heartbeat, by the list that both layouts name as their source: each round copies the register to its echo and counts up.
No new beat for 10 s sets comm_lost, which stays until somebody resets it at the panel; what else follows is each PLC's
own program. A PLC that restarted (`restart`) has registers of 0 and waits anew.

Every round whose values differ from the last is stamped, and stamped again when it was first served: times of reaction
count from there, on CLOCK_MONOTONIC.
"""

import asyncio
import time
import tomllib
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from hil.clock import Clock
from hil.modbus_pdu import ILLEGAL_ADDRESS, ILLEGAL_VALUE, RefusedPdu

ROUND_S = 0.02
COMM_TIME_OUT_S = 10.0
FAILED_SENSOR = 0x8000
REGISTERS_MAX = 60  # the longest read it answers
_LAYOUTS = Path(__file__).parent / "plcs"
_ROUNDS_KEPT = 20_000


class HeartbeatPlaces(Struct, frozen=True):
    """Registers of the heartbeat."""

    at: int
    echo: int
    counter: int
    time_out: int


class PlcLayout(Struct, frozen=True):
    """Where a PLC shows what."""

    name: str
    source: str
    ranges: tuple[tuple[int, int], ...]
    heartbeat: HeartbeatPlaces
    value: dict[str, tuple[int, float]] = {}
    bit: dict[str, tuple[int, int]] = {}
    coils: int = 0
    inputs: int = 0


class Shown(Struct):
    """One round whose values were new."""

    changed_ns: int
    values: dict[str, float]
    served_ns: int | None = None


def load_plc_layout(name: str) -> PlcLayout:
    """A layout of plcs/."""
    path = _LAYOUTS / f"{name}.toml"
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), PlcLayout)


class Plc:
    """One PLC as a Modbus bank (hil.modbus_pdu.Bank). Subclasses say what their program does in a round."""

    def __init__(self, layout: PlcLayout, clock: Clock = time.monotonic_ns) -> None:
        self.layout = layout
        self.clock = clock
        self.stopped = False
        self.comm_lost = False
        self.sensors: dict[str, float | None] = {}  # shown instead of what is so; None: the sensor failed
        self.rounds: deque[Shown] = deque(maxlen=_ROUNDS_KEPT)
        self.beats: deque[tuple[int, int]] = deque(maxlen=_ROUNDS_KEPT)  # when a new one was seen, and which
        self._registers: dict[int, int] = {}
        self._beat_ns = self.clock()
        self.restart()

    def round(self, now_ns: int) -> None:
        """What the program does besides; override, and show() at its end."""
        raise NotImplementedError

    def restarted(self) -> None:
        """What of the program is gone after a restart; override."""

    async def run(self) -> None:
        """The program's rounds, for ever."""
        while True:
            self.once(self.clock())
            await asyncio.sleep(ROUND_S)

    def once(self, now_ns: int) -> None:
        """One round, unless the program has stopped."""
        if self.stopped:
            return
        places = self.layout.heartbeat
        beat = self._registers[places.at]
        if beat != self._registers[places.echo]:
            self._registers[places.echo] = beat
            self._beat_ns = now_ns
            self.beats.append((now_ns, beat))
        self._registers[places.counter] = (self._registers[places.counter] + 1) % 0x1_0000
        self.comm_lost |= self.silent_s(now_ns) >= COMM_TIME_OUT_S
        self.round(now_ns)

    def silent_s(self, now_ns: int) -> float:
        """Since when no new heartbeat came."""
        return (now_ns - self._beat_ns) / 1e9

    def restart(self) -> None:
        """Its power was away: nothing is remembered."""
        places = self.layout.heartbeat
        self._registers.update(dict.fromkeys((places.at, places.echo, places.counter), 0))
        self._registers[places.time_out] = round(COMM_TIME_OUT_S * 10)
        self._beat_ns = self.clock()
        self.comm_lost = False
        self.restarted()

    def show(self, now_ns: int, values: Mapping[str, float], bits: Mapping[str, bool]) -> None:
        """Gives the registers what a round came to."""
        shown = {name: self._measured(name, value) for name, value in values.items()}
        for name, value in shown.items():
            at, unit = self.layout.value[name]
            self._registers[at] = FAILED_SENSOR if value is None else _int16(round(value / unit))
        words = dict.fromkeys((at for at, _ in self.layout.bit.values()), 0)
        for name, on in {**bits, "comm_lost": self.comm_lost}.items():
            at, bit = self.layout.bit[name]
            words[at] |= int(on) << bit
        self._registers.update(words)
        numbers = {name: value for name, value in shown.items() if value is not None}
        numbers.update({name: float(on) for name, on in bits.items()})
        if not self.rounds or self.rounds[-1].values != numbers:
            self.rounds.append(Shown(now_ns, numbers))

    def read_registers(self, table: str, at: int, count: int) -> Sequence[int]:
        """Holding registers as the last round left them."""
        if table != "holding" or not any(first <= at and at + count - 1 <= last for first, last in self.layout.ranges):
            raise RefusedPdu(ILLEGAL_ADDRESS)
        if count > REGISTERS_MAX:
            raise RefusedPdu(ILLEGAL_VALUE)
        self._served()
        return [self._registers.get(register, 0) for register in range(at, at + count)]

    def write_registers(self, at: int, values: Sequence[int]) -> None:
        """The heartbeat alone may be written."""
        if at != self.layout.heartbeat.at or len(values) != 1:
            raise RefusedPdu(ILLEGAL_ADDRESS)
        self._registers[at] = values[0]

    def read_bits(self, table: str, at: int, count: int) -> Sequence[bool]:
        """Override where there are any."""
        raise RefusedPdu(ILLEGAL_ADDRESS)

    def write_bits(self, at: int, values: Sequence[bool]) -> None:
        """Override where there are any."""
        raise RefusedPdu(ILLEGAL_ADDRESS)

    def _served(self) -> None:
        if self.rounds and self.rounds[-1].served_ns is None:
            self.rounds[-1].served_ns = self.clock()

    def _measured(self, name: str, value: float) -> float | None:
        """What the sensor says, in whole counts, as only those can be told apart by a reader."""
        said = self.sensors.get(name, value)
        unit = self.layout.value[name][1]
        return None if said is None else round(round(said / unit) * unit, 6)


def _int16(count: int) -> int:
    return max(-0x7FFF, min(0x7FFF, count)) & 0xFFFF
