"""The service: reads, decides, controls and publishes, from the first second, until SIGTERM or SIGINT.

`control` in site.toml says whether it acts; without it everything is decided and told, and nothing is written to any
device. To act it wants a `commissioned` hash, or --uncommissioned, which is then shown wherever the agent speaks.

    ballast check site.toml && ballast run site.toml
"""

import argparse
import asyncio
import logging
import os
import random
import secrets
import signal
import sys
from pathlib import Path

import uvloop

from agent.app import Agent, Identity, Seams
from agent.cli import EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from agent.cli.asking import SOCKET_NAME
from agent.config import ConfigErrors, SiteFile, load
from agent.shell.clock import SystemClock
from agent.shell.disk import RealDisk
from agent.shell.spawn import RealSpawn
from agent.shell.watchdog import ServiceManager
from agent.uplink.keyfiles import KeyFileError, load_signer, make_key
from agent.uplink.keyring import Keyring, KeyringError, load_keyring
from agent.uplink.mqtt import MqttWire, broker_at
from agent.uplink.sealing import Signer
from drivers.dial import SocketDial, raise_descriptor_limit
from drivers.modbus.transport import PymodbusTransport

log = logging.getLogger("ballast")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast run` takes."""
    parser.add_argument("file", metavar="SITE.TOML")
    parser.add_argument(
        "--uncommissioned",
        action="store_true",
        help="act without the hash of `ballast commission`; birth, ctl and status say so",
    )
    parser.add_argument("--log", default="info", choices=("debug", "info", "warning", "error"), help="what is logged")


def main(arguments: argparse.Namespace) -> int:
    """Runs until told to stop."""
    logging.basicConfig(
        level=arguments.log.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", force=True
    )
    try:
        file = load(arguments.file)
    except ConfigErrors as errors:
        for fault in errors.faults:
            print(fault, file=sys.stderr)
        return EXIT_CONFIG
    if file.site.control == "act" and file.site.commissioned is None and not arguments.uncommissioned:
        print(
            f'{arguments.file} [site] control = "act": nobody has commissioned this site; run `ballast commission`, '
            'or start with --uncommissioned, or write control = "observe"',
            file=sys.stderr,
        )
        return EXIT_CONFIG
    uncommissioned = file.site.control == "act" and file.site.commissioned is None
    try:
        identity = _identity(file)
    except (KeyFileError, KeyringError, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
    raise_descriptor_limit()
    return uvloop.run(_serve(file, identity, uncommissioned))


def _identity(file: SiteFile) -> Identity:
    """Our key, made if site.toml names none, and the keyring, if there is one."""
    state_dir = Path(file.site.state_dir)
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    signer: Signer
    if file.keys.agent is not None:
        signer = load_signer(Path(file.keys.agent))
    else:
        path = state_dir / "agent.pem"
        signer = load_signer(path) if path.exists() else make_key(path)
    log.info("our key is %s", signer.public.fingerprint)
    keyring: Keyring | None = load_keyring(Path(file.keys.keyring))
    if keyring is None:
        log.warning("%s: no keyring, so every command is refused; put one there and restart", file.keys.keyring)
    return Identity(signer, keyring)


async def _serve(file: SiteFile, identity: Identity, uncommissioned: bool) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    clock = SystemClock()
    wire = None
    if file.mqtt is not None:
        paths = [None if text is None else Path(text) for text in (file.mqtt.ca, file.mqtt.cert, file.mqtt.key)]
        wire = MqttWire(broker_at(file.mqtt.url, f"{file.site.id}.{file.site.agent}", *paths))
    dial = SocketDial()
    spawn = RealSpawn("disk")
    seams = Seams(
        dial=dial,
        transport=lambda table: PymodbusTransport(table.host, table.port),
        wire=wire,
        disk=RealDisk(),
        clock=clock,
        spawn=spawn,
        token_hex=secrets.token_hex,
        jitter=random.SystemRandom(),
    )
    agent = Agent(file, seams, identity, uncommissioned=uncommissioned)
    try:
        await agent.run(stop, status_path=_status_path(file), manager=ServiceManager.of(os.environ, os.getpid()))
    except OSError as error:
        # The status socket cannot be had: another agent answers there, or the folder is not ours.
        print(f"{error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return EXIT_FAILED
    finally:
        dial.shut()
        spawn.close()
    return EXIT_OK


def _status_path(file: SiteFile) -> Path:
    """Where people on site ask: the service manager's runtime folder, or beside the state."""
    folder = os.environ.get("RUNTIME_DIRECTORY")
    return (Path(folder) if folder else Path(file.site.state_dir)) / SOCKET_NAME
