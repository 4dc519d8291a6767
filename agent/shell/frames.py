"""Frames: how the journal's file is cut into commits, and what a crash or a bad disk may have left of them. Pure.

    frame = mark "BJ1\\n" | length of the payload, 4 bytes | crc32 of length and payload, 4 bytes | payload

Lengths and sums are little-endian. The mark keeps a run of zeros, which a crash can leave, from being a frame: without
it length 0 with crc 0 would be whole. A payload is JSON on one line, so it never holds the mark.

What the end of a file tells. The first frame was in place, whole and synced, before the file had its name; every later
one was synced before the next was begun. So after a crash only the last can be incomplete:

    clean     frames up to the end
    torn      whole frames, then something that is none, and no whole frame behind it: a commit that nobody was told
              is durable. It is cut off
    corrupt   the first frame is bad, or a whole frame lies behind a bad one: bytes changed that had been durable.
              Nothing in the file can be relied on to be the newest
"""

import struct
from enum import StrEnum
from zlib import crc32

from msgspec import Struct

_MARK = b"BJ1\n"
_HEAD = struct.Struct("<4sII")
_LENGTH = struct.Struct("<I")


class End(StrEnum):
    """How a file ends."""

    CLEAN = "clean"
    TORN = "torn"
    CORRUPT = "corrupt"


class Scanned(Struct, frozen=True):
    """What a file holds."""

    payloads: tuple[bytes, ...]  # of the whole frames, in order; of all that can be found when it is corrupt
    end: End
    good_bytes: int  # whole frames from the beginning


def frame(payload: bytes) -> bytes:
    """One commit as it lies in the file."""
    return _HEAD.pack(_MARK, len(payload), crc32(payload, crc32(_LENGTH.pack(len(payload))))) + payload


def scan(data: bytes) -> Scanned:
    """Cut a file into its payloads and judge how it ends."""
    payloads, good_bytes = _run(data, 0)
    if data and good_bytes == len(data):
        return Scanned(tuple(payloads), End.CLEAN, good_bytes)
    behind: list[bytes] = []
    at = data.find(_MARK, good_bytes + 1)
    while at >= 0:
        found, end = _run(data, at)
        behind += found
        at = data.find(_MARK, max(end, at + 1))
    corrupt = behind or not payloads
    return Scanned((*payloads, *behind), End.CORRUPT if corrupt else End.TORN, good_bytes)


def _run(data: bytes, at: int) -> tuple[list[bytes], int]:
    """The payloads of the whole frames that follow one another from `at`, and where they end."""
    payloads = []
    while len(data) - at >= _HEAD.size:
        mark, length, total = _HEAD.unpack_from(data, at)
        begin = at + _HEAD.size
        payload = data[begin : begin + length]
        if mark != _MARK or len(payload) != length or crc32(payload, crc32(_LENGTH.pack(length))) != total:
            break
        payloads.append(payload)
        at = begin + length
    return payloads, at
