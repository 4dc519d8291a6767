"""Miners' servers on loopback, each with one way to answer or to hang. Ports are the kernel's choice."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

REPLY = b'{"STATUS":[{"STATUS":"I","When":1,"Code":64,"Msg":"PGA 0 set disable flag","Description":"x"}],"id":1}'
_LINGER_NONE = struct.pack("ii", 1, 0)


class Miner:
    """One server and the requests it has read."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.requests: list[bytes] = []
        self.connected = 0
        self.heard = asyncio.Event()


Talk = Callable[[Miner, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def answers(miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    miner.requests.append(await reader.read(4096))
    writer.write(REPLY + b"\0")


async def answers_by_end_of_file(miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    miner.requests.append(await reader.read(4096))
    writer.write(REPLY)


async def answers_and_resets(miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As cgminer answers a request of 4,096 bytes: the reply, then a reset instead of an end."""
    miner.requests.append(await reader.read(4096))
    writer.write(REPLY)
    await writer.drain()
    _reset_on_close(writer)


async def never_reads(miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def never_answers(miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    miner.requests.append(await reader.read(4096))
    miner.heard.set()
    await reader.read()


async def drips(miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    miner.requests.append(await reader.read(4096))
    for byte in REPLY:
        writer.write(bytes([byte]))
        await asyncio.sleep(1)


async def closes_unread(miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As cgminer treats an address that is not allowed."""
    _reset_on_close(writer)


async def answers_the_third(miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    nth = miner.connected
    miner.requests.append(await reader.read(4096))
    if nth < 3:
        await reader.read()
    else:
        writer.write(REPLY + b"\0")


@contextlib.asynccontextmanager
async def serving(talk: Talk, host: str = "127.0.0.1") -> AsyncIterator[Miner]:
    """A server that talks so; its connections are ended with it."""
    talks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        miner.connected += 1
        try:
            await talk(miner, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client reset it, or the test is over
        finally:
            talks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, host, 0)
    miner = Miner(host, server.sockets[0].getsockname()[1])
    try:
        yield miner
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def listening(host: str = "127.0.0.1") -> socket.socket:
    """A listener that accepts nobody: the kernel connects and keeps what is sent."""
    listener = socket.socket()
    listener.bind((host, 0))
    listener.listen(100)
    return listener


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
