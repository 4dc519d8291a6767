"""rig.toml: which devices a rig has and where each is, a stand-in or a real one. docs/rig.md explains it.

A device has a name that scenarios know it by ("main", "a", "tank-a"), what the agent's site.toml says of it (`site`, in
site.toml's own words), and where it is: `at` (or `hosts`) for a real one, else it is a stand-in made as `stand_in` says
(the fields of RigConfig's structures in hil/rig.py). Parts name some of a group's miners, for scenarios and for what
cools or feeds them.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

FOLDER = Path(__file__).parent / "rigs"
STAND_INS = FOLDER / "stand-ins.toml"
GRID = "grid"  # by this name a scenario changes the stand-in plant
NOMINAL_HZ = 50.0

Table = dict[str, Any]


class RigFileError(Exception):
    """A rig.toml that can't be used: file, table, key, and the mend."""


class _Device(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str
    site: Table = {}
    stand_in: Table = {}


class Followed(Struct, frozen=True, forbid_unknown_fields=True):
    """A real meter whose watts a stand-in shows, so that a frequency can be played and real loads are measured."""

    at: str
    unit_id: int = 1
    layout: str = "janitza-umg604"


class MeterDevice(_Device, frozen=True, kw_only=True):
    """A meter. `at` is "tcp://10.20.0.10:502"; `layout` is how this program itself reads it (hil/meters)."""

    at: str = ""
    unit_id: int = 1
    layout: str = "janitza-umg604"
    follows: Followed | None = None

    @property
    def real(self) -> bool:
        """Whether it is no stand-in."""
        return bool(self.at)


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """Some of a group's miners, counted on from the part before. Its name is their string's in the inventory."""

    name: str
    count: int
    tank: str = ""


class MinersDevice(_Device, frozen=True, kw_only=True):
    """A group of miners: real ones at `hosts`, or as many stand-ins as its parts have."""

    hosts: tuple[str, ...] = ()
    port: int = 4028
    parts: tuple[Part, ...]

    @property
    def real(self) -> bool:
        """Whether they are no stand-ins."""
        return bool(self.hosts)

    @property
    def count(self) -> int:
        """How many."""
        return sum(part.count for part in self.parts)


class TankDevice(_Device, frozen=True, kw_only=True):
    """A tank's PLC. `at` is a link's URL as site.toml has it: tcp://HOST:PORT or rtu:///dev/ttyUSB0?..."""

    at: str = ""
    unit_id: int = 3

    @property
    def real(self) -> bool:
        """Whether it is no stand-in."""
        return bool(self.at)


class SwitchgearDevice(_Device, frozen=True, kw_only=True):
    """A PLC of contactors. `inputs`: what is wired to which input, as in hil/contactors.py."""

    at: str = ""
    unit_id: int = 20

    @property
    def real(self) -> bool:
        """Whether it is no stand-in."""
        return bool(self.at)


class ContactorDevice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One contactor of a switchgear and the part it feeds."""

    id: str
    switchgear: str
    coil: int
    closed: int
    open: int
    miners: str
    part: str
    interlocks: tuple[str, ...] = ()
    site: Table = {}


class GpusDevice(_Device, frozen=True, kw_only=True):
    """GPUs behind one `ballast gpud`: a running one's address, or fakes with a gpud that the rig starts."""

    at: str = ""
    count: int = 4
    tank: str = ""

    @property
    def real(self) -> bool:
        """Whether they are no fakes."""
        return bool(self.at)


class RelayDevice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A relay or PLC of the bench itself: a coil that is on breaks a device's link or a group's supply."""

    id: str
    at: str
    unit_id: int = 1
    links: dict[str, int] = {}  # device -> coil (0-based) that breaks its link
    supplies: dict[str, int] = {}  # group of miners -> coil that takes its supply


class RigFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole rig.toml."""

    name: str
    circuit: Table
    figures: dict[str, float] = {}  # numbers that scenarios name: "=0.95 * shed_kw"
    grid: Table = {}  # what the stand-in plant is like: the fields of RigConfig that are no device's
    meter: tuple[MeterDevice, ...] = ()
    miners: tuple[MinersDevice, ...] = ()
    tank: tuple[TankDevice, ...] = ()
    switchgear: tuple[SwitchgearDevice, ...] = ()
    contactor: tuple[ContactorDevice, ...] = ()
    gpus: tuple[GpusDevice, ...] = ()
    relay: tuple[RelayDevice, ...] = ()

    @property
    def devices(self) -> tuple[MeterDevice | MinersDevice | TankDevice | SwitchgearDevice | GpusDevice, ...]:
        """All that can be a stand-in or real."""
        return (*self.meter, *self.miners, *self.tank, *self.switchgear, *self.gpus)

    @property
    def real(self) -> tuple[str, ...]:
        """The devices that are no stand-ins."""
        followed = (f"{meter.id} (watts)" for meter in self.meter if meter.follows is not None)
        return (*(device.id for device in self.devices if device.real), *followed)

    def choose(self, uses: Iterable[str], changes: Mapping[str, Table]) -> "RigFile":
        """This rig with the devices that a scenario uses alone, its stand-ins changed as it asks.

        ValueError: there is no such device, or it is a real one and can't be changed.
        """
        wanted = tuple(uses)
        known = {device.id for device in self.devices}
        for name in (*wanted, *changes):
            if name not in (*known, GRID):
                raise ValueError(f"this rig has no device {name!r}; it has: {', '.join(sorted(known))}")
        for name in set(changes) & set(self.real):
            raise ValueError(f"{name!r} is a real device on this rig, and the scenario asks for a changed stand-in")
        kept = {name: tuple(one for one in getattr(self, name) if one.id in wanted) for name in _KINDS}
        kept["miners"] = tuple(_changed_miners(group, changes.get(group.id, {})) for group in kept["miners"])
        for kind in ("meter", "tank", "switchgear", "gpus"):
            kept[kind] = tuple(
                structs.replace(one, stand_in=one.stand_in | changes[one.id]) if one.id in changes else one
                for one in kept[kind]
            )
        feeds = tuple(one for one in self.contactor if one.switchgear in wanted and one.miners in wanted)
        return structs.replace(self, **kept, contactor=feeds, grid=self.grid | changes.get(GRID, {}))


def _changed_miners(group: MinersDevice, change: Table) -> MinersDevice:
    """`parts` may be changed too, where a scenario needs more or fewer of them."""
    parts = msgspec.convert(change["parts"], tuple[Part, ...]) if "parts" in change else group.parts
    rest = {key: value for key, value in change.items() if key != "parts"}
    return structs.replace(group, parts=parts, stand_in=group.stand_in | rest)


def load_rig_file(path: Path) -> RigFile:
    """Reads a rig.toml."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RigFileError(f"{path}: {error.strerror}; rigs that come with ballast-hil are in {FOLDER}") from error
    except tomllib.TOMLDecodeError as error:
        raise RigFileError(f"{path}: {error}; it must be TOML") from error
    try:
        rig = msgspec.convert(tables, RigFile)
    except msgspec.ValidationError as error:
        raise RigFileError(f"{path}: {error}; docs/rig.md lists the tables and keys") from error
    names = [device.id for device in rig.devices]
    for name in names:
        if names.count(name) > 1:
            raise RigFileError(f"{path}: two devices are called {name!r}; give each a name of its own")
    for group in rig.miners:
        if group.real and len(group.hosts) != group.count:
            raise RigFileError(
                f"{path}: [[miners]] {group.id!r} has {len(group.hosts)} hosts and its parts have {group.count}; "
                "name each host, and count each in one part"
            )
    return rig


_KINDS = ("meter", "miners", "tank", "switchgear", "gpus")
