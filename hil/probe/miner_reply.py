"""What a miner's reply says, and in what it is odd: pure, from its bytes.

Strict JSON is tried first. Where it fails, the known faults of firmware are mended and named: control characters inside
texts, `}{` and `,}` and `,]`, nan and inf. What cannot be read even so has no rows, and says that as its oddity.
"""

import json
import re
from typing import Any

from msgspec import Struct

_MENDS = (
    ("commas are missing between members", re.compile(rb"}\s*{"), b"},{"),
    ("a comma before a closing bracket", re.compile(rb",\s*([}\]])"), rb"\1"),
    ("a comma after an opening bracket", re.compile(rb"([{\[])\s*,"), rb"\1"),
    ("nan or inf for a number", re.compile(rb":\s*-?(?:nan|inf(?:inity)?)\b", re.IGNORECASE), b":null"),
)


class MinerReply(Struct, frozen=True):
    """One reply."""

    letter: str  # S, I, W, E or F; "" where it has no status
    code: int | None
    words: str
    when_s: int | None  # the miner's own clock
    rows: tuple[dict[str, Any], ...]  # every object of every section but STATUS
    oddities: tuple[str, ...]
    text: str  # all of it

    @property
    def taken(self) -> bool:
        """Whether it says that it took what it was told: success, information, or a warning that it is so already."""
        return self.letter in ("S", "I", "W")

    def first(self, *keys: str) -> Any:
        """The first of these keys in any row; None where none has it."""
        return next((row[key] for key in keys for row in self.rows if key in row), None)

    def total(self, key: str) -> float | None:
        """The sum of a number over all rows that have it; None where none has."""
        numbers = [number(row[key]) for row in self.rows if key in row]
        known = [value for value in numbers if value is not None]
        return sum(known) if known else None


def read_reply(body: bytes) -> MinerReply:
    """What the bytes say, without what ends them."""
    body = body.rstrip(b"\0\n\r ")
    text = body.decode("utf-8", "replace")
    if not body.startswith(b"{"):
        return _text_form(text)
    tree, oddities = _parse(body)
    if tree is None:
        return MinerReply("", None, "", None, (), oddities, text)
    rows = [row for name, section in tree.items() if name != "STATUS" for row in _objects(section)]
    status: Any = tree.get("STATUS", [{}])
    if isinstance(status, str):
        return MinerReply(status[:1], None, status, None, tuple(rows), oddities, text)
    said = next(iter(_objects(status)), {})
    return _reply(said, rows, oddities, text)


def number(value: object) -> float | None:
    """A number, also one that is written as a text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _parse(body: bytes) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    try:
        return _tree(json.loads(body)), ()
    except ValueError as error:
        oddities = [f"no strict JSON ({error})"]
    for name, wrong, right in _MENDS:
        mended = wrong.sub(right, body)
        if mended != body:
            oddities.append(name)
            body = mended
    try:
        return _tree(json.loads(body.decode("utf-8", "replace"), strict=False)), tuple(oddities)
    except ValueError:
        return None, tuple(oddities)


def _tree(parsed: object) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise ValueError("no object")
    return parsed


def _objects(section: object) -> list[dict[str, Any]]:
    """Every object in a section, those of joined replies too."""
    if isinstance(section, list):
        return [row for part in section for row in _objects(part)]
    if not isinstance(section, dict):
        return []
    inner = [row for value in section.values() if isinstance(value, list) for row in _objects(value)]
    return [section, *inner]


def _text_form(text: str) -> MinerReply:
    """STATUS=S,When=1,Code=22,Msg=...|VERSION,CGMiner=4.11.1|: rows are split at unescaped bars and commas."""
    rows = []
    for part in re.split(r"(?<!\\)\|", text.rstrip("\0")):
        pairs = [pair.partition("=") for pair in re.split(r"(?<!\\),", part)]
        if row := {key: value for key, equals, value in pairs if equals}:
            rows.append(row)
    said = rows[0] if rows and "STATUS" in rows[0] else {}
    return _reply(said, rows[1:] if said else rows, (), text)


def _reply(said: dict[str, Any], rows: list[dict[str, Any]], oddities: tuple[str, ...], text: str) -> MinerReply:
    code, when_s = number(said.get("Code")), number(said.get("When"))
    return MinerReply(
        letter=str(said.get("STATUS", "")),
        code=None if code is None else int(code),
        words=str(said.get("Msg", "")),
        when_s=None if when_s is None else int(when_s),
        rows=tuple(rows),
        oddities=oddities,
        text=text,
    )
