"""A mosquitto of the run's own, on the loopback, that can go away, freeze and come back; its sessions survive it."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_LISTENS_S = 10.0
_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_queued_messages 0
max_inflight_messages 0
set_tcp_nodelay true
"""


class SoakBroker:
    """It ends with its `with` block."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        user = "user root\n" if os.getuid() == 0 else ""  # or it becomes somebody who may not write here
        config = _CONFIG.format(port=self.port, folder=self._folder) + user
        (self._folder / "mosquitto.conf").write_text(config, encoding="utf-8")
        self.start()
        end_s = time.monotonic() + _LISTENS_S
        while not self._listens():
            if time.monotonic() > end_s:
                raise RuntimeError(f"mosquitto does not listen; see {self._folder / 'mosquitto.log'}")
            time.sleep(0.02)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Serves, also again after stop()."""
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise FileNotFoundError("no mosquitto: apt-get install mosquitto")
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = [program, "-c", str(self._folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        """Away: connections end, sessions are kept."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(10)
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
