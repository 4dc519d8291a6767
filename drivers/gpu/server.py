"""gpud's socket: who may ask, and that nobody who asks can hold the others up.

A Unix stream socket, 0660, of the group given at the start. The file's mode says who can connect; SO_PEERCRED then says
who did, and anybody but the given users is sent away: the group may hold people who shall not
set limits.

At most CLIENTS_MAX clients; one that hasn't greeted within GREET_S, says nothing for IDLE_S, has SETS_MAX sets out or
doesn't take its answers is cut off.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
import struct
from collections.abc import Collection
from pathlib import Path

from drivers.errors import Garbled
from drivers.gpu.frames import FrameSplitter, frame
from drivers.gpu.messages import (
    VERSIONS,
    FromClient,
    FromDaemon,
    Goodbye,
    Hello,
    List,
    Read,
    Renew,
    Renewed,
    Set,
    SetDone,
    Welcome,
)
from drivers.gpu.supervisor import Supervisor

log = logging.getLogger("gpud")

CLIENTS_MAX = 16
SETS_MAX = 64  # of one client
GREET_S = 5.0
IDLE_S = 60.0
MODE = 0o660
_UNTAKEN_MAX = 1 << 20
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


class Client:
    """One connection, from its first byte to its last. Knows no socket: bytes in, frames out by `send`."""

    def __init__(self, supervisor: Supervisor, name: str) -> None:
        self._supervisor = supervisor
        self._name = name
        self._splitter = FrameSplitter(FromClient, name)
        self._sets = 0
        self._out: list[FromDaemon] = []
        self._late: asyncio.Event = asyncio.Event()
        self.greeted = False
        self.ended = False

    def feed(self, data: bytes) -> None:
        """What came; a client that makes no sense is told so and ended."""
        try:
            for message in self._splitter.feed(data):
                self._hear(message)
                if self.ended:
                    return
        except Garbled as error:
            self._end(error.detail)

    def take(self) -> bytes:
        """What is to be sent now."""
        data = b"".join(map(frame, self._out))
        self._out.clear()
        self._late.clear()
        return data

    async def late(self) -> None:
        """Until there is something to be sent."""
        await self._late.wait()

    def _hear(self, message: FromClient) -> None:
        if not self.greeted:
            self._greet(message)
        elif isinstance(message, List):
            self._say(self._supervisor.listed(message.id))
        elif isinstance(message, Read):
            self._say(self._supervisor.readings(message.id))
        elif isinstance(message, Renew):
            self._supervisor.renew(message.leases)
            self._say(Renewed(message.id))
        elif isinstance(message, Set) and self._sets < SETS_MAX:
            self._sets += 1
            self._supervisor.set(message, self._set_done)
        else:
            self._end("a second greeting" if isinstance(message, Hello) else f"{SETS_MAX} sets are out already")

    def _greet(self, message: FromClient) -> None:
        if not isinstance(message, Hello):
            self._end("greet first")
            return
        common = set(message.versions) & set(VERSIONS)
        if not common:
            self._end(f"we speak versions {VERSIONS}, you {message.versions}; use the same release on both sides")
            return
        self.greeted = True
        log.info("%s: greeted as %r", self._name, message.name[:64])
        self._say(Welcome(max(common)))

    def _set_done(self, done: SetDone) -> None:
        self._sets -= 1
        self._say(done)

    def _say(self, message: FromDaemon) -> None:
        self._out.append(message)
        self._late.set()

    def _end(self, why: str) -> None:
        log.warning("%s: sent away: %s", self._name, why)
        self._say(Goodbye(why))
        self.ended = True


class Server:
    """gpud's door."""

    def __init__(self, supervisor: Supervisor, users: Collection[int]) -> None:
        self._supervisor = supervisor
        self._users = frozenset(users)
        self._clients = 0

    async def serve(self, listening: socket.socket) -> None:
        """Let clients in until cancelled."""
        server = await asyncio.start_unix_server(self._welcome, sock=listening)
        async with server:
            await server.serve_forever()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pid, uid, _ = _CREDENTIALS.unpack(
            writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        self._clients += 1
        try:
            if uid not in self._users:
                log.warning("user %d (process %d) may not ask; start gpud with --user for it", uid, pid)
                writer.write(frame(Goodbye(f"user {uid} may not ask; gpud was not started with --user for it")))
            elif self._clients > CLIENTS_MAX:
                writer.write(frame(Goodbye(f"{CLIENTS_MAX} clients are served already")))
            else:
                await self._converse(Client(self._supervisor, f"process {pid}"), reader, writer)
        except (OSError, TimeoutError):
            pass
        finally:
            self._clients -= 1
            if writer.transport.get_write_buffer_size() > _UNTAKEN_MAX:
                writer.transport.abort()
            writer.close()

    async def _converse(self, client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering = asyncio.create_task(_answer_late(client, writer), name="gpud:late")
        try:
            while not client.ended and writer.transport.get_write_buffer_size() <= _UNTAKEN_MAX:
                async with asyncio.timeout(IDLE_S if client.greeted else GREET_S):
                    data = await reader.read(1 << 16)
                if not data:
                    return
                client.feed(data)
                writer.write(client.take())
        finally:
            answering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await answering


async def _answer_late(client: Client, writer: asyncio.StreamWriter) -> None:
    """Send what is said between two questions: the ends of sets."""
    while True:
        await client.late()
        writer.write(client.take())


def listen(path: Path, group: int | None) -> socket.socket:
    """The socket there; one that a killed gpud left is replaced. OSError when another gpud answers there."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "is there and is no socket; choose another --socket", os.fspath(path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
            if probe.connect_ex(os.fspath(path)) in (0, errno.EAGAIN):  # a full queue is somebody's too
                raise OSError(errno.EADDRINUSE, "another gpud answers there; stop it first", os.fspath(path))
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listening.bind(os.fspath(path))
        os.chmod(path, MODE)  # before anybody can connect: nobody can until it listens
        if group is not None:
            os.chown(path, -1, group)
        listening.listen(CLIENTS_MAX)
    except OSError:
        listening.close()
        raise
    return listening
