"""Addresses and ports of the loopback that nobody else is given until this process ends, so that rigs, brokers and test
files can run side by side.

A port that the kernel chose (port 0) is safe for whoever listens on it at once and for as long as it is needed. What
another process shall listen on later, or again, is claimed here: a second address or port beside it is bound and held
without listening, and whoever finds that taken tries another. The kernel frees it when this process ends, however it
ends.
"""

import random
import socket

_BLOCKS = (16, 127)  # second octets of free_block()
_NETS = (128, 250)  # and of free_net()
_PORTS = (10_000, 32_000)  # below the ones that Linux gives connections and port 0 by default: 32768 to 60999


def free_block(port: int = 4028) -> str:
    """The first address of a 127.x.y.0/24 for listening on the port."""
    while True:
        first = f"127.{random.randint(*_BLOCKS)}.{random.randint(0, 255)}.1"
        if _claimed((first, port - 1), (first, port)):
            return first


def free_net(port: int = 4028) -> str:
    """A "127.x" with two octets to choose, for listening on the port."""
    while True:
        net = f"127.{random.randint(*_NETS)}"
        if _claimed((f"{net}.0.1", port - 1), (f"{net}.0.1", port)):
            return net


def free_port() -> int:
    """A port of 127.0.0.1."""
    while True:
        port = random.randint(*_PORTS)
        if _claimed(("127.0.0.2", port), ("127.0.0.1", port)):
            return port


def _claimed(held: tuple[str, int], wanted: tuple[str, int]) -> bool:
    with socket.socket() as claim, socket.socket() as probe:
        try:
            claim.bind(held)
            probe.bind(wanted)
        except OSError:
            return False
        claim.detach()  # stays bound: nobody closes it but the end of this process
        return True
