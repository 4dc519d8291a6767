"""sd_notify over real datagram sockets: by path and in the abstract namespace."""

import os
import socket
from pathlib import Path

import pytest

from agent.shell.watchdog import ServiceManager


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_the_service_manager_reads_what_was_told(tmp_path: Path, abstract: bool) -> None:
    address = f"@ballast-test-{os.getpid()}" if abstract else os.fspath(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if abstract else address)
        manager.settimeout(60)
        ours = ServiceManager.of({"NOTIFY_SOCKET": address}, os.getpid())

        ours.ready("60 loads armed")
        ours.stopping()

        assert manager.recv(100) == b"READY=1\nSTATUS=60 loads armed"
        assert manager.recv(100) == b"STOPPING=1"


def test_a_service_manager_that_takes_nothing_holds_nobody_up(tmp_path: Path) -> None:
    address = os.fspath(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        ours = ServiceManager.of({"NOTIFY_SOCKET": address}, os.getpid())

        for _ in range(10_000):
            ours.tell("WATCHDOG=1")

        assert manager.recv(100) == b"WATCHDOG=1"
