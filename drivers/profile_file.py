"""Reading a profile's TOML, and saying everything that is wrong with it at once.

Each fault names the file, its line, the table, the key and the mend (drivers/profile_reading.py). What only a PLC has
is read in drivers/profile_plc.py.
"""

import re
import struct
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from drivers.points import POINTS
from drivers.profile import KINDS, VALUE_MAX, Bit, Fault, Identity, Kind, Point, Profile, ProfileErrors, Table
from drivers.profile_plc import read_bits, read_coils, read_heartbeat
from drivers.profile_reading import Section, SectionReader, lines_of, nearest, rows, shown, syntax_fault

REGISTERS_MAX = 125  # Modbus Application Protocol 1.1b3, 6.3 and 6.4: the most one read may ask for
REGISTERS_MAX_DEFAULT = 60  # where the manual gives no limit: what the slow devices among the known ones answer

_TOP_KEYS = (
    "name",
    "source",
    "word_order",
    "registers_max",
    "table",
    "base",
    "refresh_ms",
    "readable",
    "sunspec",
    "probe",
    "point",
    "bit",
    "coil",
    "heartbeat",
)
_PROBE_KEYS = ("at", "expect", "kind", "table", "count")
_POINT_KEYS = ("name", "at", "kind", "scale", "offset", "absent", "poll", "min", "max", "unverified", "scale_at")

_NAME = re.compile(r"^[a-z0-9][a-z0-9-]*$")


def no_such_profile(name: str, names: tuple[str, ...]) -> Fault:
    """The fault of a name that no packaged profile has."""
    return Fault(name, None, "profile", "there is no packaged profile of this name", nearest(name, names))


def read_profile(path: Path) -> Profile:
    """The profile in a file; raises ProfileErrors with every fault of it."""
    file = path.name
    try:
        text = path.read_text("utf-8")
        raw = tomllib.loads(text)
    except OSError as error:
        raise ProfileErrors(
            (Fault(str(path), None, "file", f"cannot be read: {error.strerror}", "check its path"),)
        ) from error
    except UnicodeDecodeError as error:
        raise ProfileErrors((Fault(file, None, "file", "is not UTF-8 text", "save it as UTF-8"),)) from error
    except tomllib.TOMLDecodeError as error:
        raise ProfileErrors((syntax_fault(file, str(error)),)) from error
    reader = _Reader(file, lines_of(text))
    profile = reader.profile(raw)
    if reader.faults or profile is None:
        raise ProfileErrors(tuple(sorted(reader.faults, key=lambda fault: fault.line or 0)))
    return profile


class _Reader(SectionReader):
    """Reads a profile of meter or PLC."""

    def profile(self, raw: Mapping[str, Any]) -> Profile | None:
        top = Section("", 0, "", raw)
        self.unknown(top, _TOP_KEYS)
        name = self.text(top, "name")
        if name is not None and not _NAME.match(name):
            self.fault(top, "name", "has other letters than a-z, 0-9 and -", 'write it like "acme-pm3"')
        source = self.text(top, "source")
        order = self.choice(top, "word_order", ("big", "little"))
        table = self.choice(top, "table", ("holding", "input"))
        base = self.integer(top, "base", 0, 1)
        longest = self.integer(top, "registers_max", 4, REGISTERS_MAX, REGISTERS_MAX_DEFAULT)
        refresh_ms = self.number(top, "refresh_ms") if "refresh_ms" in raw else None
        if refresh_ms is not None and refresh_ms <= 0:
            self.fault(top, "refresh_ms", "is not above 0", "leave it out when it is not known")
        sunspec = self._sunspec(top)
        points = self._points(top, base or 0)
        bits = read_bits(self, top, base or 0)
        coils = read_coils(self, top, base or 0)
        heartbeat = read_heartbeat(self, top, base or 0)
        self._fast(top)
        self._overlaps(top, points, bits, table or "holding")
        identity = self._identity(raw["probe"], base or 0, table) if "probe" in raw else None
        readable = self._readable(top, base or 0)
        if self.faults:
            return None
        return Profile(
            name=cast(str, name),
            source=cast(str, source),
            word_order=cast(Any, order),
            registers_max=cast(int, longest),
            table=cast(Table, table),
            points=points,
            identity=identity,
            readable=readable,
            refresh_ms=refresh_ms,
            bits=bits,
            coils=coils,
            heartbeat=heartbeat,
            sunspec=sunspec,
        )

    def _points(self, top: Section, base: int) -> tuple[Point, ...]:
        if "point" not in top.values and "bit" not in top.values:
            mend = "give each quantity a [[point]] with name, at and kind"
            self.fault(top, "point", "the file has no [[point]]", mend)
        points: list[Point] = []
        for section in self.sections(top, "point"):
            point = self._point(section, base)
            if point is not None:
                self._clash(section, point, points)
                points.append(point)
        return tuple(sorted(points, key=lambda point: (point.first, point.at)))

    def _fast(self, top: Section) -> None:
        """Something must be polled fast: a bit is, where nothing is said, and a point is not."""
        polls = [
            row.get("poll", other) for table, other in (("point", "slow"), ("bit", "fast")) for row in rows(top, table)
        ]
        if polls and all(poll == "slow" for poll in polls):
            table = "point" if "point" in top.values else "bit"
            mend = 'give what rules decide from, like power_w, poll = "fast"'
            self.fault(Section(table, 1, f"[[{table}]]", {}), "", "none is polled fast", mend)

    def _overlaps(self, top: Section, points: tuple[Point, ...], bits: tuple[Bit, ...], table: str) -> None:
        """A register is a part of one number, a power of ten or a field of bits."""
        owners = {at: point.name for point in points for at in range(point.at, point.at + point.kind.registers)}
        for point in points:
            if point.scale_at in owners:
                wrong = f"the scale_at of {point.name} is a register of {owners[point.scale_at]}"
                self.fault(top, "point", wrong, "compare both addresses with the manual")
        if "heartbeat" in top.values and table != "holding":
            self.fault(top, "heartbeat", f"the file's table is {table}", 'a heartbeat is written: table = "holding"')
        owners |= {point.scale_at: f"the scale of {point.name}" for point in points if point.scale_at is not None}
        for bit in bits:
            if bit.table == table and bit.at in owners:
                wrong = f"the register of {bit.name} is {owners[bit.at]}"
                self.fault(top, "bit", wrong, "compare both addresses with the manual")

    def _sunspec(self, top: Section) -> tuple[int, ...]:
        raw = top.values.get("sunspec", [])
        if not isinstance(raw, list) or not all(type(model) is int and 0 < model < 0xFFFF for model in raw):
            self.fault(top, "sunspec", "is not a list of models", "write it like [201, 202, 203, 204]")
            return ()
        return tuple(raw)

    def _point(self, section: Section, base: int) -> Point | None:
        before = len(self.faults)
        self.unknown(section, _POINT_KEYS)
        name = self.choice(section, "name", POINTS)
        kind = KINDS.get(self.choice(section, "kind", KINDS) or "")
        at = self.address(section, base, kind.registers if kind else 1)
        scale = self.number(section, "scale", 1.0)
        if scale == 0:
            self.fault(section, "scale", "makes every value 0", "leave it out for 1")
        offset = self.number(section, "offset", 0.0)
        lowest = self.number(section, "min", -VALUE_MAX)
        highest = self.number(section, "max", VALUE_MAX)
        if lowest is not None and highest is not None and lowest >= highest:
            self.fault(section, "min", f"is not below max = {highest:g}", "the smallest plausible value goes into min")
        poll = self.choice(section, "poll", ("fast", "slow"), "slow")
        unverified = self.boolean(section, "unverified")
        scale_at = self.address(section, base, 1, "scale_at") if "scale_at" in section.values else None
        absent = self._absent(section, kind) if kind else frozenset()
        if len(self.faults) > before:
            return None
        return Point(
            name=cast(str, name),
            at=cast(int, at),
            kind=cast(Kind, kind),
            scale=cast(float, scale),
            offset=cast(float, offset),
            absent=absent,
            fast=poll == "fast",
            value_min=cast(float, lowest),
            value_max=cast(float, highest),
            unverified=unverified,
            scale_at=scale_at,
        )

    def _clash(self, section: Section, point: Point, others: list[Point]) -> None:
        for other in others:
            if other.name == point.name:
                self.fault(section, "name", "is there twice", "leave one of the two out")
            elif point.at < other.at + other.kind.registers and other.at < point.at + point.kind.registers:
                wrong = f"shares registers with {other.name} ({other.kind.name})"
                self.fault(section, "at", wrong, "compare the address and the kind of both with the manual")

    def _absent(self, section: Section, kind: Kind) -> frozenset[float]:
        raw = section.values.get("absent", [])
        if not isinstance(raw, list):
            self.fault(section, "absent", "is not a list", "write it like [0x7FFF]")
            return frozenset()
        found = set()
        for value in raw:
            try:
                found.add(_as_read(kind, value))
            except (struct.error, OverflowError, TypeError):
                mend = "give raw values, as they are before scale and offset"
                self.fault(section, "absent", f"{shown(value)} does not fit into {kind.name}", mend)
        return frozenset(found)

    def _identity(self, raw: object, base: int, table: str | None) -> Identity | None:
        if not isinstance(raw, dict):
            self.fault(Section("", 0, "", {}), "probe", "is not a table", "write [probe], then at and expect")
            return None
        section = Section("probe", 0, "[probe] ", raw)
        before = len(self.faults)
        self.unknown(section, _PROBE_KEYS)
        kind = KINDS.get(self.choice(section, "kind", KINDS, "uint16") or "")
        own_table = self.choice(section, "table", ("holding", "input"), table or "holding")
        registers = kind.registers if kind else 1
        count = self.integer(section, "count", registers, REGISTERS_MAX, registers)
        at = self.address(section, base, count or registers)
        expect = self._expected(section, kind) if kind else ()
        if len(self.faults) > before:
            return None
        return Identity(cast(int, at), cast(Kind, kind), expect, cast(Table, own_table), cast(int, count))

    def _expected(self, section: Section, kind: Kind) -> tuple[float, ...]:
        if "expect" not in section.values:
            self.missing(section, "expect")
            return ()
        raw = section.values["expect"]
        try:
            expect = tuple(_as_read(kind, value) for value in (raw if isinstance(raw, list) else [raw]))
        except (struct.error, OverflowError, TypeError):
            self.fault(
                section,
                "expect",
                f"does not fit into {kind.name}",
                "give the raw number, or a list of those that are right",
            )
            return ()
        if not expect:
            self.fault(section, "expect", "is empty", "give the raw number, or a list of those that are right")
        return expect

    def _readable(self, section: Section, base: int) -> tuple[tuple[int, int], ...]:
        spans = []
        for span in section.values.get("readable", []):
            match span:
                case [int(first), int(last)] if base <= first <= last <= 0xFFFF + base:
                    spans.append((first - base, last - base + 1))
                case _:
                    wrong = f"{span} is not [first, last]"
                    self.fault(
                        section, "readable", wrong, f"two registers from {base} to {0xFFFF + base}, the lower first"
                    )
        return tuple(spans)


def _as_read(kind: Kind, value: object) -> float:
    """A raw number as the kind reads it: 0x8000 of an int16 is -32768, 0.1 of a float32 is 0.10000000149."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if kind.is_float:
        return cast(float, struct.unpack(f">{kind.code}", struct.pack(f">{kind.code}", value))[0])
    unsigned = value if isinstance(value, int) and value >= 0 else None
    code = kind.code.upper() if unsigned is not None else kind.code
    return cast(float, struct.unpack(f">{kind.code}", struct.pack(f">{code}", value))[0])
