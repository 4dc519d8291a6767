"""Profiles: what a meter or PLC is, as data. A new device is one TOML file and one capture; no code.

A file says where the device keeps each point and how it is written there:

    name          = "acme-pm3"
    source        = "Acme PM3 Modbus manual, rev 2.1, table 4"
    word_order    = "big"           # the high word of a longer value first; "little": last
    registers_max = 64              # the longest read this device answers; 60 where nothing is said
    table         = "holding"       # or "input"
    base          = 0               # the number its manual gives to the first register: 0 or 1
    refresh_ms    = 200             # how often it renews its values, where that is known
    readable      = [[0, 99]]       # spans without holes: one read may cross what lies between two points in here

    [probe]                         # a wrong answer refuses the device, a refused register leaves it unproven
    at     = 0x0000
    expect = 0x0303                 # or a list of all that are right
    kind   = "uint16"               # this one where nothing is said
    table  = "holding"              # the file's where nothing is said
    count  = 1                      # registers to ask for, where the device gives them only together

    [[point]]
    name   = "power_w"              # from drivers/points.py
    at     = 0x0034
    kind   = "int32"
    scale  = 10.0                   # value = raw * scale + offset, in the point's unit
    offset = 0.0
    absent = [0x7FFF_FFFF]          # raw values that say "no value"
    poll   = "fast"                 # or "slow", where nothing is said
    min    = -5_000_000             # a value outside is a bad reading, not a number
    max    = 5_000_000
    unverified = true               # not seen in the maker's own document nor on a device
    scale_at = 0x0036               # SunSpec: an int16 register with the power of ten, read in the same block

A PLC has more: what it says in single bits, what it can be told, and how each side knows that the other is alive. A
bit's name is the profile's own (letters, digits and _), and site.toml may give it the site's name in [plc.bits].

    [[bit]]
    name  = "leak"
    table = "discrete"              # "coil" or "discrete"; or "holding" or "input", then with `bit`
    at    = 12
    bit   = 3                       # 0 is the lowest of the register's 16
    poll  = "slow"                  # or "fast", where nothing is said
    unverified = true

    [[coil]]                        # what may be written, and nothing else may
    name = "k1"
    at   = 0

    [heartbeat]                     # all holding registers; the agent writes `at`, the PLC the others
    at           = 0                # uint16, counted up by the agent; 0 is skipped
    echo         = 1                # the PLC copies it to here
    counter      = 2                # the PLC's own, counted up in each of its rounds
    comm_timeout = 3                # how long it waits for a beat before it blocks closing, in 0.1 s

A SunSpec device says itself where its registers are. Its file has `sunspec = [201, 202]`, the models whose list it
follows, and every `at` and `scale_at` counts from the model's ID register (drivers/modbus/sunspec.py finds that).

Addresses, in `at` and `readable`, are as the manual counts; what is kept here is the wire's address, from 0. Bytes
inside a register are always big-endian. A file is refused with all of its faults at once (drivers/profile_file.py).
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec
from msgspec import Struct

from drivers.points import COMM_TIMEOUT, HEARTBEAT_ECHO, OPPOSITE, PLC_COUNTER, SIGNED

Table = Literal["holding", "input"]
BitTable = Literal["coil", "discrete"]
AnyTable = Table | BitTable

FOLDER = Path(__file__).parent / "profiles"
VALUE_MAX = sys.float_info.max  # where a profile gives no limit: any finite number


class Kind(Struct, frozen=True):
    """How a number is written into registers."""

    name: str
    code: str  # the struct module's letter
    registers: int

    @property
    def is_float(self) -> bool:
        return self.code in "fd"


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        name: Kind(name, code, registers)
        for name, code, registers in (
            ("int16", "h", 1),
            ("uint16", "H", 1),
            ("int32", "i", 2),
            ("uint32", "I", 2),
            ("int64", "q", 4),
            ("uint64", "Q", 4),
            ("float32", "f", 2),
            ("float64", "d", 4),
        )
    }
)


class Point(Struct, frozen=True):
    """Where one quantity is, and how to read it."""

    name: str
    at: int  # wire address, from 0
    kind: Kind
    scale: float = 1.0
    offset: float = 0.0
    absent: frozenset[float] = frozenset()  # as the kind reads them: 0x8000 of an int16 is -32768
    fast: bool = False
    value_min: float = -VALUE_MAX
    value_max: float = VALUE_MAX
    unverified: bool = False
    scale_at: int | None = None  # where the power of ten is that it is multiplied with besides

    @property
    def first(self) -> int:
        """The lowest wire address of what must be read together."""
        return self.at if self.scale_at is None else min(self.at, self.scale_at)

    @property
    def end(self) -> int:
        """The first wire address behind it."""
        end = self.at + self.kind.registers
        return end if self.scale_at is None else max(end, self.scale_at + 1)


class Bit(Struct, frozen=True):
    """Where one yes or no is."""

    name: str
    table: AnyTable
    at: int
    bit: int = 0  # in a register; 0 in a table of bits
    fast: bool = True
    unverified: bool = False


class Coil(Struct, frozen=True):
    """What the PLC can be told, and takes for an order."""

    name: str
    at: int
    unverified: bool = False


class Heartbeat(Struct, frozen=True):
    """Where the agent and the PLC show each other that they live: holding registers."""

    at: int
    echo: int | None = None
    counter: int | None = None
    comm_timeout: int | None = None


class Identity(Struct, frozen=True):
    """What the device must answer to be the one that the profile describes."""

    at: int
    kind: Kind
    expect: tuple[float, ...]  # any of these
    table: Table
    count: int  # registers to ask for; the value is in the first ones


class Profile(Struct, frozen=True):
    """One device, as data; points and bits in the order of their addresses."""

    name: str
    source: str
    word_order: Literal["big", "little"]
    registers_max: int
    table: Table
    points: tuple[Point, ...]
    identity: Identity | None = None
    readable: tuple[tuple[int, int], ...] = ()  # wire addresses, from the first to the one behind the last
    refresh_ms: float | None = None
    bits: tuple[Bit, ...] = ()
    coils: tuple[Coil, ...] = ()
    heartbeat: Heartbeat | None = None
    sunspec: tuple[int, ...] = ()  # models, any of which its addresses count from; () = they are the wire's

    @property
    def is_plc(self) -> bool:
        """It has more than a meter has."""
        return bool(self.bits or self.coils or self.heartbeat)


class Fault(Struct, frozen=True):
    """One thing wrong with a profile, and its mend."""

    file: str
    line: int | None
    where: str  # '[[point]] 3 "power_w" kind = "int31"'
    wrong: str
    mend: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place} {self.where}: {self.wrong}; {self.mend}"


class ProfileErrors(Exception):
    """A profile cannot be used; says everything that is wrong with it."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def packaged_profiles() -> tuple[str, ...]:
    """The names of the profiles that come with the program."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_profile(name: str | Path) -> Profile:
    """A packaged profile by name, or the user's own by path: a Path, or a text with a slash or ending in .toml."""
    # Here, not at the top: the reader of files needs this module's types.
    from drivers.profile_file import no_such_profile, read_profile

    if isinstance(name, Path) or "/" in name or name.endswith(".toml"):
        return read_profile(Path(name))
    if name not in packaged_profiles():
        raise ProfileErrors((no_such_profile(name, packaged_profiles()),))
    return read_profile(FOLDER / f"{name}.toml")


def inverted(profile: Profile) -> Profile:
    """The same device with its current transformers the other way round."""
    return msgspec.structs.replace(profile, points=tuple(map(_inverted, profile.points)))


def wired(profile: Profile, names: Mapping[str, str]) -> Profile:
    """A PLC as one site has it: bits by the site's names (name -> bit), and the heartbeat's registers among the points.

    A bit that the site does not name keeps the profile's name; a name for a bit that there is not is no bit.
    """
    own = {bit.name: bit for bit in profile.bits}
    named = [msgspec.structs.replace(own[bit], name=name) for name, bit in names.items() if bit in own]
    unnamed = [bit for bit in profile.bits if bit.name not in names.values()]
    bits = sorted((*named, *unnamed), key=lambda bit: (bit.table, bit.at, bit.bit))
    points = sorted((*profile.points, *_life_signs(profile.heartbeat)), key=lambda point: point.first)
    return msgspec.structs.replace(profile, bits=tuple(bits), points=tuple(points))


def _life_signs(heartbeat: Heartbeat | None) -> tuple[Point, ...]:
    if heartbeat is None:
        return ()
    word = KINDS["uint16"]
    signs = (
        (HEARTBEAT_ECHO, heartbeat.echo, 1.0, True),
        (PLC_COUNTER, heartbeat.counter, 1.0, True),
        (COMM_TIMEOUT, heartbeat.comm_timeout, 0.1, False),
    )
    return tuple(Point(name, at, word, scale=scale, fast=fast) for name, at, scale, fast in signs if at is not None)


def _inverted(point: Point) -> Point:
    if point.name in OPPOSITE:
        return msgspec.structs.replace(point, name=OPPOSITE[point.name])
    if point.name not in SIGNED:
        return point
    return msgspec.structs.replace(
        point,
        scale=-point.scale,
        offset=-point.offset,
        value_min=-point.value_max,
        value_max=-point.value_min,
    )
