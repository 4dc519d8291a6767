"""A fault: what is wrong in a file, where, and how to mend it. All of a file's faults are raised at once.

site.toml:128 [[rule]] "ufr" shed_below_hz = "x": this is text; write a number from 45 to 65
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

_VALUE_CHARACTERS_MAX = 60
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")


class Fault(Struct, frozen=True):
    """One thing that is wrong, as the line that a person is shown."""

    file: str
    line: int  # from 1; 0: of the file as a whole
    table: str  # "[[rule]]", "[site]", "" when of no table
    name: str  # the table's id, "" when it has none
    key: str  # "" when of the whole table
    value: str | None  # as TOML would write it; None when nothing was written
    wrong: str
    mend: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        place = " ".join(part for part in (where, self.table, f'"{self.name}"' if self.name else "", self.key) if part)
        written = "" if self.value is None else f" = {self.value}"
        return f"{place}{written}: {self.wrong}; {self.mend}"


class ConfigErrors(Exception):
    """A site.toml that is not accepted, with every fault found in it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def shown(value: object) -> str:
    """A value about as TOML would write it, short enough for one line."""
    text = _toml(value)
    return text if len(text) <= _VALUE_CHARACTERS_MAX else f"{text[: _VALUE_CHARACTERS_MAX - 1]}…"


def key_shown(key: object) -> str:
    """A key as TOML would write it: bare where it can be."""
    text = str(key)
    return text if _BARE_KEY.fullmatch(text) else shown(text)


def kind_of(value: object) -> str:
    """What kind of value it is, in plain words."""
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number with a point"
        case str():
            return "text"
        case Mapping():
            return "a table"
        case Sequence():
            return "a list"
    return "a date or a time"


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int():
            return str(value) if value.bit_length() < 128 else hex(value)  # str() refuses thousands of digits
        case float():
            return str(value)
        case Mapping():
            return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in list(value.items())[:4]) + " }"
        case Sequence():
            return "[" + ", ".join(_toml(item) for item in value[:4]) + "]"
    return str(value)
