"""The way to a gpud: a stream of bytes, so that client.py doesn't know which kind of socket it is.

`unix:PATH` is a Unix stream socket. The simulation hands GpuHost a Connect of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from drivers.errors import Unreachable

_READ_BYTES = 1 << 16


class Wire(Protocol):
    """One connection."""

    def send(self, data: bytes) -> None:
        """Hand these over; never waits. What can't be sent shows as an end in receive()."""
        ...

    async def receive(self) -> bytes:
        """What came, b"" at the end."""
        ...

    def close(self) -> None:
        """End it; what wasn't sent is dropped."""
        ...


Connect = Callable[[], Awaitable[Wire]]  # raises Unreachable


class StreamWire:
    """A Wire over asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    async def receive(self) -> bytes:
        try:
            return await self._reader.read(_READ_BYTES)
        except OSError:
            return b""

    def close(self) -> None:
        self._writer.transport.abort()


def connect_to(at: str) -> Connect:
    """The way to what site.toml writes as `at`; ValueError with the mend when it is none that we know."""
    kind, _, path = at.partition(":")
    if kind != "unix" or not path:
        raise ValueError(f'{at!r} is no way to a gpud; write "unix:/run/ballast/gpud.sock"')

    async def connect() -> Wire:
        try:
            return StreamWire(*await asyncio.open_unix_connection(path))
        except OSError as error:
            raise Unreachable(at, f"{error.strerror or error}; is `ballast gpud` running there?") from error

    return connect
