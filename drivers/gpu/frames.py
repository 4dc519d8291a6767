"""Frames: messages over any byte stream, each a length (4 bytes, big-endian) and that many bytes of MessagePack.

Used on both sides of gpud: towards its clients and towards its NVML worker. Nothing here knows a socket; a stream that
promises more than BYTES_MAX, or whose bytes are no message, is Garbled and must be closed: its next frame cannot be
found.

    00 00 00 0f  83 a4 "type" ...
"""

import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from drivers.errors import Garbled

BYTES_MAX = 1 << 18  # 64 GPUs with 16 events each are 40 KiB
_LENGTH = struct.Struct(">I")
_encode = msgspec.msgpack.encode


def frame(message: msgspec.Struct) -> bytes:
    """One message as it goes on the wire."""
    body = _encode(message)
    assert len(body) <= BYTES_MAX, f"{len(body)} bytes of {type(message).__name__}"
    return _LENGTH.pack(len(body)) + body


class FrameSplitter:
    """Cuts what a peer sends into messages of the given types."""

    def __init__(self, types: Any, peer: str) -> None:
        self._decode = msgspec.msgpack.Decoder(types).decode
        self._peer = peer
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The messages that are whole now; Garbled at the first that can be none."""
        self._held += data
        while len(self._held) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._held)
            if size > BYTES_MAX:
                raise Garbled(self._peer, f"a frame of {size} bytes, at most {BYTES_MAX} are allowed", b"")
            end = _LENGTH.size + size
            if len(self._held) < end:
                return
            body = bytes(self._held[_LENGTH.size : end])
            del self._held[:end]
            try:
                message = self._decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Garbled(self._peer, f"no message: {error}", body[:256]) from error
            yield message
