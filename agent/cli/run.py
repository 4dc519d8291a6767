"""The service: reads, decides, controls and publishes, from the first second, until SIGTERM or SIGINT.

`control` in site.toml says whether it acts; without it everything is decided and told, and nothing is written to any
device. To act it wants a `commissioned` hash, or --uncommissioned, which is then shown wherever the agent speaks.

    ballast check site.toml && ballast run site.toml
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvloop

from agent.app import Identity, serve
from agent.cli import EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from agent.config import ConfigErrors, SiteFile, load
from agent.config.passwords import PasswordError, read_passwords
from agent.uplink.keyfiles import KeyFileError, load_signer, make_key
from agent.uplink.keyring import Keyring, KeyringError, load_keyring
from agent.uplink.sealing import Signer

log = logging.getLogger("ballast")

EXIT_BUG: Final = 70  # EX_SOFTWARE of sysexits.h
SETTLED_S: Final = 10.0  # by then every load was heard and the ladder armed


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
            f'{arguments.file} [site] control = "act": nobody has commissioned this site; '
            'start with --uncommissioned, or write control = "observe"',
            file=sys.stderr,
        )
        return EXIT_CONFIG
    uncommissioned = file.site.control == "act" and file.site.commissioned is None
    try:
        identity = _identity(file)
    except (KeyFileError, KeyringError, PasswordError, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIG
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
    return Identity(signer, keyring, read_passwords(file))


async def _serve(file: SiteFile, identity: Identity, uncommissioned: bool) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.set_exception_handler(_on_bug)
    # What lives as long as the site does is looked through once more by no collector: at 8,000 loads that takes 30 ms.
    loop.call_later(SETTLED_S, gc.freeze)
    try:
        await serve(file, identity, uncommissioned=uncommissioned, stop=stop)
    except OSError as error:
        # The state folder or the status socket cannot be had: another agent is there, or it is not ours.
        print(f"{error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return EXIT_FAILED
    return EXIT_OK


def _on_bug(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A bug of ours in a callback crashes, as one in a task does: the service manager restarts us into BOOT."""
    error = context.get("exception")
    log.error("%s", context.get("message"), exc_info=error)
    if isinstance(error, Exception) and any(_is_ours(frame) for frame, _ in traceback.walk_tb(error.__traceback__)):
        os._exit(EXIT_BUG)


def _is_ours(frame: FrameType) -> bool:
    """Whether a frame is our code; aiomqtt and pymodbus leave harmless exceptions in callbacks of their own."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in ("agent", "drivers")
