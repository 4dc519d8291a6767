"""Where a device is, as a person writes it: the urls of site.toml, or less.

    10.20.0.10    10.20.0.10:502    tcp://10.20.0.10:502    [fe80::1]:502
    rtu+tcp://10.20.0.30:4001                                RTU frames through a transparent serial server
    /dev/ttyUSB0    rtu:///dev/ttyUSB0?baudrate=9600&parity=N&stopbits=1

What is left out of a serial line is what "MODBUS over Serial Line" V1.02, 2.5.1, makes the default: 19200 baud, even
parity, one stop bit.
"""

from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from hil.probe.failures import Unusable

MODBUS_PORT = 502
MINER_PORT = 4028
_FORMS = "write HOST, HOST:PORT, tcp://HOST:PORT, rtu+tcp://HOST:PORT or rtu:///dev/PORT?baudrate=9600&parity=N"


class Place(Struct, frozen=True):
    """An endpoint, or a serial line where `device` is set."""

    host: str = ""
    port: int = 0
    device: str = ""
    baudrate: int = 19200
    parity: str = "E"
    stopbits: int = 1
    rtu: bool = False  # frames with a CRC and no header

    def __str__(self) -> str:
        if self.device:
            return f"rtu://{self.device}?baudrate={self.baudrate}&parity={self.parity}&stopbits={self.stopbits}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rtu+tcp' if self.rtu else 'tcp'}://{host}:{self.port}"


def place_of(text: str, port: int) -> Place:
    """What the text names; `port` where it says none."""
    whole = text if "://" in text else f"rtu://{text}" if text.startswith("/") else f"tcp://{text}"
    try:
        parts = urlsplit(whole)
        said_port = parts.port
    except ValueError as error:
        raise Unusable(f"{text!r} is no address: {error}", _FORMS) from error
    if parts.scheme == "rtu" and parts.path.startswith("/") and not parts.netloc:
        return _line(parts.path, parse_qs(parts.query))
    if parts.scheme not in ("tcp", "rtu+tcp") or not parts.hostname or parts.path or parts.query:
        raise Unusable(f"{text!r} is no address", _FORMS)
    return Place(parts.hostname, said_port or port, rtu=parts.scheme == "rtu+tcp")


def _line(device: str, said: dict[str, list[str]]) -> Place:
    try:
        place = Place(
            device=device,
            baudrate=int(said.pop("baudrate", ["19200"])[-1]),
            parity=said.pop("parity", ["E"])[-1],
            stopbits=int(said.pop("stopbits", ["1"])[-1]),
            rtu=True,
        )
    except ValueError as error:
        raise Unusable(f"a serial line's baudrate and stopbits are numbers: {error}", _FORMS) from error
    if said or place.parity not in ("N", "E", "O") or place.stopbits not in (1, 2):
        raise Unusable("behind the ? stand baudrate, parity (N, E or O) and stopbits (1 or 2)", _FORMS)
    return place
