"""The status socket as a client on the machine meets it."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from agent.local.status import CLIENTS_MAX, LINE_BYTES_MAX, StatusServer

BIG = {"loads": ["a/10.20.1.17"] * 100_000}


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    def on_that_loop(story: Awaitable[None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(story)  # type: ignore[arg-type]

    return on_that_loop


Run = Callable[[Awaitable[None]], None]


async def opened(path: Path) -> StatusServer:
    return await StatusServer.open(path, {"status": lambda question: {"mode": "NORMAL"}, "big": lambda question: BIG})


async def ask(path: Path, *lines: bytes) -> list[Any]:
    reader, writer = await asyncio.open_unix_connection(os.fspath(path), limit=1 << 24)
    try:
        answers = []
        for line in lines:
            writer.write(line + b"\n")
            answers.append(json.loads(await reader.readline()))
        return answers
    finally:
        writer.close()
        await writer.wait_closed()


def test_several_clients_ask_several_things_and_the_socket_is_for_its_group_alone(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "ballast.sock"
        server = await opened(path)

        mode = stat.S_IMODE(path.stat().st_mode)
        answers = await asyncio.gather(*(ask(path, b'{"ask":"status"}', b'{"ask":"big"}') for _ in range(8)))
        await server.close()

        assert mode == 0o660
        assert answers == [[{"mode": "NORMAL"}, BIG]] * 8
        assert not path.exists()

    run(story())


def test_a_client_that_never_reads_holds_nobody_up(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "ballast.sock"
        server = await opened(path)
        with socket.socket(socket.AF_UNIX) as stubborn:
            stubborn.connect(os.fspath(path))
            stubborn.sendall(b'{"ask":"big"}\n' * 100)

            answers = await ask(path, b'{"ask":"status"}')
            await server.close()

        assert answers == [{"mode": "NORMAL"}]

    run(story())


def test_a_line_without_an_end_is_cut_off(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "ballast.sock"
        server = await opened(path)
        reader, writer = await asyncio.open_unix_connection(os.fspath(path))

        writer.write(b"x" * (LINE_BYTES_MAX * 3))
        said = await reader.read()
        writer.close()
        await server.close()

        assert json.loads(said) == {"error": f"a question is at most {LINE_BYTES_MAX} bytes"}

    run(story())


def test_the_seventeenth_client_is_told_so(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "ballast.sock"
        server = await opened(path)
        others = [await asyncio.open_unix_connection(os.fspath(path)) for _ in range(CLIENTS_MAX)]
        for reader, writer in others:
            writer.write(b'{"ask":"status"}\n')
            await reader.readline()

        reader, writer = await asyncio.open_unix_connection(os.fspath(path))
        refused = json.loads(await reader.readline())
        for _, other in [*others, (reader, writer)]:
            other.close()
        await server.close()

        assert refused == {"error": "16 clients are served already; close one"}

    run(story())


def test_what_a_killed_agent_left_is_replaced_and_a_running_agent_is_not(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "ballast.sock"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(os.fspath(path))
        server = await opened(path)

        with pytest.raises(OSError, match="another agent answers there"):
            await opened(path)
        still = await ask(path, b'{"ask":"status"}')
        await server.close()
        path.write_text("not a socket")
        with pytest.raises(OSError, match="is no socket"):
            await opened(path)

        assert still == [{"mode": "NORMAL"}]
        assert path.read_text() == "not a socket"

    run(story())
