"""The agent under test: the installed `ballast`, as processes of its own, spoken to by its socket and command line."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SOCKET_NAME = "ballast.sock"  # in its state_dir
STOP_S = 60.0  # a safety net, as all of these
_ANSWER_S = 20.0


class Died(Exception):
    """The agent ended though nobody ended it; its last words."""


def ballast() -> str:
    """The installed command: beside the Python that runs this."""
    path = Path(sys.executable).parent / "ballast"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not installed; packaging/setup.sh python does it")
    return str(path)


def ask(path: Path, question: Mapping[str, object]) -> dict[str, Any]:
    """What the agent answers at its socket; empty while nobody answers there."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_S)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline())
        except (OSError, ValueError):
            return {}
    return answer if isinstance(answer, dict) else {}


class Program:
    """One `ballast` service; started, killed and stopped as often as wanted. Its words go to a file."""

    def __init__(self, words: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._words = words
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Begins; it must not run yet."""
        assert self._process is None, "it runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [ballast(), *self._words], stdout=log, stderr=log, env=os.environ | self._environment
            )

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """SIGTERM; the exit code, or -9 when it did not go by itself."""
        assert self._process is not None
        self._process.terminate()
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9
        self._process = None
        return code

    def check(self) -> None:
        """Died when it runs no more though it was started."""
        if self._process is not None and self._process.poll() is not None:
            raise Died(f"the agent ended with {self._process.returncode}:\n{self.words()[-4000:]}")

    def words(self) -> str:
        """What it said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


class Agent(Program):
    """`ballast run`."""

    def __init__(self, file: Path, state: Path, log: Path, *, acts: bool, environment: Mapping[str, str] = {}) -> None:
        super().__init__(["run", str(file), *(["--uncommissioned"] if acts else [])], log, environment)
        self.socket = state / SOCKET_NAME

    def status(self) -> dict[str, Any]:
        """What its socket tells; empty while it does not answer. Died when it is gone."""
        self.check()
        return ask(self.socket, {"ask": "status"})


class Gpud(Program):
    """`ballast gpud` over a driver that `environment` names."""

    def __init__(self, folder: Path, log: Path, environment: Mapping[str, str]) -> None:
        self.socket = folder / "gpud.sock"
        super().__init__(["gpud", "--socket", str(self.socket), "--state-dir", str(folder / "gpud")], log, environment)


def person(path: Path, verb: str, target: str, *more: str, by: str = "Ada", why: str = "a test") -> str:
    """`ballast tag|untag|local|ack|release`, as a person does it; what it said. ValueError when it was refused."""
    words = [ballast(), verb, target, "--by", by, "--why", why, "--socket", str(path), *more]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise ValueError(f"ballast {verb} {target}: {done.stderr.strip()}")
    return done.stdout
