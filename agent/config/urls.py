"""What the url of a [[link]] says: where a Modbus TCP endpoint, an RTU-over-TCP gateway or a serial line is.

    tcp://10.20.0.10:502                                           Modbus TCP; port 502 unless written
    rtu+tcp://10.20.0.30:4001                                      RTU frames through a transparent serial server
    rtu:///dev/ttyUSB0?baudrate=19200&parity=E&stopbits=1          a serial line of this machine

What is left out behind the ? is what "MODBUS over Serial Line" V1.02, 2.5.1, makes the default: 19200 baud, even
parity, one stop bit. A character of RTU has 8 data bits, always.
"""

from typing import Final, Literal, cast
from urllib.parse import SplitResult, parse_qsl, urlsplit

from msgspec import Struct

TCP_PORT: Final = 502
BAUDRATES: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
_LINE_EXAMPLE: Final = '"rtu:///dev/ttyUSB0?baudrate=19200&parity=E&stopbits=1"'
_MENDS: Final = {
    "tcp": 'write "tcp://ADDRESS:PORT", such as "tcp://10.20.0.10:502"',
    "rtu+tcp": 'write "rtu+tcp://ADDRESS:PORT", such as "rtu+tcp://10.20.0.30:4001"',
    "rtu": f"write {_LINE_EXAMPLE}",
}
_CHOICES: Final = {
    "baudrate": tuple(map(str, BAUDRATES)),
    "parity": ("N", "E", "O"),
    "stopbits": ("1", "2"),
}

Scheme = Literal["tcp", "rtu+tcp", "rtu"]
Parity = Literal["N", "E", "O"]


class SerialLine(Struct, frozen=True):
    """A serial port and how characters are sent on it."""

    device: str
    baudrate: int = 19200
    parity: Parity = "E"
    stopbits: int = 1


class Endpoint(Struct, frozen=True):
    """Where a link goes: an address and a port, or a serial line."""

    scheme: Scheme
    host: str = ""
    port: int = 0
    line: SerialLine | None = None

    @property
    def place(self) -> str:
        """What no two links may share."""
        return self.line.device if self.line is not None else f"{self.host}:{self.port}"


class NoEndpoint(ValueError):
    """A url that names none; says why, and the mend."""

    def __init__(self, wrong: str, mend: str) -> None:
        super().__init__(f"{wrong}; {mend}")
        self.wrong = wrong
        self.mend = mend


def endpoint_of(url: str) -> Endpoint:
    """What a url names; NoEndpoint when it is not one of the three."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NoEndpoint(f"not a URL: {str(error)[:80]}", _MENDS["tcp"]) from error
    if parts.scheme not in _MENDS:
        raise NoEndpoint("not a tcp://, rtu+tcp:// or rtu:// URL", _MENDS["tcp"])
    mend = _MENDS[parts.scheme]
    if any(character.isspace() for character in url):
        raise NoEndpoint("a space in it", mend)
    if parts.fragment or parts.username is not None:
        raise NoEndpoint("more than a place in it", mend)
    if parts.scheme == "rtu":
        return Endpoint("rtu", line=_line(parts, mend))
    if not parts.hostname:
        raise NoEndpoint("no address in it", mend)
    if port == 0:
        raise NoEndpoint("port 0", mend)
    if parts.path or parts.query:
        raise NoEndpoint("more than an address and a port in it", mend)
    if port is None and parts.scheme == "rtu+tcp":
        raise NoEndpoint("no port in it", mend)
    return Endpoint(cast(Scheme, parts.scheme), parts.hostname, port or TCP_PORT)


def _line(parts: SplitResult, mend: str) -> SerialLine:
    if parts.netloc:
        raise NoEndpoint("two slashes and an address; a serial line is of this machine", mend)
    if not parts.path.startswith("/dev/") or parts.path.endswith("/"):
        raise NoEndpoint("no serial port in it", mend)
    said: dict[str, str] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key not in _CHOICES:
            raise NoEndpoint(f"no such key: {key[:40]}", f"behind the ? stand {', '.join(_CHOICES)}")
        if key in said:
            raise NoEndpoint(f"{key} stands twice", "take one out")
        if value not in _CHOICES[key]:
            raise NoEndpoint(f"no such {key}: {value[:40]}", f"{key} is one of {', '.join(_CHOICES[key])}")
        said[key] = value
    if parts.query and not said:
        raise NoEndpoint("nothing that can be read behind the ?", mend)
    line = SerialLine(parts.path)
    return SerialLine(
        parts.path,
        int(said.get("baudrate", line.baudrate)),
        cast(Parity, said.get("parity", line.parity)),
        int(said.get("stopbits", line.stopbits)),
    )
