"""A site meter: it measures the plant once per update window and shows the result in its registers until the next.

A real meter renews what Modbus shows at its own pace (Janitza UMG 604: 200 ms; EIG Shark: 100 ms for power; many: 1 s),
so polling faster only finds the edge sooner. Each renewal is a *refresh* and is stamped twice: when its registers held
the new values, and when they were first served. Times of reaction count from the first of these, on the one monotonic
clock of the machine (CLOCK_MONOTONIC), which every process on it shares.

What it shows is the instant of its refresh or, when it *averages*, the mean of the plant's samples since the last one:
a step in the middle of a window is then shown half, and whole one refresh later. Its *error* is a share of its
accuracy class, -1 to 1, and stays what it is: a meter that reads high always reads high. *Noise* comes on top and is
what makes two refreshes of the same thing differ.

Layouts are data (meters/*.toml), written from the makers' manuals and not from the profiles of the driver under test.
"""

import asyncio
import math
import random
import struct
import time
import tomllib
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from hil.clock import Clock
from hil.modbus_pdu import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, RefusedPdu
from hil.plant import Electrical

_LAYOUTS = Path(__file__).parent / "meters"
_REFRESHES_KEPT = 20_000
_POWER_FACTOR = 0.98  # of miners' power supplies at load; shown, never judged


class Accuracy(Struct, frozen=True):
    """A model's limits of error, in percent of the reading."""

    power_pct: float
    volts_pct: float
    hertz_pct: float


class Layout(Struct, frozen=True):
    """Where a model shows which quantity, and how well it knows it."""

    name: str
    source: str
    tables: tuple[str, ...]
    registers_max: int  # the longest read it answers
    ranges: tuple[tuple[int, int], ...]  # addresses that answer, both ends included
    value: dict[str, int | tuple[int, ...]]
    accuracy: Accuracy


class Noise(Struct, frozen=True):
    """One standard deviation of what the meter adds."""

    power: float = 0.0005  # of the value: class 0.5 meters repeat themselves far better than they are accurate
    volts: float = 0.0002  # of the value
    hertz: float = 0.0


class Refresh(Struct):
    """One renewal of the registers."""

    changed_ns: int
    watts: float
    hertz: float
    volts: float  # L1-N
    served_ns: int | None = None  # when a read first got these values


def load_layout(name: str) -> Layout:
    """The layout of a model in meters/."""
    path = _LAYOUTS / f"{name}.toml"
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Layout)


class Meter:
    """One meter as a Modbus bank (hil.modbus_pdu.Bank)."""

    def __init__(
        self,
        layout: Layout,
        measure: Callable[[int], Electrical],
        *,
        refresh_ms: float,
        noise: Noise,
        seed: int = 0,
        error: float = 0.0,
        clock: Clock = time.monotonic_ns,
    ) -> None:
        self.layout = layout
        self.refresh_ms = refresh_ms
        self.frozen = False
        self.overrides: dict[str, float] = {}
        self.refreshes: deque[Refresh] = deque(maxlen=_REFRESHES_KEPT)
        self._measure = measure
        self._noise = noise
        self._gain = {
            name: 1.0 + error * pct / 100
            for name, pct in [
                ("power", layout.accuracy.power_pct),
                ("volts", layout.accuracy.volts_pct),
                ("hertz", layout.accuracy.hertz_pct),
            ]
        }
        self._clock = clock
        self._window: list[Electrical] = []
        self._random = random.Random(f"meter:{seed}")
        self._registers: dict[int, int] = {}
        self._import_wh = 0.0
        self._export_wh = 0.0
        self._places = {
            name: places if isinstance(places, tuple) else (places,) for name, places in layout.value.items()
        }

    async def run(self) -> None:
        """Renews the registers every refresh_ms, for ever; a late window is skipped, not caught up."""
        start = asyncio.get_running_loop().time()
        window_s = self.refresh_ms / 1000
        while True:
            self.refresh()
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(window_s - (now - start) % window_s)

    def refresh(self) -> None:
        """Measures now and shows it, unless the meter is frozen."""
        if self.frozen:
            return
        now = self._measure(self._clock())
        shown = self._quantities(_mean(self._window) if self._window else now) | self.overrides
        self._window.clear()
        for name, places in self._places.items():
            high, low = struct.unpack(">HH", _float32(shown[name]))
            for at in places:
                self._registers[at] = high
                self._registers[at + 1] = low
        self.refreshes.append(Refresh(self._clock(), shown["watts"], shown["hertz"], shown["volts_l1n"]))

    def sample(self, seen: Electrical) -> None:
        """One more of the window's samples: a meter that is given any shows their mean."""
        if not self.frozen:
            self._window.append(seen)

    def read_registers(self, table: str, at: int, count: int) -> Sequence[int]:
        """The registers as they stand; the newest refresh counts as served."""
        if table not in self.layout.tables:
            raise RefusedPdu(ILLEGAL_FUNCTION)
        if count > self.layout.registers_max:
            raise RefusedPdu(ILLEGAL_VALUE)
        if not any(first <= at and at + count - 1 <= last for first, last in self.layout.ranges):
            raise RefusedPdu(ILLEGAL_ADDRESS)
        if self.refreshes and self.refreshes[-1].served_ns is None:
            self.refreshes[-1].served_ns = self._clock()
        return [self._registers.get(register, 0) for register in range(at, at + count)]

    def read_bits(self, table: str, at: int, count: int) -> Sequence[bool]:
        """A meter has no bits."""
        raise RefusedPdu(ILLEGAL_FUNCTION)

    def write_bits(self, at: int, values: Sequence[bool]) -> None:
        """A meter has no coils."""
        raise RefusedPdu(ILLEGAL_FUNCTION)

    def write_registers(self, at: int, values: Sequence[int]) -> None:
        """The set-up of this meter is locked."""
        raise RefusedPdu(ILLEGAL_ADDRESS)

    def _quantities(self, seen: Electrical) -> dict[str, float]:
        """Everything a layout can ask for, from what the plant is like now."""
        watts = self._noisy(seen.watts * self._gain["power"], self._noise.power)
        volts = [self._noisy(phase * self._gain["volts"], self._noise.volts) for phase in seen.volts]
        hertz = seen.hertz * self._gain["hertz"]
        hours = self.refresh_ms / 3_600_000
        self._import_wh += max(0.0, watts) * hours
        self._export_wh += max(0.0, -watts) * hours
        va = abs(watts) / _POWER_FACTOR
        shown = {
            "watts": watts,
            "va": va,
            "vars": math.sqrt(max(0.0, va * va - watts * watts)),
            "power_factor": math.copysign(_POWER_FACTOR, watts),
            "hertz": hertz + self._random.gauss(0.0, self._noise.hertz) if self._noise.hertz else hertz,
            "wh_import": self._import_wh,
            "wh_export": self._export_wh,
            "wh_total": self._import_wh - self._export_wh,
            "kwh_import": self._import_wh / 1000,
            "kwh_export": self._export_wh / 1000,
            "kwh_total": (self._import_wh + self._export_wh) / 1000,
        }
        for phase in range(3):
            name = f"l{phase + 1}"
            following = (phase + 1) % 3
            shown[f"volts_{name}n"] = volts[phase]
            shown[f"volts_{name}{following + 1}"] = math.sqrt(
                volts[phase] ** 2 + volts[following] ** 2 + volts[phase] * volts[following]
            )
            shown[f"watts_{name}"] = watts / 3
            shown[f"va_{name}"] = va / 3
            shown[f"vars_{name}"] = shown["vars"] / 3
            shown[f"power_factor_{name}"] = shown["power_factor"]
            shown[f"amps_{name}"] = va / 3 / volts[phase] if volts[phase] > 1.0 else 0.0
        return shown

    def _noisy(self, value: float, part: float) -> float:
        return value * (1.0 + self._random.gauss(0.0, part))


def _mean(window: Sequence[Electrical]) -> Electrical:
    count = len(window)
    one, two, three = (sum(seen.volts[phase] for seen in window) / count for phase in range(3))
    return Electrical(
        sum(seen.watts for seen in window) / count, sum(seen.hertz for seen in window) / count, (one, two, three)
    )


def _float32(value: float) -> bytes:
    """IEEE 754 single precision; what does not fit is infinite, as a meter's arithmetic would have it."""
    try:
        return struct.pack(">f", value)
    except OverflowError:
        return struct.pack(">f", math.copysign(math.inf, value))
