"""The text of site.toml to tomllib's tables. Where it is not TOML: the line, and what is usually meant.

tomllib stops at the first fault. A fault within one line is noted, the line left out and the rest parsed again, so that
a file with several is told all of them at once. What such a file lacks is then not told: it may be on a broken line.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

from agent.config.faults import ConfigErrors, Fault

_BYTES_MAX: Final = 1 << 20
_FAULTS_MAX: Final = 50
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")

_REFERENCE: Final = "see docs/configuration.md"

# What tomllib says, what is meant, and whether leaving out that line leaves the rest as it was meant.
_MEANT: Final = (
    ("Invalid value", "put texts in quotes; true and false are lower case; a decimal point, no comma", True),
    ("Expected newline", "one key a line; put texts in quotes; no unit behind a number: the key has it", True),
    ("Expected '=' after", "write KEY = VALUE", True),
    ("Illegal character '\\n'", "close the quotes on the same line", True),
    ("Illegal character", "take the character out", True),
    ("Unescaped", "write \\\\ for a backslash, or put the text in single quotes", True),
    ("Cannot overwrite", "each key stands once in its table; take one out", True),
    ("Invalid statement", "write KEY = VALUE or [TABLE]; keys are letters, digits, - and _", True),
    ("Expected ']", "close the bracket: [site], [[rule]]", False),
    ("Cannot mutate", "a list written in one line can't be added to: write all of it in one way", False),
    ("Cannot declare", "a table stands once; several of a kind are [[…]] with two brackets", False),
    ("Unterminated string", "close the quotes", False),
    ("Expected \"'''\"", "close the quotes", False),
    ("Unclosed array", "close it with ]", False),
    ("Unclosed inline table", "close it with } on the line where it begins", False),
    ("Invalid initial character", "keys are letters, digits, - and _; no comma before a closing }", False),
)


def read_text(path: Path, file: str) -> str:
    """The file's text, or ConfigErrors."""
    try:
        with path.open("rb") as opened:
            data = opened.read(_BYTES_MAX + 1)
    except OSError as error:
        mend = "give the path of a site.toml; docs/site.example.toml is one to begin with"
        raise ConfigErrors([_fault(file, 0, f"can't be read: {error.strerror}", mend)]) from error
    except ValueError as error:
        raise ConfigErrors([_fault(file, 0, f"can't be read: {error}", "give the path of a site.toml")]) from error
    if len(data) > _BYTES_MAX:
        raise ConfigErrors([_fault(file, 0, f"larger than {_BYTES_MAX >> 20} MiB", "this is not a site.toml")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise ConfigErrors([_fault(file, line, wrong, "save the file as UTF-8")]) from error


def parse(text: str, file: str) -> tuple[str, dict[str, Any], list[Fault]]:
    """The text that could be parsed, its tables, and the faults of the lines that were left out of it."""
    rows = text.replace("\r\n", "\n").split("\n")
    faults: list[Fault] = []
    while True:
        try:
            text = "\n".join(rows)
            return text, tomllib.loads(text), faults
        except tomllib.TOMLDecodeError as error:
            line, wrong = _line_of(str(error), rows)
            mend, within_line = _meant(wrong)
            faults.append(_fault(file, line, wrong[:1].lower() + wrong[1:], mend))
            row = rows[line - 1].strip()
            if not within_line or not row or row.startswith("[") or len(faults) == _FAULTS_MAX:
                raise ConfigErrors(faults) from error
            rows[line - 1] = ""
        except (RecursionError, ValueError) as error:
            # Neither is a TOMLDecodeError: tables nested beyond Python's stack, integers of thousands of digits.
            wrong = "nested too deeply" if isinstance(error, RecursionError) else "a number far too long"
            raise ConfigErrors([*faults, _fault(file, 0, wrong, _REFERENCE)]) from error


def _line_of(message: str, rows: list[str]) -> tuple[int, str]:
    place = _PLACE.search(message)
    wrong = message[: place.start()] if place else message
    if place and place.group(1):
        return min(int(place.group(1)), len(rows)), wrong
    return max((at for at, row in enumerate(rows, 1) if row.strip()), default=1), wrong


def _meant(wrong: str) -> tuple[str, bool]:
    for beginning, mend, within_line in _MEANT:
        if wrong.startswith(beginning):
            return mend, within_line
    return _REFERENCE, False


def _fault(file: str, line: int, wrong: str, mend: str) -> Fault:
    return Fault(file, line, "", "", "", None, wrong, mend)
