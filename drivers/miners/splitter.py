"""Cuts one reply out of the bytes that a connection delivers. Pure; the protocol is one reply per connection.

A reply ends with a NUL, or with the connection. cgminer sends both; some firmware leaves the NUL out, some sends NULs
before the reply, inside it, or as padding after it (reference, table 1.8). Hence: leading NULs are no reply; a NUL as
the last byte of what has come is the end; bytes after a NUL are the rest of a reply that has one inside, unless what
stands before the NUL is already whole.
"""


class ReplySplitter:
    """The bytes of one reply so far."""

    __slots__ = ("_bytes_max", "_held")

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held: bytes | bytearray = b""

    def feed(self, data: bytes) -> bytes | None:
        """The whole reply once its end was in `data`, or once it is longer than any reply may be (which is garbled)."""
        if not self._held:
            self._held = data = data.lstrip(b"\0")
        else:
            if isinstance(self._held, bytes):
                self._held = bytearray(self._held)
            self._held += data
        if not data:
            return None
        if data[-1] == 0 or len(self._held) > self._bytes_max:
            return bytes(self._held)
        if b"\0" in data:
            before = bytes(self._held[: self._held.rindex(b"\0")])
            if _looks_whole(before):
                return before
        return None

    @property
    def held(self) -> bytes:
        """What has come so far."""
        return bytes(self._held)

    @property
    def begun(self) -> bool:
        """Whether anything of a reply has come."""
        return bool(self._held)

    @property
    def looks_whole(self) -> bool:
        """For when no more comes and the connection stays open: some servers end a reply with a newline and wait."""
        return _looks_whole(self.held)


def _looks_whole(reply: bytes) -> bool:
    text = reply.strip(b"\0 \t\r\n")
    return text.endswith(b"|") or (text.startswith(b"{") and text.endswith(b"}"))
