"""Sections of a TOML file, read key by key: what will not do becomes a fault with its line, and None.

tomllib keeps no line numbers, so a second look at the text finds them: headers and `key =` at the start of a line,
which is how these files are written; a key that is written otherwise is reported without its line.
"""

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from drivers.profile import Fault

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([A-Za-z0-9_-]+|\"[^\"]+\")\s*=")

Place = tuple[str, int, str]  # table, its number from 1 (0: not an array), key or "" for its header


def syntax_fault(file: str, message: str) -> Fault:
    """The fault of a text that is not TOML."""
    found = re.search(r"\(at line (\d+), column \d+\)$", message)
    line = int(found[1]) if found else None
    return Fault(file, line, "file", f"is not TOML: {message}", "mend the text at that place")


def lines_of(text: str) -> Mapping[Place, int]:
    """Where each header and key stands."""
    lines: dict[Place, int] = {}
    table, number = "", 0
    counted: Counter[str] = Counter()
    for line, content in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(content):
            table, number = header[2], 0
            if header[1] == "[[":
                counted[table] += 1
                number = counted[table]
            lines.setdefault((table, number, ""), line)
        elif key := _KEY.match(content):
            lines.setdefault((table, number, key[1].strip('"')), line)
    return lines


def nearest(word: str, words: Iterable[str]) -> str:
    """The mend of a word that is none of these."""
    words = tuple(words)
    close = difflib.get_close_matches(word, words, n=1)
    return f'did you mean "{close[0]}"?' if close else f"it must be one of {', '.join(words)}"


def shown(value: object) -> str:
    """A value as the file has it."""
    return f'"{value}"' if isinstance(value, str) else str(value)


class Section(Struct, frozen=True):
    """One table of the file: what it holds and how to name it."""

    table: str
    number: int
    label: str  # '[[point]] 3 "power_w"'
    values: Mapping[str, Any]


def rows(top: Section, table: str) -> list[dict[str, Any]]:
    """The tables under [[table]]; none where it is something else."""
    raw = top.values.get(table)
    return raw if isinstance(raw, list) and all(isinstance(values, dict) for values in raw) else []


class SectionReader:
    """Reads section by section; a value that will not do becomes a fault and None."""

    def __init__(self, file: str, lines: Mapping[Place, int]) -> None:
        self.faults: list[Fault] = []
        self.file = file
        self._lines = lines

    def sections(self, top: Section, table: str) -> list[Section]:
        """Each [[table]] of the file, labelled with its name."""
        if table in top.values and not rows(top, table):
            self.fault(top, table, "is not a list of tables", f"write [[{table}]] over each")
        sections = []
        for number, values in enumerate(rows(top, table), 1):
            called = values.get("name")
            label = f'[[{table}]] {number} "{called}" ' if isinstance(called, str) else f"[[{table}]] {number} "
            sections.append(Section(table, number, label, values))
        return sections

    def address(self, section: Section, base: int, registers: int, key: str = "at") -> int | None:
        """The wire's address of so many registers, or bits."""
        at = self.integer(section, key, base, 0xFFFF + base - registers + 1)
        return None if at is None else at - base

    def text(self, section: Section, key: str) -> str | None:
        """A text that is not blank."""
        value = section.values.get(key)
        if value is None:
            self.missing(section, key)
        elif not isinstance(value, str) or not value.strip():
            self.fault(section, key, "is not a text", f'write it like {key} = "..."')
        else:
            return value
        return None

    def choice(self, section: Section, key: str, words: Iterable[str], default: str | None = None) -> str | None:
        """One of these words."""
        value = section.values.get(key, default)
        if value is None:
            self.missing(section, key)
        elif not isinstance(value, str) or value not in words:
            self.fault(section, key, "is not a known word", nearest(str(value), words))
        else:
            return value
        return None

    def integer(self, section: Section, key: str, lowest: int, highest: int, default: int | None = None) -> int | None:
        """A whole number from `lowest` to `highest`."""
        value = section.values.get(key, default)
        if value is None:
            self.missing(section, key)
        elif not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            self.fault(section, key, "is out of place", f"a whole number from {lowest} to {highest}")
        else:
            return value
        return None

    def number(self, section: Section, key: str, default: float | None = None) -> float | None:
        """A finite number."""
        value = section.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.fault(section, key, "is not a finite number", "write it like 0.1")
            return None
        return float(value)

    def boolean(self, section: Section, key: str) -> bool:
        """True or false; false where nothing is said."""
        value = section.values.get(key, False)
        if not isinstance(value, bool):
            self.fault(section, key, "is neither true nor false", "without quotes, in small letters")
        return value is True

    def unknown(self, section: Section, known: tuple[str, ...]) -> None:
        """A fault for each key that is not known here."""
        for key in section.values:
            if key not in known:
                self.fault(section, key, "is not a known key", nearest(key, known))

    def missing(self, section: Section, key: str) -> None:
        """Note that a key is not there."""
        line = self._lines.get((section.table, section.number, ""))
        self.faults.append(Fault(self.file, line, f"{section.label}{key}", "is missing", f"add {key} = ..."))

    def fault(self, section: Section, key: str, wrong: str, mend: str) -> None:
        """Note what is wrong with a key."""
        line = self._lines.get((section.table, section.number, key))
        value = section.values.get(key)
        written = "" if value is None or isinstance(value, dict | list) else f" = {shown(value)}"
        self.faults.append(Fault(self.file, line, f"{section.label}{key}{written}", wrong, mend))
