"""`ballast gpud`, put together: the leases kept on disk, the supervisor, the socket; until SIGTERM or SIGINT.

At its end limits stay as they are: the service manager starts it again, and then every lease it had runs for LEASE_S
from the start, whoever is gone. A lapsed lease goes on holding its GPU down, whoever raises it and even when the driver
is loaded anew, until it is renewed. GPUs that no agent shall control any more are let go by hand: stop gpud, remove
leases.json from its state folder, start it.
"""

import argparse
import asyncio
import grp
import logging
import os
import pwd
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from drivers.gpu.leases import Leases
from drivers.gpu.server import Server, listen
from drivers.gpu.supervisor import Supervisor

log = logging.getLogger("gpud")

SOCKET = "/run/ballast/gpud.sock"
STATE_DIR = "/var/lib/ballast-gpud"
_LEASES = "leases.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast gpud` takes."""
    state_dir = os.environ.get("STATE_DIRECTORY", STATE_DIR)
    parser.add_argument("--socket", type=Path, default=Path(SOCKET), help=f"where it is asked ({SOCKET})")
    parser.add_argument("--user", action="append", default=[], help="who may ask beside root; may be given again")
    parser.add_argument("--group", help="the group of the socket file")
    parser.add_argument("--ceiling-w", type=float, help="no GPU is ever given a higher limit than this")
    parser.add_argument("--state-dir", type=Path, default=Path(state_dir), help="where leases outlive a restart")
    parser.add_argument("--log", default="info", choices=("debug", "info", "warning", "error"), help="what is logged")


def main(arguments: argparse.Namespace, clock_ns: Callable[[], int]) -> int:
    """Serves until told to stop: 0, or 1 when it can't begin."""
    logging.basicConfig(
        level=arguments.log.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", force=True
    )
    try:
        users = [0, os.geteuid(), *(pwd.getpwnam(name).pw_uid for name in arguments.user)]
        group = None if arguments.group is None else grp.getgrnam(arguments.group).gr_gid
        fallbacks = _kept(arguments.state_dir / _LEASES)
        asyncio.run(_serve(arguments, clock_ns, users, group, fallbacks))
    except KeyError as error:
        print(f"gpud: {error.args[0]}; create it, or name another", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"gpud: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


async def _serve(
    arguments: argparse.Namespace,
    clock_ns: Callable[[], int],
    users: list[int],
    group: int | None,
    fallbacks: dict[str, float],
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    path: Path = arguments.state_dir / _LEASES
    supervisor = Supervisor(
        clock_ns,
        Leases(fallbacks, clock_ns()),
        ceiling_w=arguments.ceiling_w,
        on_leases=lambda kept: _keep(path, kept),
    )
    listening = listen(arguments.socket, group)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(supervisor.run(), name="gpud:supervisor"),
                tasks.create_task(Server(supervisor, users).serve(listening), name="gpud:server"),
            ]
            await stop.wait()
            for task in running:
                task.cancel()
    finally:
        arguments.socket.unlink(missing_ok=True)


def _kept(path: Path) -> dict[str, float]:
    """The fallbacks of the leases before; none when there were none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except msgspec.DecodeError as error:
        log.error("%s: %s; starting without leases, the agent's first renewal brings them back", path, error)
    return {}


def _keep(path: Path, fallbacks: dict[str, float]) -> None:
    """Not synced, on purpose: a disk must not hold gpud up, and after a power cut the driver's limits are anew too."""
    try:
        beside = path.with_suffix(".new")
        beside.write_bytes(msgspec.json.encode(fallbacks))
        beside.replace(path)
    except OSError as error:
        log.error("%s: %s; leases won't outlive a restart of gpud", path, error.strerror)
