"""Where in a TOML text each table, key and value stands: tomllib gives values without their lines.

A small scanner over the grammar of TOML 1.0 (toml.io/en/v1.0.0). It only walks: tomllib has already said that the text
is valid, so nothing is checked here and no value is understood. A path is what leads to a value in tomllib's result:
names of keys and indexes of arrays, ("rule", 1, "release", "above_hz").
"""

import re
import tomllib
from bisect import bisect_right
from typing import Final

Path = tuple[str | int, ...]

_GAP: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    + r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    + r'|"(?:[^"\\\n]|\\.)*"'
    + r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN: Final = re.compile(r"[^,\]}\n#]*")


class Lines:
    """The line of each path of one valid TOML text."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")  # as tomllib does
        self._breaks = [match.start() for match in re.finditer("\n", self._text)]
        self._lines: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}  # arrays of tables -> index of the newest
        self._at = 0
        self._scan()

    def at(self, path: Path) -> int:
        """The line where the path, or the nearest thing that holds it, is written; 0 when nothing of it is."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return line
        return 0

    def _scan(self) -> None:
        table: Path = ()
        while self._skip_gap():
            start = self._at
            if self._text.startswith("[", start):
                table = self._header()
            else:
                self._pair(table)
            if self._at == start:
                return  # not valid TOML after all: what was found so far is what there is

    def _header(self) -> Path:
        line, several = self._line(), self._text.startswith("[[", self._at)
        self._at += 2 if several else 1
        *parents, last = self._key()
        path: Path = ()
        for part in parents:
            path = self._newest((*path, part))
            self._lines.setdefault(path, line)
        path = (*path, last)
        if several:
            self._lines.setdefault(path, line)
            self._arrays[path] = self._arrays.get(path, -1) + 1
            path = (*path, self._arrays[path])
        else:
            path = self._newest(path)
        self._lines[path] = line
        end = self._text.find("]]" if several else "]", self._at)
        self._at = len(self._text) if end < 0 else end + (2 if several else 1)
        return path

    def _newest(self, path: Path) -> Path:
        """The path, with the index of its newest table when it is an array of tables."""
        return (*path, self._arrays[path]) if path in self._arrays else path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for part in self._key():
            path = (*path, part)
            self._lines.setdefault(path, line)
        self._skip_gap()
        if self._text.startswith("=", self._at):
            self._at += 1
            self._skip_gap()
            self._value(path)

    def _key(self) -> list[str]:
        """A dotted key's parts; the scanner stands behind it."""
        parts: list[str] = []
        while True:
            self._skip_gap()
            if bare := _BARE_KEY.match(self._text, self._at):
                self._at = bare.end()
                parts.append(bare.group())
            elif quoted := _STRING.match(self._text, self._at):
                self._at = quoted.end()
                parts.append(_unquoted(quoted.group()))
            else:
                return parts or [""]
            self._skip_gap()
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _value(self, path: Path) -> None:
        match self._text[self._at : self._at + 1]:
            case "[":
                self._items(path, "]")
            case "{":
                self._items(path, "}")
            case '"' | "'":
                quoted = _STRING.match(self._text, self._at)
                self._at = quoted.end() if quoted else len(self._text)
            case _:
                plain = _PLAIN.match(self._text, self._at)
                assert plain is not None, "the pattern matches an empty text too"
                self._at = plain.end()

    def _items(self, path: Path, end: str) -> None:
        """An array's items or an inline table's pairs, to the closing bracket."""
        self._at += 1
        index = 0
        while self._skip_gap():
            if self._text.startswith(end, self._at):
                self._at += 1
                return
            start = self._at
            if self._text.startswith(",", start):
                self._at += 1
                index += 1
            elif end == "}":
                self._pair(path)
            else:
                self._lines.setdefault((*path, index), self._line())
                self._value((*path, index))
            if self._at == start:
                return

    def _skip_gap(self) -> bool:
        """Passes blanks, line ends and comments; False at the end of the text."""
        gap = _GAP.match(self._text, self._at)
        assert gap is not None, "the pattern matches an empty text too"
        self._at = gap.end()
        return self._at < len(self._text)

    def _line(self) -> int:
        return bisect_right(self._breaks, self._at) + 1


def _unquoted(text: str) -> str:
    try:
        return str(tomllib.loads(f"key = {text}")["key"])
    except tomllib.TOMLDecodeError:
        return text
