"""Profiles: what a meter or PLC is, as data. A new meter is one TOML file and one capture; no code.

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

from drivers.points import OPPOSITE, SIGNED

Table = Literal["holding", "input"]

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

    @property
    def end(self) -> int:
        """The first wire address behind it."""
        return self.at + self.kind.registers


class Identity(Struct, frozen=True):
    """What the device must answer to be the one that the profile describes."""

    at: int
    kind: Kind
    expect: tuple[float, ...]  # any of these
    table: Table
    count: int  # registers to ask for; the value is in the first ones


class Profile(Struct, frozen=True):
    """One device, as data; points in the order of their addresses."""

    name: str
    source: str
    word_order: Literal["big", "little"]
    registers_max: int
    table: Table
    points: tuple[Point, ...]
    identity: Identity | None = None
    readable: tuple[tuple[int, int], ...] = ()  # wire addresses, from the first to the one behind the last
    refresh_ms: float | None = None


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
