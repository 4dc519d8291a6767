"""A real mosquitto on a free port of the loopback, which can be away or frozen.

It keeps its sessions on disk when it is stopped, so that what an agent publishes while a durable client is not
connected is queued for that client.
"""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.loopback import free_port
from hil.waiting import eventually

_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_queued_messages 0
max_inflight_messages 0
set_tcp_nodelay true
"""


class Mosquitto:
    """One mosquitto; it ends with its `with` block."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True, parents=True)
        # Started by root it would become another user, who may not write here.
        user = "user root\n" if os.getuid() == 0 else ""
        config = _CONFIG.format(port=self.port, folder=self._folder) + user
        (self._folder / "mosquitto.conf").write_text(config, encoding="utf-8")
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Serves, also again after stop()."""
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = [program(), "-c", str(self._folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually("mosquitto listens", self._listens)

    def stop(self) -> None:
        """Away: connections end, sessions are kept."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections and does nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def program() -> str:
    """Where mosquitto is."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise FileNotFoundError("no mosquitto: run packaging/setup.sh debian")
    return found
