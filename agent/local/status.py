"""The status socket: what the running agent tells a person on site, one line of JSON for one line of JSON.

    {"ask":"status"}\\n  ->  {...}\\n          an unknown or malformed question -> {"error":"..."}\\n

A Unix stream socket, 0660: who may connect is decided by its group, and nothing that can be asked here raises power.
What is answered comes from a table of callbacks; this file knows nothing of it. A callback may be a coroutine: what
people do here is on the disk before it is answered. Other clients are served meanwhile.

Nobody who connects can hold the agent up: a question is 4 KiB at most, an answer that isn't taken within 5 s or a
client that says nothing for 60 s is cut off, and 16 clients at once are served, the next is told so.

A socket file that a killed agent has left is replaced. One that somebody answers at means that another agent runs on
the same site: that stops the start, as two agents must not control one load.
"""

import asyncio
import errno
import inspect
import os
import socket
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

Question = dict[str, Any]

SOCKET_NAME = "ballast.sock"
CLIENTS_MAX = 16
LINE_BYTES_MAX = 4096
MODE = 0o660
_TAKE_S = 5.0
_IDLE_S = 60.0

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Question).decode


class StatusServer:
    """Answers at one path until closed."""

    def __init__(self, path: Path, answers: Mapping[str, Callable[[Question], object]]) -> None:
        self._path = path
        self._answers = answers
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = {}
        self._server: asyncio.Server | None = None

    @classmethod
    async def open(cls, path: Path, answers: Mapping[str, Callable[[Question], object]]) -> "StatusServer":
        """Listen there; OSError if that cannot be, with EADDRINUSE when another agent answers there."""
        server = cls(path, answers)
        listening = _listen(path)
        server._server = await asyncio.start_unix_server(server._serve, sock=listening, limit=LINE_BYTES_MAX)
        return server

    async def close(self) -> None:
        """Cut everybody off and remove the socket."""
        assert self._server is not None
        self._server.close()
        tasks = [task for task in self._clients.values() if task is not None]
        for writer in self._clients:
            writer.transport.abort()  # ends its task; cancelling that is logged as an error before Python 3.12
        await asyncio.gather(*tasks)
        self._path.unlink(missing_ok=True)

    async def answer(self, line: bytes) -> bytes:
        """The answer to one question, as one line."""
        try:
            question = _decode(line)
        except msgspec.DecodeError as error:
            return _refusal(f'not a question: {error}; ask {{"ask":"status"}}')
        asked = question.get("ask")
        answer = self._answers.get(asked) if isinstance(asked, str) else None
        if answer is None:
            return _refusal(f"nothing to say to {asked!r}; known: {', '.join(self._answers)}")
        said = answer(question)
        if inspect.isawaitable(said):
            said = await said
        return _encode(said) + b"\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients[writer] = asyncio.current_task()
        try:
            if len(self._clients) > CLIENTS_MAX:
                writer.write(_refusal(f"{CLIENTS_MAX} clients are served already; close one"))
            else:
                await self._converse(reader, writer)
        except (TimeoutError, ConnectionError):
            pass
        finally:
            del self._clients[writer]
            # Not closed politely: what a slow client has not taken by now must not be kept for it.
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # All of the buffer has to be taken before the next question: one answer at most is held for a client.
        writer.transport.set_write_buffer_limits(high=0)
        while True:
            try:
                async with asyncio.timeout(_IDLE_S):
                    line = await reader.readline()
            except ValueError:
                writer.write(_refusal(f"a question is at most {LINE_BYTES_MAX} bytes"))
                return
            if not line or writer.is_closing():
                return
            writer.write(await self.answer(line))
            async with asyncio.timeout(_TAKE_S):
                await writer.drain()


def _listen(path: Path) -> socket.socket:
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listening.bind(os.fspath(path))
        os.chmod(path, MODE)  # before anybody can connect: nobody can until listen()
        listening.listen(CLIENTS_MAX)
    except OSError:
        listening.close()
        raise
    return listening


def _clear(path: Path) -> None:
    """Remove the socket of an agent that is gone."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "is there and is no socket; remove it or choose another state_dir", os.fspath(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        # A full queue (EAGAIN) is somebody's too.
        if probe.connect_ex(os.fspath(path)) in (0, errno.EAGAIN):
            raise OSError(errno.EADDRINUSE, "another agent answers there; stop it first", os.fspath(path))
    path.unlink()


def _refusal(why: str) -> bytes:
    return _encode({"error": why}) + b"\n"
