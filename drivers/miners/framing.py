"""Where a reply ends, by how it is framed: NUL (splitter.py), HTTP, or a length before it. Pure.

HTTP/1: a head of lines, an empty line, and a body whose end is told by Content-Length, by chunks, or by the end of the
connection. A 1xx head is no reply, the one after it is. 204, 304 and a body of length 0 end with the head.

    feed() -> the reply with its head, the chunks put together, once its end has come; else None

What ends with the connection before its end has come is handed on as it is (`held`), and http.py calls it garbled.

The length-prefixed frame of Whatsminer's API v3: 4 bytes, little end first, then so many bytes of JSON.
"""

import re
from typing import Protocol

from drivers.miners.dialect import Framing
from drivers.miners.splitter import ReplySplitter

HEAD_BYTES_MAX = 16_384  # the largest known has some 400
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.[01] 1\d\d")
_BODILESS = re.compile(rb"HTTP/1\.[01] (204|304)")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r?\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\ntransfer-encoding:[^\n]*chunked[ \t]*\r?\n", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,64}\r?\n")
_CHUNK_LINE_MAX = 80


class Splitter(Protocol):
    """The bytes of one reply so far."""

    def feed(self, data: bytes) -> bytes | None:
        """The whole reply once its end was in `data`, or once it is longer than any reply may be (which is garbled)."""
        ...

    @property
    def held(self) -> bytes:
        """What has come so far."""
        ...

    @property
    def begun(self) -> bool:
        """Whether anything of a reply has come."""
        ...

    @property
    def looks_whole(self) -> bool:
        """For when no more comes and the connection stays open: whether what has come may be a reply."""
        ...


class HttpSplitter:
    """One HTTP reply."""

    __slots__ = ("_body_at", "_bytes_max", "_chunk_at", "_end", "_held", "_parts", "_skip")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = bytearray()
        self._skip = 0  # where the head begins: after interim ones
        self._body_at = 0  # 0 while the head has not ended
        self._end: int | None = None  # where the body ends, None when the connection says
        self._parts: list[bytes] | None = None  # chunks
        self._chunk_at = 0

    def feed(self, data: bytes) -> bytes | None:
        held = self._held
        held += data
        if len(held) > self._bytes_max:
            return bytes(held)
        if not self._body_at and not self._read_head():
            return bytes(held) if len(held) - self._skip > HEAD_BYTES_MAX else None
        if self._parts is not None:
            return self._read_chunks()
        if self._end is not None and len(held) >= self._end:
            return bytes(held[self._skip : self._end])
        return None

    def _read_head(self) -> bool:
        held = self._held
        while True:
            ended = _HEAD_END.search(held, self._skip)
            if ended is None:
                return False
            if not _INTERIM.match(held, self._skip):
                break
            self._skip = ended.end()
        self._body_at = ended.end()
        head = bytes(held[self._skip : self._body_at])
        length = _LENGTH.search(head)
        if _BODILESS.match(head):
            self._end = self._body_at
        elif _CHUNKED.search(head):
            self._parts, self._chunk_at = [], self._body_at
        elif length is not None:
            self._end = self._body_at + int(length.group(1))
        return True

    def _read_chunks(self) -> bytes | None:
        held, parts = self._held, self._parts
        assert parts is not None
        while True:
            line = _CHUNK.match(held, self._chunk_at)
            if line is None:
                hopeless = len(held) - self._chunk_at > _CHUNK_LINE_MAX
                return bytes(held) if hopeless else None  # no chunk's head is that long
            size = int(line.group(1), 16)
            if not size:
                return bytes(held[self._skip : self._body_at]) + b"".join(parts)
            after = line.end() + size
            if len(held) < after + 1:
                return None
            parts.append(bytes(held[line.end() : after]))
            self._chunk_at = after + (2 if held[after : after + 1] == b"\r" else 1)

    @property
    def held(self) -> bytes:
        return bytes(self._held)

    @property
    def begun(self) -> bool:
        return bool(self._held)

    @property
    def looks_whole(self) -> bool:
        """A body without a length, on a connection that stays open: JSON says itself where it ends."""
        no_end = self._body_at and self._end is None and self._parts is None
        return bool(no_end) and self._held.rstrip().endswith((b"}", b"]"))


class LengthSplitter:
    """One frame with its length before it; the length is not handed on."""

    __slots__ = ("_bytes_max", "_held")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes | None:
        held = self._held
        held += data
        if len(held) < 4:
            return None
        size = int.from_bytes(held[:4], "little")
        if size > self._bytes_max:
            return bytes(held)  # no frame: garbled, and its first bytes tell why
        return bytes(held[4 : 4 + size]) if len(held) >= 4 + size else None

    @property
    def held(self) -> bytes:
        return bytes(self._held)

    @property
    def begun(self) -> bool:
        return bool(self._held)

    @property
    def looks_whole(self) -> bool:
        return False


_KINDS: dict[Framing, type[ReplySplitter] | type[HttpSplitter] | type[LengthSplitter]] = {
    Framing.NUL: ReplySplitter,
    Framing.HTTP: HttpSplitter,
    Framing.LENGTH: LengthSplitter,
}


def splitter(framing: Framing, bytes_max: int) -> Splitter:
    """What cuts one reply out of a connection's bytes."""
    return _KINDS[framing](bytes_max)
