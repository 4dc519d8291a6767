"""A device's profile read as data: where it keeps which number. The form is that of drivers/profiles/*.toml.

Read here by code of its own, which is lenient: a draft of ten lines, typed from a manual, is enough to begin with. What
is wrong in a way that `ballast check` would refuse is left to that.
"""

import struct
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from hil.probe.failures import Unusable

FOLDER = Path(__file__).parents[2] / "drivers" / "profiles"
_KINDS = {  # struct letter, registers
    "int16": ("h", 1),
    "uint16": ("H", 1),
    "int32": ("i", 2),
    "uint32": ("I", 2),
    "int64": ("q", 4),
    "uint64": ("Q", 4),
    "float32": ("f", 2),
    "float64": ("d", 4),
}
_REGISTERS_MAX = 60  # where a file says nothing, as the profiles' own default


class Item(Struct, frozen=True):
    """One quantity."""

    name: str
    at: int  # the wire's address
    kind: str
    scale: float = 1.0
    offset: float = 0.0
    absent: tuple[float, ...] = ()
    least: float | None = None
    most: float | None = None
    fast: bool = False
    scale_at: int | None = None

    @property
    def registers(self) -> int:
        """How many it has."""
        return _KINDS[self.kind][1]

    @property
    def end(self) -> int:
        """The first address behind it and its power of ten."""
        end = self.at + self.registers
        return end if self.scale_at is None else max(end, self.scale_at + 1)

    @property
    def first(self) -> int:
        """The lowest address of what belongs to it."""
        return self.at if self.scale_at is None else min(self.at, self.scale_at)

    def raw(self, registers: Sequence[int], order: str) -> float:
        """The number as it stands in its registers."""
        letter, count = _KINDS[self.kind]
        words = registers[:count] if order == "big" else registers[count - 1 :: -1]
        value: float = struct.unpack(f">{letter}", struct.pack(f">{count}H", *words))[0]
        return value

    def value(self, registers: dict[int, int], order: str) -> float | None:
        """The quantity in its unit, from registers by address; None where they are not all there, or say "no value"."""
        held = [registers.get(at) for at in range(self.at, self.at + self.registers)]
        words = [word for word in held if word is not None]
        if len(words) < len(held):
            return None
        raw = self.raw(words, order)
        if raw != raw or raw in self.absent:  # the first is NaN
            return None
        value = raw * self.scale + self.offset
        if self.scale_at is not None:
            power = registers.get(self.scale_at)
            if power is None or not -10 <= (power := power - 0x1_0000 if power & 0x8000 else power) <= 10:
                return None
            value *= 10.0**power
        return value

    def within(self, value: float | None) -> bool:
        """Whether its own limits hold."""
        return (
            value is not None
            and value - value == 0  # finite
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
        )


class Bit(Struct, frozen=True):
    """One yes or no."""

    name: str
    table: str
    at: int
    bit: int = 0


class Identity(Struct, frozen=True):
    """A register that tells the model."""

    item: Item
    table: str
    expect: tuple[float, ...]
    count: int


class Heartbeat(Struct, frozen=True):
    """Registers by which a PLC and its master see that the other is alive."""

    at: int
    echo: int | None
    counter: int | None


class Sheet(Struct, frozen=True):
    """A whole device."""

    name: str
    source: str
    word_order: str
    table: str
    base: int
    registers_max: int
    items: tuple[Item, ...]
    bits: tuple[Bit, ...]
    identity: Identity | None
    heartbeat: Heartbeat | None
    sunspec: tuple[int, ...]
    file: dict[str, Any]  # as TOML has it


def packaged() -> tuple[str, ...]:
    """The names of the profiles that come with Ballast."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_sheet(name: str) -> Sheet:
    """A packaged profile by its name, or a file by its path."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.exists() and not name.endswith(".toml"):
        raise Unusable(f"no profile {name!r}", f"name a file that ends in .toml, or one of {', '.join(packaged())}")
    try:
        return sheet_of(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}", "check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise Unusable(f"{path} is not TOML: {error}", "mend the text at that place") from error
    except (KeyError, TypeError, ValueError, struct.error) as error:
        wrong = f"{path}: {type(error).__name__} {error}"
        raise Unusable(wrong, "a [[point]] has name, at and kind; `ballast check` explains a whole profile") from error


def sheet_of(file: dict[str, Any]) -> Sheet:
    """What a file says, with addresses as on the wire."""
    base = file.get("base", 0)
    table = file.get("table", "holding")
    identity = None
    if probe := file.get("probe"):
        kind = probe.get("kind", "uint16")
        expect = probe["expect"] if isinstance(probe["expect"], list) else [probe["expect"]]
        item = Item("identity", probe["at"] - base, kind)
        count = probe.get("count", item.registers)
        identity = Identity(item, probe.get("table", table), tuple(_as_read(kind, value) for value in expect), count)
    beat = file.get("heartbeat")
    heartbeat = None
    items = [_item(point, base) for point in file.get("point", [])]
    if beat:
        echo, counter = (beat[key] - base if key in beat else None for key in ("echo", "counter"))
        heartbeat = Heartbeat(beat["at"] - base, echo, counter)
        if counter is not None:
            items.append(Item("plc_counter", counter, "uint16", fast=True))
    return Sheet(
        name=file.get("name", "unnamed"),
        source=file.get("source", ""),
        word_order=file.get("word_order", "big"),
        table=table,
        base=base,
        registers_max=file.get("registers_max", _REGISTERS_MAX),
        items=tuple(sorted(items, key=lambda item: item.first)),
        bits=tuple(Bit(bit["name"], bit["table"], bit["at"] - base, bit.get("bit", 0)) for bit in file.get("bit", [])),
        identity=identity,
        heartbeat=heartbeat,
        sunspec=tuple(file.get("sunspec", [])),
        file=file,
    )


def _item(point: dict[str, Any], base: int) -> Item:
    kind = point["kind"]
    return Item(
        name=point["name"],
        at=point["at"] - base,
        kind=kind,
        scale=float(point.get("scale", 1.0)),
        offset=float(point.get("offset", 0.0)),
        absent=tuple(_as_read(kind, value) for value in point.get("absent", [])),
        least=point.get("min"),
        most=point.get("max"),
        fast=point.get("poll") == "fast",
        scale_at=point["scale_at"] - base if "scale_at" in point else None,
    )


def _as_read(kind: str, value: float) -> float:
    """A raw number as the kind reads it: 0x8000 of an int16 is -32768, 0.1 of a float32 is 0.10000000149."""
    letter = _KINDS[kind][0]
    wide = letter.upper() if letter in "hiq" and value >= 0 else letter
    read: float = struct.unpack(f">{letter}", struct.pack(f">{wide}", value))[0]
    return read
