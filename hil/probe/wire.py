"""Bytes to and from a place, blocking, with a deadline on every wait; what goes wrong becomes one of the failures.

A TCP socket and a serial line are both a file descriptor that is waited for with select(), so that one class serves
both. Serial lines are set up by termios: raw, 8 data bits.
"""

import errno
import os
import select
import socket
import struct
import termios
import time
from types import TracebackType
from typing import Self

from hil.probe.failures import Garbled, HungUp, Refused, Unreachable, Unusable
from hil.probe.place import Place

CONNECT_S = 3.0  # one lost SYN is sent again after 1 s and after 3 s (RFC 6298)
_NO_WAY = "check power, cable and address, and whether this machine is in that network (ping it)"


class Wire:
    """One open connection."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._socket: socket.socket | None = None
        self._fd = _open_line(place) if place.device else -1
        if not place.device:
            self._socket = dial(place.host, place.port)
            self._fd = self._socket.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def send(self, data: bytes) -> int:
        """Sends it all; when its last byte was handed over (monotonic ns)."""
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            raise hung_up(self.place) from error
        return time.monotonic_ns()

    def receive(self, until_ns: int) -> bytes:
        """What comes next; b"" when nothing came by then. HungUp when the other side has ended."""
        left_s = (until_ns - time.monotonic_ns()) / 1e9
        if not select.select([self._fd], [], [], max(0.0, left_s))[0]:
            return b""
        try:
            data = os.read(self._fd, 65_536)
        except OSError as error:
            raise hung_up(self.place) from error
        if not data:
            raise hung_up(self.place)
        return data

    def close(self, *, reset: bool = False) -> None:
        """Ends it; by RST where that is asked for."""
        if self._socket is not None:
            if reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()
        elif self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def dial(host: str, port: int) -> socket.socket:
    """A blocking TCP connection, or the failure in words."""
    place = f"{host}:{port}"
    try:
        connected = socket.create_connection((host, port), timeout=CONNECT_S)
    except TimeoutError as error:
        raise Unreachable(f"{place} did not answer a connection attempt for {CONNECT_S:g} s", _NO_WAY) from error
    except socket.gaierror as error:
        raise Unreachable(f"{host!r} is no name that is known here", "write the address as a number") from error
    except OSError as error:
        if error.errno == errno.ECONNREFUSED:
            mend = "check the port, and whether the device's network protocol is switched on in its set-up"
            raise Refused(f"{host} is there, but nobody listens on port {port}", mend) from error
        raise Unreachable(f"there is no way to {place} ({error.strerror})", _NO_WAY) from error
    connected.settimeout(None)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def hung_up(place: Place) -> HungUp:
    """The other side ended it."""
    mend = "another client may hold its only connection, or its list of allowed addresses does not have ours"
    return HungUp(f"{place} ended the connection", mend)


def nonsense(place: Place, why: str) -> Garbled:
    """An answer that is none."""
    return Garbled(f"{place}: {why}", "check that this is the right port and protocol of the device")


def _open_line(place: Place) -> int:
    speed = getattr(termios, f"B{place.baudrate}", None)
    if speed is None:
        raise Unusable(f"this machine has no {place.baudrate} baud", "take one that the device has too, such as 9600")
    try:
        fd = os.open(place.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except PermissionError as error:
        raise Refused(f"{place.device} may not be opened", "add yourself to the group dialout, or use sudo") from error
    except OSError as error:
        mend = "check the adapter and its name (ls /dev/serial/by-id)"
        raise Unreachable(f"{place.device}: {error.strerror}", mend) from error
    try:
        control = termios.CS8 | termios.CREAD | termios.CLOCAL
        control |= termios.CSTOPB if place.stopbits == 2 else 0
        control |= {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}[place.parity]
        special = termios.tcgetattr(fd)[6]
        special[termios.VMIN], special[termios.VTIME] = 1, 0
        termios.tcsetattr(fd, termios.TCSANOW, [0, 0, control, 0, speed, speed, special])
        termios.tcflush(fd, termios.TCIOFLUSH)
    except termios.error as error:
        os.close(fd)
        raise Unusable(f"{place.device} is no serial port ({error})", "name a /dev/tty...") from error
    os.set_blocking(fd, True)
    return fd
