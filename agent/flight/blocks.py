"""Blocks: how a flight's bytes are cut, and what a crash or a bad disk may have left of them. Pure.

    block = mark "BFR1" | length of the payload | crc32 of the payload | crc32 of these twelve bytes | payload

Numbers are 4 bytes, little-endian. The payload is zlib's, of MessagePack: the first block a Head, every other an array
of entries. The mark's digit is the format's version.

Every byte is under one of the two sums. A file that ends within a block was being written when the agent or the
machine died: the blocks before it are whole. Anything else that does not add up is refused with its offset: a recording
that may have been changed proves nothing.
"""

import struct
import zlib
from collections.abc import Iterator

from msgspec import Struct

MARK = b"BFR1"
LEVEL = 1  # a fifth of what level 6 takes, for a few per cent more bytes; the ring holds seconds
UNPACKED_MAX = 256 << 20  # of one block; ours have less than 20 MiB with 20,000 loads
_HEAD = struct.Struct("<4sIII")
_SUMMED = struct.Struct("<4sII")


class Damaged(Exception):
    """A file that is no flight, or was changed; says at which byte."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(f"byte {offset}: {why}")
        self.offset = offset


class Block(Struct, frozen=True):
    """One block's payload, unpacked, and where it lies in its file."""

    offset: int
    end: int
    payload: bytes


def pack(payload: bytes) -> bytes:
    """One block as it lies in the file."""
    packed = zlib.compress(payload, LEVEL)
    summed = _SUMMED.pack(MARK, len(packed), zlib.crc32(packed))
    return summed + zlib.crc32(summed).to_bytes(4, "little") + packed


def unpack(data: bytes) -> Iterator[Block]:
    """The blocks of a file, in order; Damaged at the first that does not add up. One that is cut short ends it."""
    at = 0
    while at < len(data):
        head = data[at : at + _HEAD.size]
        if head[:4] != MARK[: len(head)]:
            raise Damaged(at, "here a block should begin with BFR1" if at else "this is not a flight (no BFR1)")
        if len(head) < _HEAD.size:
            return
        _, length, crc, head_crc = _HEAD.unpack(head)
        if zlib.crc32(head[: _SUMMED.size]) != head_crc:
            raise Damaged(at, "the sum of this block's head is wrong")
        packed = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(packed) < length:
            return
        if zlib.crc32(packed) != crc:
            raise Damaged(at, f"the sum of this block is wrong ({length} bytes from byte {at + _HEAD.size})")
        unpacking = zlib.decompressobj()
        try:
            payload = unpacking.decompress(packed, UNPACKED_MAX)
        except zlib.error as error:
            raise Damaged(at, f"this block can't be unpacked: {error}") from error
        if not unpacking.eof:
            raise Damaged(at, f"this block is larger than {UNPACKED_MAX >> 20} MiB")
        yield Block(at, at + _HEAD.size + length, payload)
        at += _HEAD.size + length
