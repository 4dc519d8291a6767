"""A real mosquitto on a free loopback port, configured in a folder of its own, killed by pid."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from hil.loopback import free_port

MOSQUITTO = "/usr/sbin/mosquitto"


class Mosquitto:
    """One broker; it may be stopped, started again on the same port with what it retained, and frozen."""

    def __init__(self, folder: Path, lines: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self._folder = folder
        self._config = folder / "mosquitto.conf"
        self._process: asyncio.subprocess.Process | None = None
        # As root it would change to a user that cannot read the folder.
        user = ("user root",) if os.geteuid() == 0 else ()
        self._config.write_text(
            "\n".join(
                (
                    f"listener {self.port} 127.0.0.1",
                    "allow_anonymous true",
                    "set_tcp_nodelay true",
                    "persistence true",
                    f"persistence_location {folder}/",
                    *user,
                    *lines,
                )
            )
            + "\n"
        )

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            MOSQUITTO,
            "-c",
            str(self._config),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            while not await self._accepts():
                assert self._process.returncode is None, "mosquitto ended; see its configuration"
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGTERM)
            await self._process.wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True


@contextlib.asynccontextmanager
async def running(folder: Path, lines: tuple[str, ...] = ()) -> AsyncIterator[Mosquitto]:
    """A broker for one test."""
    broker = Mosquitto(folder, lines)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()
