"""Reads the JSON that miners really send: a tokenizer that mends known faults, counts them, and guesses nothing.

Used only after strict parsing has failed. Each mend is taken from replies seen in the field (reference, table 1.8):

    }{  "v""key"           a comma is missing between two values or members       put in
    [,{   ,}   ,]          an empty element                                       left out
    ["a":"b"]              an array written like an object                        becomes an object in the array
    nan inf -nan           no number                                              null
    ,"id":1}               the opening brace is missing (answer to a lone `+`)    put in
    control characters, wrong escapes, quotes inside strings                      kept as text
    bare words, 0x1f, 1.2.3                                                       kept as text, never a number
    bytes after the end                                                           left out
    "key": with no value                                                          null

What is cut off (an end inside a string, an object or an array) is Garbled: a value may be cut as well, and half a
number is a wrong number. So is everything else. Why a tokenizer and not replacement of text: `}{` and `,}` also stand
inside strings.

A quote inside a string is told from its end by what follows: an end is followed by what may follow a value at that
place (in an object's value `,` `}` or another member, in an array `,` `]` or another value, after a key `:`).
"""

import re
from typing import TypeAlias

from drivers.errors import Garbled

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"

DEPTH_MAX = 32  # the deepest reply known has 6
MAGNITUDE_MAX = 1e30
_DIGITS_MAX = 40  # longer is no measurement

_SPACE = re.compile(r"[\s\0-\x20\ufeff]*")
_STRING_PART = re.compile(r'[^"\\]*')
_BARE = re.compile(r'[^\s\0-\x20,:\[\]{}"]+')
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NEARLY = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")  # 007, +5, 5., .5
_NO_NUMBER = re.compile(r"[-+]?(nan(\(.*\))?|inf|infinity|1\.#\w+)", re.IGNORECASE)
_MEMBER = re.compile(r'"[^"\\]*"[\s\0-\x20]*:')
_UNICODE = re.compile(r"\\u([0-9A-Fa-f]{4})")
_PAIR = re.compile(r"\\u([dD][89abAB][0-9A-Fa-f]{2})\\u([dD][c-fC-F][0-9A-Fa-f]{2})")
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


def mend(text: str) -> tuple[Value, int]:
    """The first whole object or array in the text, and how many faults were mended; Garbled when it is not whole."""
    reader = _Reader(text)
    value = reader.read()
    return value, reader.mended


def finite(number: float) -> float | None:
    """The number, unless it is none, or so large that nothing a miner counts comes near."""
    return number if abs(number) < MAGNITUDE_MAX else None


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.mended = 0

    def read(self) -> Value:
        start = self._next()
        if start == "{":
            self.at += 1
            value: Value = self._object(1)
        elif start == "[":
            self.at += 1
            value = self._array(1)
        elif start == ",":
            self.at += 1
            self.mended += 1
            value = self._object(1)
        else:
            raise self._garbled("neither an object nor an array")
        if self._next():
            self.mended += 1
        return value

    def _object(self, depth: int) -> dict[str, Value]:
        self._deeper(depth)
        members: dict[str, Value] = {}
        separated = True
        while True:
            following = self._next()
            if following == "}":
                self.mended += separated and bool(members)
                self.at += 1
                return members
            if following == ",":
                self.at += 1
                self.mended += separated
                separated = True
                continue
            self.mended += not separated
            separated = False
            key, value = self._member(following, depth)
            members[key] = value

    def _member(self, following: str, depth: int) -> tuple[str, Value]:
        if following == '"':
            key = self._string(ends=":")
        elif following and following not in ":[]{":
            key = self._bare()
            self.mended += 1
        else:
            raise self._garbled("no key where one must be")
        if self._next() != ":":
            raise self._garbled("a key without a colon")
        self.at += 1
        following = self._next()
        if following and following in ",}":
            self.mended += 1
            return key, None
        return key, self._value(following, depth, ends=",}")

    def _array(self, depth: int) -> list[Value]:
        self._deeper(depth)
        values: list[Value] = []
        separated = True
        while True:
            following = self._next()
            if following == "]":
                self.mended += separated and bool(values)
                self.at += 1
                return values
            if following == ",":
                self.at += 1
                self.mended += separated
                separated = True
                continue
            self.mended += not separated
            separated = False
            value = self._value(following, depth, ends=",]{[:")
            if self._next() == ":":
                if not isinstance(value, str):
                    raise self._garbled("a colon after what is no key")
                self.at += 1
                self.mended += 1
                value = {value: self._value(self._next(), depth, ends=",]")}
            values.append(value)

    def _value(self, following: str, depth: int, ends: str) -> Value:
        if following == '"':
            return self._string(ends)
        if following == "{":
            self.at += 1
            return self._object(depth + 1)
        if following == "[":
            self.at += 1
            return self._array(depth + 1)
        if not following or following in ":]}":
            raise self._garbled("no value where one must be")
        return self._scalar()

    def _scalar(self) -> Value:
        bare = self._bare()
        if bare in _WORDS:
            return _WORDS[bare]
        strict = _NUMBER.fullmatch(bare)
        self.mended += strict is None
        if len(bare) <= _DIGITS_MAX and (strict or _NEARLY.fullmatch(bare)):
            return finite(int(bare) if bare.lstrip("-").isdecimal() else float(bare))
        return None if _NO_NUMBER.fullmatch(bare) else bare

    def _string(self, ends: str) -> str:
        text = self.text
        self.at += 1
        parts: list[str] = []
        while True:
            match = _STRING_PART.match(text, self.at)
            assert match is not None
            parts.append(match.group())
            self.at = match.end()
            if self.at >= len(text):
                raise self._garbled("cut off inside a string")
            if text[self.at] == "\\":
                parts.append(self._escape())
                continue
            self.at += 1
            if self._is_end(ends):
                return "".join(parts)
            if ends != ":" or any(parts):  # before a key it is one quote too many
                parts.append('"')
            self.mended += 1

    def _is_end(self, ends: str) -> bool:
        """Whether the quote just passed ends its string."""
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        after = match.end()
        following = self.text[after : after + 1]
        if not following or following in ends:
            return True
        if following != '"':
            return False
        return "]" in ends or (ends != ":" and _MEMBER.match(self.text, after) is not None)

    def _escape(self) -> str:
        sign = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        if sign in _ESCAPES:
            return _ESCAPES[sign]
        match = _PAIR.match(self.text, self.at - 2) or _UNICODE.match(self.text, self.at - 2)
        if match is not None:
            self.at = match.end()
            units = "".join(chr(int(unit, 16)) for unit in match.groups())
            return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self.mended += 1
        return "\\" + sign

    def _bare(self) -> str:
        match = _BARE.match(self.text, self.at)
        if match is None:
            raise self._garbled("neither a value nor a key")
        self.at = match.end()
        return match.group()

    def _next(self) -> str:
        """The next character that is no space; empty at the end of the text."""
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def _deeper(self, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise self._garbled(f"nested deeper than {DEPTH_MAX}")

    def _garbled(self, why: str) -> Garbled:
        cut = " (cut off)" if self.at >= len(self.text) else ""
        return Garbled("", f"{why}{cut} at character {self.at}", self.text.encode("utf-8", "replace"))
