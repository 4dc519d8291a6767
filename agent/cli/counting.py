"""An issuer's sequence numbers: kept beside its key in F.seq, one per site, never given out twice.

The file is locked while it is read and written, and durable before a number is used: a command with a number that an
agent has seen is refused as a replay, so a number that was given out and then lost is the lesser evil.
"""

import fcntl
import json
import os
from pathlib import Path


class CountingError(Exception):
    """The numbers cannot be had; says why, and the mend."""


def next_number(key: Path, site: str) -> int:
    """A number higher than all before it for this key and site."""
    path = key.with_name(key.name + ".seq")
    try:
        with open(f"{path}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            numbers = _read(path)
            numbers[site] = numbers.get(site, 0) + 1
            _replace(path, json.dumps(numbers).encode())
            return numbers[site]
    except OSError as error:
        raise CountingError(f"{path}: {error.strerror}; the key's folder must be writable") from error


def _read(path: Path) -> dict[str, int]:
    try:
        numbers = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise CountingError(f'{path}: not JSON ({error}); write the highest number used: {{"SITE": 123}}') from error
    if not isinstance(numbers, dict) or not all(type(number) is int for number in numbers.values()):
        raise CountingError(f'{path}: not numbers by site; write the highest number used: {{"SITE": 123}}')
    return numbers


def _replace(path: Path, data: bytes) -> None:
    new = path.with_name(path.name + ".new")
    with open(new, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
