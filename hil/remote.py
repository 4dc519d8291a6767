"""A rig in a process of its own, for tests, the demo and benches.

    with RigProcess(RigConfig(miners=(MinerGroup("127.20.0.1", 60),))) as rig:
        rig.meters["main"]                    # ("127.0.0.1", 40217)
        rig.do("frequency", hz=49.2)          # operations: hil/rig.py
        rig.do("stamps")["miners"]["127.20.0.1"]      # [[ns, "off"], ...]

The stand-ins end with the `with` block, and with this process whatever happens to it. Calls block for as long as the
rig takes to answer (about a millisecond).
"""

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from hil.rig import RigConfig

_ANSWER_S_MAX = 60.0  # a loaded machine; the rig itself needs a millisecond


class RigError(Exception):
    """The rig did not start, or refused an operation."""


class RigProcess:
    """The stand-ins, started on `with`."""

    def __init__(self, config: RigConfig) -> None:
        self.config = config
        self.meters: dict[str, tuple[str, int]] = {}
        self.plcs: dict[str, str] = {}  # "host:port", or a serial line's path
        self.miners: list[str] = []  # "address:port"
        self.gpud_environment: dict[str, str] = {}  # what `ballast gpud` needs to find the fake GPUs
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._held = b""

    def __enter__(self) -> Self:
        with tempfile.NamedTemporaryFile("wb", suffix=".json", delete=False) as file:
            file.write(msgspec.json.encode(self.config))
        try:
            self._start(Path(file.name))
        except BaseException:
            self._stop()
            raise
        finally:
            Path(file.name).unlink()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def do(self, operation: str, **arguments: Any) -> Any:
        """One operation of hil/rig.py; RigError with the rig's words when it refuses."""
        assert self._control is not None, "the rig runs inside its `with` block"
        self._control.sendall(json.dumps({"do": operation, **arguments}).encode() + b"\n")
        while b"\n" not in self._held:
            data = self._control.recv(1 << 16)
            if not data:
                raise RigError(f"the stand-ins ended while asked for {operation!r}")
            self._held += data
        line, _, self._held = self._held.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise RigError(f"{operation}: {answer['error']}")
        return answer["ok"]

    def _start(self, config: Path) -> None:
        command = [sys.executable, "-m", "hil.standins", "--config", str(config), "--with-parent"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            start_new_session=True,  # Ctrl-C is for whoever drives the rig, who then ends it
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()  # EOF when it could not start; its own words are on standard error
        if not line:
            raise RigError(f"the stand-ins did not start (exit {self._process.wait()}); why is above")
        ready = json.loads(line)
        self.pid = self._process.pid
        self.meters = {name: _endpoint(text) for name, text in ready["meters"].items()}
        self.plcs = ready["plcs"]
        self.miners = ready["miners"]
        self.gpud_environment = ready["gpud_environment"]
        self._control = socket.create_connection(_endpoint(ready["control"]), timeout=_ANSWER_S_MAX)
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # --with-parent: this ends it
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)
