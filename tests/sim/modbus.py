"""A virtual meter laid out as a Janitza UMG 604.

It looks at the plant once in each of its windows (200 ms for this family) and shows that until the next, with
a little noise, as float32, high word first. Registers: voltage 1317.., current 1325.., active power 1333.. and 1369,
frequency 1439, energy 9851 (import) and 9863 (export): reference list of the UMG 604's 200 ms values; the family's
common block 19000.. shows the same.

Ailments (`ails`): those of transport.py, and "frozen": it answers what it last showed; `lies` replaces single points:
NaN, infinite, absurd, stuck.
"""

import math
import struct
from random import Random

from msgspec import Struct

from drivers.errors import Refused
from tests.sim.loop import NS_PER_S
from tests.sim.plant import Plant
from tests.sim.transport import LINK_AILMENTS, Put
from tests.sim.wire import Network

AILMENTS = (*LINK_AILMENTS, "frozen")
LIES = {"nan": math.nan, "infinite": math.inf, "zero": 0.0, "absurd": 1e30, "negative": -1e12}


class Shown(Struct, frozen=True):
    """What the meter's registers held at one window, in the units of its points."""

    window: int
    power_w: float
    frequency_hz: float
    voltage_v: tuple[float, float, float]


class Heard(Struct, frozen=True):
    """One answer that reached the agent: when, and what the registers it asked for said."""

    at_ns: int
    life: int
    meter: str
    shown: Shown
    at: int
    count: int

    def tells(self, address: int) -> bool:
        """Whether the float32 at this address was among the registers."""
        return self.at <= address and address + 2 <= self.at + self.count


class VirtualMeter:
    """One meter at one unit id, true to the plant unless told otherwise."""

    def __init__(self, name: str, plant: Plant, network: Network, seed: int, *, refresh_ms: int = 200) -> None:
        self.name = name
        self.ails = ""
        self.late_s = 0.5
        self.lies: dict[str, float] = {}  # point -> what it shows instead: "power_w", "frequency_hz", "voltage_v"
        self.noise_w = 400.0
        self.refresh_ns = refresh_ms * 1_000_000
        self.heard: list[Heard] = []
        self._plant = plant
        self._network = network
        self._seed = seed
        self._shown: Shown | None = None

    def shown(self) -> Shown:
        """What its registers hold now."""
        window = self._network.loop.now_ns // self.refresh_ns
        if self._shown is not None and (self.ails == "frozen" or self._shown.window == window):
            return self._shown
        at_ns = window * self.refresh_ns
        random = Random(self._seed * 1_000_003 + window)
        volts = self._plant.voltage.at(at_ns)
        phases = [self.lies.get("voltage_v", volts * random.gauss(1, 0.000_3)) for _ in range(3)]
        self._shown = Shown(
            window=window,
            power_w=self.lies.get("power_w", self._plant.net_w(at_ns) + random.gauss(0, self.noise_w)),
            frequency_hz=self.lies.get("frequency_hz", self._plant.frequency.at(at_ns) + random.gauss(0, 0.000_5)),
            voltage_v=(phases[0], phases[1], phases[2]),
        )
        return self._shown

    def read(self, unit: int, table: str, at: int, count: int) -> tuple[tuple[int, ...], Shown]:
        """Unit ids and tables are not told apart."""
        shown = self.shown()
        return self.registers(shown, at, count), shown

    def told(self, life: int, at: int, count: int, shown: Shown) -> None:
        self.heard.append(Heard(self._network.loop.now_ns, life, self.name, shown, at, count))

    def write(self, put: Put) -> None:
        """A meter has nothing that can be written."""
        raise Refused(self.name, 1, "function not supported")

    def registers(self, shown: Shown, at: int, count: int) -> tuple[int, ...]:
        """The words of a block; what this meter does not have reads 0."""
        words: dict[int, int] = {}
        for address, value in self._values(shown).items():
            words[address], words[address + 1] = struct.unpack(">2H", _float32(value))
        return tuple(words.get(address, 0) for address in range(at, at + count))

    def _values(self, shown: Shown) -> dict[int, float]:
        phase_w = shown.power_w / 3
        currents = [phase_w / volts if volts else 0.0 for volts in shown.voltage_v]
        values = {1369: shown.power_w, 1439: shown.frequency_hz, 19026: shown.power_w, 19050: shown.frequency_hz}
        for phase in range(3):
            for block, value in ((1317, shown.voltage_v[phase]), (1325, currents[phase]), (1333, phase_w)):
                values[block + 2 * phase] = value
            for block, value in ((19000, shown.voltage_v[phase]), (19012, currents[phase]), (19020, phase_w)):
                values[block + 2 * phase] = value
        values[9851] = values[19060] = (
            shown.window * self.refresh_ns / NS_PER_S / 3600 * 500_000
        )  # about 500 kW since it was made
        return values


def _float32(value: float) -> bytes:
    if math.isfinite(value) and abs(value) > 3.4e38:
        value = math.copysign(math.inf, value)
    return struct.pack(">f", value)
