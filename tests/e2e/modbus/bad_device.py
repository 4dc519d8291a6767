"""A Modbus TCP device that misbehaves as it is told, with framing of its own: bytes are put together here by hand.

Each request takes the next of its turns; after the last it answers well. A turn gives the pieces to send, one segment
each; CLOSE among them closes the connection. A good answer to a read at A has the registers A, A+1, A+2 ...: an answer
to another question shows.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct

CLOSE = b""


class Request(Struct, frozen=True):
    """A read as it came in."""

    tid: int
    unit: int
    function: int
    at: int
    count: int

    def registers(self) -> bytes:
        return b"".join((self.at + place & 0xFFFF).to_bytes(2, "big") for place in range(self.count))

    def frame(
        self,
        pdu: bytes,
        *,
        tid: int | None = None,
        protocol: int = 0,
        unit: int | None = None,
        length: int | None = None,
    ) -> bytes:
        """An answer with this PDU; what is not given is right."""
        return (
            (self.tid if tid is None else tid).to_bytes(2, "big")
            + protocol.to_bytes(2, "big")
            + (len(pdu) + 1 if length is None else length).to_bytes(2, "big")
            + (self.unit if unit is None else unit).to_bytes(1, "big")
            + pdu
        )

    def pdu(self, *, function: int | None = None, size: int | None = None, data: bytes | None = None) -> bytes:
        """Function, byte count and registers; what is not given is right."""
        data = self.registers() if data is None else data
        return bytes([self.function if function is None else function, len(data) if size is None else size]) + data

    def refusal(self, code: int) -> bytes:
        return self.frame(bytes([self.function | 0x80, code]))


Turn = Callable[[Request], Sequence[bytes]]


def well(request: Request) -> Sequence[bytes]:
    return [request.frame(request.pdu())]


def silent(request: Request) -> Sequence[bytes]:
    return []


def closing(request: Request) -> Sequence[bytes]:
    return [CLOSE]


def refusing(code: int) -> Turn:
    return lambda request: [request.refusal(code)]


class BadDevice:
    """Listens on a free port of 127.0.0.1, again on the same one after stop() and start()."""

    def __init__(self, *turns: Turn) -> None:
        self.turns = deque(turns)
        self.requests: list[Request] = []
        self.asked = asyncio.Event()  # there was a request
        self.connections = 0
        self.port = 0
        self.mute: set[int] = set()  # connections, from 1: whatever comes is never answered, and never closed
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything: connections are refused from now on."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await server.wait_closed()

    def say(self, data: bytes) -> None:
        """Unasked, on every connection."""
        for writer in self._writers:
            writer.write(data)

    async def __aenter__(self) -> "BadDevice":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        connection = self.connections
        try:
            while True:
                head = await reader.readexactly(12)
                request = Request(
                    tid=int.from_bytes(head[0:2], "big"),
                    unit=head[6],
                    function=head[7],
                    at=int.from_bytes(head[8:10], "big"),
                    count=int.from_bytes(head[10:12], "big"),
                )
                self.requests.append(request)
                self.asked.set()
                if connection in self.mute:
                    continue
                turn = self.turns.popleft() if self.turns else well
                for piece in turn(request):
                    if piece == CLOSE:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
