"""An RTU device that misbehaves as it is told, on a pty pair or inside a TCP connection, with framing of its own.

It is the device of bad_device.py on the other framing: turns, and registers that are their own addresses. A turn here
gives pieces in their order, with the seconds after the request at which each goes out.
"""

import asyncio
import os
import subprocess
import time
import tty
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.e2e.modbus.bad_device import CLOSE, Request

REQUEST_BYTES = 8


def crc(data: bytes) -> bytes:
    """Modbus over Serial Line 1.02, 6.2.2: polynomial 0xA001, low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


class RtuRequest(Request, frozen=True):
    """A read as it came in."""

    def rtu(self, pdu: bytes, *, unit: int | None = None, check: bytes | None = None) -> bytes:
        """An answer with this PDU; what is not given is right."""
        body = bytes([self.unit if unit is None else unit]) + pdu
        return body + (crc(body) if check is None else check)

    def good(self) -> bytes:
        return self.rtu(self.pdu())


RtuTurn = Callable[[RtuRequest], Sequence[tuple[float, bytes]]]


def well(request: RtuRequest) -> Sequence[tuple[float, bytes]]:
    return [(0.0, request.good())]


def late(after_s: float) -> RtuTurn:
    return lambda request: [(after_s, request.good())]


def silent(request: RtuRequest) -> Sequence[tuple[float, bytes]]:
    return []


class BadLine:
    """Answers requests of 8 bytes through whatever carries bytes; well, when its turns are over."""

    def __init__(self, *turns: RtuTurn) -> None:
        self.turns = deque(turns)
        self.requests: list[RtuRequest] = []
        self.asked = asyncio.Event()  # there was a request
        self.connections = 0
        self._held: dict[int, bytes] = {}

    def heard(self, line: int, data: bytes, answer: Callable[[bytes], None]) -> None:
        """Bytes came on a line; answers go out by `answer`, a CLOSE as b""."""
        held = self._held.get(line, b"") + data
        while len(held) >= REQUEST_BYTES:
            frame, held = held[:REQUEST_BYTES], held[REQUEST_BYTES:]
            assert crc(frame[:-2]) == frame[-2:], frame.hex()
            at, count = int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big")
            request = RtuRequest(0, frame[0], frame[1], at, count)
            self.requests.append(request)
            self.asked.set()
            turn = self.turns.popleft() if self.turns else well
            # Each time is for the piece whose turn it is then: uvloop calls what is due after 0 s as a callback and the
            # rest by timers, and after a stall of a millisecond these overtake it.
            turns = list(turn(request))
            pieces = iter([piece for _, piece in turns])
            for after_s, _ in turns:
                asyncio.get_running_loop().call_later(after_s, _answer_next, pieces, answer)
        self._held[line] = held

    @asynccontextmanager
    async def on_tcp(self) -> AsyncIterator[int]:
        """Listen on a free port."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            line = self.connections

            def answer(piece: bytes) -> None:
                if piece == CLOSE:
                    writer.close()
                elif not writer.is_closing():
                    writer.write(piece)

            try:
                while data := await reader.read(256):
                    self.heard(line, data, answer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    @asynccontextmanager
    async def on_port(self, path: Path) -> AsyncIterator[None]:
        """Sit at one end of a pty pair."""
        loop = asyncio.get_running_loop()
        port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(port)

        def answer(piece: bytes) -> None:
            if not done:
                os.write(port, piece)

        done = False
        loop.add_reader(port, lambda: self.heard(0, os.read(port, 256), answer))
        try:
            yield
        finally:
            done = True
            loop.remove_reader(port)
            os.close(port)


def _answer_next(pieces: Iterator[bytes], answer: Callable[[bytes], None]) -> None:
    answer(next(pieces))


@contextmanager
def pty_pair(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Two serial ports, each the other's other end. A pty has no parity."""
    ends = folder / "ours", folder / "theirs"
    process = subprocess.Popen(["socat", *(f"pty,raw,echo=0,link={end}" for end in ends)])
    try:
        give_up = time.monotonic() + 10
        while not all(end.exists() for end in ends):
            assert time.monotonic() < give_up, "socat made no ports"
            time.sleep(0.01)
        yield ends
    finally:
        process.kill()
        process.wait()
