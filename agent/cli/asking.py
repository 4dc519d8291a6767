"""Asking the running agent by its Unix socket: one line of JSON out, one line of JSON back."""

import argparse
import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from agent.config import load
from agent.local.status import SOCKET_NAME

STATE_DIR: Final = "/var/lib/ballast"
RUN_FOLDER: Final = Path("/run/ballast")
_WAIT_S: Final = 5.0  # the agent answers within a beat; a machine under load may take longer
_BYTES_MAX: Final = 64 << 20  # a status with 20,000 loads is some 2 MiB


class NoAgent(Exception):
    """The agent was not reached, or did not answer; says why, and the mend."""


def socket_paths(state_dir: str | Path | None = None) -> tuple[Path, ...]:
    """Where the agent's socket may be: beside its state, or where the service manager puts it."""
    beside = () if state_dir is None else (Path(state_dir) / SOCKET_NAME,)
    return (*beside, RUN_FOLDER / SOCKET_NAME)


def add_socket_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the agent's socket is."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--socket", metavar="PATH", help="the agent's socket")
    where.add_argument("--site", metavar="SITE.TOML", help="the file that the agent was started with")


def paths_of(arguments: argparse.Namespace) -> tuple[Path, ...]:
    """Where to look for the socket; ConfigErrors of the file given with --site."""
    if arguments.socket:
        return (Path(arguments.socket),)
    return socket_paths(load(arguments.site).site.state_dir if arguments.site else STATE_DIR)


def ask_status(paths: Sequence[Path]) -> dict[str, Any]:
    """The running agent's status; NoAgent when there is none."""
    return ask_agent(paths, {"ask": "status"})


def ask_agent(paths: Sequence[Path], question: Mapping[str, object]) -> dict[str, Any]:
    """The running agent's answer to one question; NoAgent when there is none, or when it says no."""
    answer = _ask(_connected(paths), question)
    if not isinstance(answer, dict):
        raise NoAgent(f"the agent answered something that is no {question['ask']}; are both of the same version?")
    if "error" in answer:
        raise NoAgent(f"the agent answered: {answer['error']}")
    return answer


def _connected(paths: Sequence[Path]) -> socket.socket:
    tried: list[str] = []
    for path in paths:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_WAIT_S)
        try:
            connection.connect(os.fspath(path))
        except PermissionError as error:
            connection.close()
            raise NoAgent(f"{path}: not allowed; ask as root or as a member of the socket's group") from error
        except OSError as error:
            connection.close()
            tried.append(f"{path}: {error.strerror or error}")
            continue
        return connection
    raise NoAgent(f"no agent answers ({'; '.join(tried)}); is `ballast run` running? --socket names another place")


def _ask(connection: socket.socket, question: Mapping[str, object]) -> object:
    with connection, connection.makefile("rwb") as stream:
        try:
            stream.write(json.dumps(question).encode() + b"\n")
            stream.flush()
            line = stream.readline(_BYTES_MAX)
        except OSError as error:
            raise NoAgent(f"the agent did not answer within {_WAIT_S:g} s ({error})") from error
    try:
        return json.loads(line)
    except ValueError as error:
        raise NoAgent("the agent closed the connection without a whole answer") from error
