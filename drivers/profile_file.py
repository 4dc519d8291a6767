"""Reading a profile's TOML, and saying everything that is wrong with it at once.

Each fault names the file, its line, the table, the key and the mend. tomllib keeps no line numbers, so a second look at
the text finds them: headers and `key =` at the start of a line, which is how these files are written; a key that is
written otherwise is reported without its line.
"""

import difflib
import math
import re
import struct
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from drivers.points import POINTS
from drivers.profile import KINDS, VALUE_MAX, Fault, Identity, Kind, Point, Profile, ProfileErrors, Table

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
    "probe",
    "point",
)
_PROBE_KEYS = ("at", "expect", "kind", "table", "count")
_POINT_KEYS = ("name", "at", "kind", "scale", "offset", "absent", "poll", "min", "max", "unverified")

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([A-Za-z0-9_-]+|\"[^\"]+\")\s*=")
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]*$")

_Place = tuple[str, int, str]  # table, its number from 1 (0: not an array), key or "" for its header


def no_such_profile(name: str, names: tuple[str, ...]) -> Fault:
    """The fault of a name that no packaged profile has."""
    return Fault(name, None, "profile", "there is no packaged profile of this name", _nearest(name, names))


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
        raise ProfileErrors((_syntax_fault(file, str(error)),)) from error
    reader = _Reader(file, _lines(text))
    profile = reader.profile(raw)
    if reader.faults or profile is None:
        raise ProfileErrors(tuple(sorted(reader.faults, key=lambda fault: fault.line or 0)))
    return profile


def _syntax_fault(file: str, message: str) -> Fault:
    found = re.search(r"\(at line (\d+), column \d+\)$", message)
    line = int(found[1]) if found else None
    return Fault(file, line, "file", f"is not TOML: {message}", "mend the text at that place")


def _lines(text: str) -> Mapping[_Place, int]:
    """Where each header and key stands."""
    lines: dict[_Place, int] = {}
    table, number, points = "", 0, 0
    for line, content in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(content):
            table = header[2]
            points += header[1] == "[["
            number = points if header[1] == "[[" else 0
            lines.setdefault((table, number, ""), line)
        elif key := _KEY.match(content):
            lines.setdefault((table, number, key[1].strip('"')), line)
    return lines


def _nearest(word: str, words: Iterable[str]) -> str:
    words = tuple(words)
    close = difflib.get_close_matches(word, words, n=1)
    return f'did you mean "{close[0]}"?' if close else f"it must be one of {', '.join(words)}"


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


class _Section(Struct, frozen=True):
    """One table of the file: what it holds and how to name it."""

    table: str
    number: int
    label: str  # '[[point]] 3 "power_w"'
    values: Mapping[str, Any]


class _Reader:
    """Reads section by section; a value that will not do becomes a fault and None."""

    def __init__(self, file: str, lines: Mapping[_Place, int]) -> None:
        self.faults: list[Fault] = []
        self._file = file
        self._lines = lines

    def profile(self, raw: Mapping[str, Any]) -> Profile | None:
        top = _Section("", 0, "", raw)
        self._unknown(top, _TOP_KEYS)
        name = self._text(top, "name")
        if name is not None and not _NAME.match(name):
            self._fault(top, "name", "has other letters than a-z, 0-9 and -", 'write it like "acme-pm3"')
        source = self._text(top, "source")
        order = self._choice(top, "word_order", ("big", "little"))
        table = self._choice(top, "table", ("holding", "input"))
        base = self._integer(top, "base", 0, 1)
        longest = self._integer(top, "registers_max", 4, REGISTERS_MAX, REGISTERS_MAX_DEFAULT)
        refresh_ms = self._number(top, "refresh_ms") if "refresh_ms" in raw else None
        if refresh_ms is not None and refresh_ms <= 0:
            self._fault(top, "refresh_ms", "is not above 0", "leave it out when it is not known")
        points = self._points(raw.get("point"), base or 0)
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
        )

    def _points(self, raw: object, base: int) -> tuple[Point, ...]:
        if not isinstance(raw, list) or not raw or not all(isinstance(values, dict) for values in raw):
            whole = _Section("", 0, "", {})
            self._fault(
                whole, "point", "the file has no [[point]]", "give each quantity a [[point]] with name, at and kind"
            )
            return ()
        points: list[Point] = []
        for number, values in enumerate(raw, 1):
            called = values.get("name")
            label = f'[[point]] {number} "{called}" ' if isinstance(called, str) else f"[[point]] {number} "
            section = _Section("point", number, label, values)
            point = self._point(section, base)
            if point is not None:
                self._clash(section, point, points)
                points.append(point)
        if all(values.get("poll", "slow") == "slow" for values in raw):
            mend = 'give what rules decide from, like power_w, poll = "fast"'
            self._fault(_Section("point", 1, "[[point]]", {}), "", "none is polled fast", mend)
        return tuple(sorted(points, key=lambda point: point.at))

    def _point(self, section: _Section, base: int) -> Point | None:
        before = len(self.faults)
        self._unknown(section, _POINT_KEYS)
        name = self._choice(section, "name", POINTS)
        kind = KINDS.get(self._choice(section, "kind", KINDS) or "")
        at = self._address(section, base, kind.registers if kind else 1)
        scale = self._number(section, "scale", 1.0)
        if scale == 0:
            self._fault(section, "scale", "makes every value 0", "leave it out for 1")
        offset = self._number(section, "offset", 0.0)
        lowest = self._number(section, "min", -VALUE_MAX)
        highest = self._number(section, "max", VALUE_MAX)
        if lowest is not None and highest is not None and lowest >= highest:
            self._fault(section, "min", f"is not below max = {highest:g}", "the smallest plausible value goes into min")
        poll = self._choice(section, "poll", ("fast", "slow"), "slow")
        unverified = self._boolean(section, "unverified")
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
        )

    def _clash(self, section: _Section, point: Point, others: list[Point]) -> None:
        for other in others:
            if other.name == point.name:
                self._fault(section, "name", "is there twice", "leave one of the two out")
            elif point.at < other.end and other.at < point.end:
                wrong = f"shares registers with {other.name} ({other.kind.name})"
                self._fault(section, "at", wrong, "compare the address and the kind of both with the manual")

    def _absent(self, section: _Section, kind: Kind) -> frozenset[float]:
        raw = section.values.get("absent", [])
        if not isinstance(raw, list):
            self._fault(section, "absent", "is not a list", "write it like [0x7FFF]")
            return frozenset()
        found = set()
        for value in raw:
            try:
                found.add(_as_read(kind, value))
            except (struct.error, OverflowError, TypeError):
                mend = "give raw values, as they are before scale and offset"
                self._fault(section, "absent", f"{_shown(value)} does not fit into {kind.name}", mend)
        return frozenset(found)

    def _identity(self, raw: object, base: int, table: str | None) -> Identity | None:
        if not isinstance(raw, dict):
            self._fault(_Section("", 0, "", {}), "probe", "is not a table", "write [probe], then at and expect")
            return None
        section = _Section("probe", 0, "[probe] ", raw)
        before = len(self.faults)
        self._unknown(section, _PROBE_KEYS)
        kind = KINDS.get(self._choice(section, "kind", KINDS, "uint16") or "")
        own_table = self._choice(section, "table", ("holding", "input"), table or "holding")
        registers = kind.registers if kind else 1
        count = self._integer(section, "count", registers, REGISTERS_MAX, registers)
        at = self._address(section, base, count or registers)
        expect = self._expected(section, kind) if kind else ()
        if len(self.faults) > before:
            return None
        return Identity(cast(int, at), cast(Kind, kind), expect, cast(Table, own_table), cast(int, count))

    def _expected(self, section: _Section, kind: Kind) -> tuple[float, ...]:
        if "expect" not in section.values:
            self._missing(section, "expect")
            return ()
        raw = section.values["expect"]
        try:
            expect = tuple(_as_read(kind, value) for value in (raw if isinstance(raw, list) else [raw]))
        except (struct.error, OverflowError, TypeError):
            self._fault(
                section,
                "expect",
                f"does not fit into {kind.name}",
                "give the raw number, or a list of those that are right",
            )
            return ()
        if not expect:
            self._fault(section, "expect", "is empty", "give the raw number, or a list of those that are right")
        return expect

    def _readable(self, section: _Section, base: int) -> tuple[tuple[int, int], ...]:
        spans = []
        for span in section.values.get("readable", []):
            match span:
                case [int(first), int(last)] if base <= first <= last <= 0xFFFF + base:
                    spans.append((first - base, last - base + 1))
                case _:
                    wrong = f"{span} is not [first, last]"
                    self._fault(
                        section, "readable", wrong, f"two registers from {base} to {0xFFFF + base}, the lower first"
                    )
        return tuple(spans)

    def _address(self, section: _Section, base: int, registers: int) -> int | None:
        at = self._integer(section, "at", base, 0xFFFF + base - registers + 1)
        return None if at is None else at - base

    def _text(self, section: _Section, key: str) -> str | None:
        value = section.values.get(key)
        if value is None:
            self._missing(section, key)
        elif not isinstance(value, str) or not value.strip():
            self._fault(section, key, "is not a text", f'write it like {key} = "..."')
        else:
            return value
        return None

    def _choice(self, section: _Section, key: str, words: Iterable[str], default: str | None = None) -> str | None:
        value = section.values.get(key, default)
        if value is None:
            self._missing(section, key)
        elif not isinstance(value, str) or value not in words:
            self._fault(section, key, "is not a known word", _nearest(str(value), words))
        else:
            return value
        return None

    def _integer(
        self, section: _Section, key: str, lowest: int, highest: int, default: int | None = None
    ) -> int | None:
        value = section.values.get(key, default)
        if value is None:
            self._missing(section, key)
        elif not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            self._fault(section, key, "is out of place", f"a whole number from {lowest} to {highest}")
        else:
            return value
        return None

    def _number(self, section: _Section, key: str, default: float | None = None) -> float | None:
        value = section.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self._fault(section, key, "is not a finite number", "write it like 0.1")
            return None
        return float(value)

    def _boolean(self, section: _Section, key: str) -> bool:
        value = section.values.get(key, False)
        if not isinstance(value, bool):
            self._fault(section, key, "is neither true nor false", "without quotes, in small letters")
        return value is True

    def _unknown(self, section: _Section, known: tuple[str, ...]) -> None:
        for key in section.values:
            if key not in known:
                self._fault(section, key, "is not a known key", _nearest(key, known))

    def _missing(self, section: _Section, key: str) -> None:
        line = self._lines.get((section.table, section.number, ""))
        self.faults.append(Fault(self._file, line, f"{section.label}{key}", "is missing", f"add {key} = ..."))

    def _fault(self, section: _Section, key: str, wrong: str, mend: str) -> None:
        line = self._lines.get((section.table, section.number, key))
        value = section.values.get(key)
        shown = "" if value is None or isinstance(value, dict | list) else f" = {_shown(value)}"
        self.faults.append(Fault(self._file, line, f"{section.label}{key}{shown}", wrong, mend))


def _as_read(kind: Kind, value: object) -> float:
    """A raw number as the kind reads it: 0x8000 of an int16 is -32768, 0.1 of a float32 is 0.10000000149."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if kind.is_float:
        return cast(float, struct.unpack(f">{kind.code}", struct.pack(f">{kind.code}", value))[0])
    unsigned = value if isinstance(value, int) and value >= 0 else None
    code = kind.code.upper() if unsigned is not None else kind.code
    return cast(float, struct.unpack(f">{kind.code}", struct.pack(f">{code}", value))[0])
