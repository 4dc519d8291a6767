"""Parameters of the physics: tables in *.toml beside this file, each number with its source beside it."""

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

FOLDER = Path(__file__).parent

T = TypeVar("T")


def load(file: str, kind: type[T]) -> dict[str, T]:
    """Everything in FOLDER/file.toml, by name."""
    text = (FOLDER / f"{file}.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, kind])  # type: ignore[valid-type]


def pick(file: str, kind: type[T], name: str) -> T:
    """One of them; a name that is not there is answered with those that are."""
    known = load(file, kind)
    if name not in known:
        raise ValueError(f"no {name!r} in hil/physics/{file}.toml; there are: {', '.join(known)}")
    return known[name]
