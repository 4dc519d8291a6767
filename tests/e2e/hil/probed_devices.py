"""Devices for a probe to meet, each a thread that serves one connection at a time: a replay of a recorded miner, and
Modbus devices that misbehave. Framing is put together here by hand.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

_CAPTURES = Path(__file__).parents[2] / "captures" / "miners"

Answer = Callable[[bytes], bytes | None]  # what to send for a request; None: close without a word


class Device:
    """Listens on a free port while its `with` block lasts. `one_each`: the connection is closed after an answer."""

    def __init__(self, answer: Answer, *, one_each: bool) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._one_each = one_each
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.at = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in list(self._open):
            with contextlib.suppress(OSError):  # it has just ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            with connection:
                self._serve(connection)
            self._open.discard(connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            while request := connection.recv(8192):
                self.requests.append(request)
                answer = self._answer(request)
                if answer:
                    connection.sendall(answer)
                if answer is None or self._one_each:
                    return
        except OSError:
            return  # the other side has gone


def replay(folder: str) -> Device:
    """A recorded miner: each recorded request gets its recorded bytes, any other those of an error."""
    rows = [
        line.split("\t")
        for line in (_CAPTURES / folder / "requests.tsv").read_text().splitlines()
        if not line.startswith("#")
    ]
    known: dict[bytes, bytes] = {}
    for file, request, _ in rows:
        known.setdefault(request.encode(), (_CAPTURES / folder / file).read_bytes())
    invalid = known[b'{"command":"bogus"}']
    not_json = known[b'{"command":"summary"']
    return Device(lambda request: known.get(request, not_json if request[-1:] != b"}" else invalid), one_each=True)


def modbus(answer: Callable[[int, bytes], bytes | None]) -> Device:
    """A Modbus TCP device: `answer` gets transaction and the rest (unit and PDU) and gives a whole frame."""

    def frames(request: bytes) -> bytes | None:
        sent = b""
        while request:
            size = 6 + int.from_bytes(request[4:6], "big")
            one = answer(int.from_bytes(request[:2], "big"), request[6:size])
            if one is None:
                return sent or None
            sent += one
            request = request[size:]
        return sent

    return Device(frames, one_each=False)


def frame(transaction: int, body: bytes) -> bytes:
    """Unit and PDU behind a header."""
    return transaction.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body


def registers(body: bytes) -> bytes:
    """A good answer to a read: every register is 0x4248, which makes floats of 50.0 and a bit."""
    count = int.from_bytes(body[4:6], "big")
    return body[:2] + bytes([2 * count]) + b"\x42\x48" * count
