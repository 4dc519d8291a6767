"""What the url of a link names, and what is no such thing."""

import pytest

from agent.config import LinkTable, SerialLine
from agent.config.urls import NoEndpoint, endpoint_of


@pytest.mark.parametrize(
    ("url", "scheme", "place"),
    [
        ("tcp://10.20.0.10", "tcp", "10.20.0.10:502"),
        ("tcp://[fd00::1]:1502", "tcp", "fd00::1:1502"),
        ("rtu+tcp://10.20.0.30:4001", "rtu+tcp", "10.20.0.30:4001"),
        ("rtu:///dev/ttyUSB0?baudrate=9600", "rtu", "/dev/ttyUSB0"),
    ],
)
def test_a_url_names_an_endpoint(url: str, scheme: str, place: str) -> None:
    endpoint = endpoint_of(url)

    assert (endpoint.scheme, endpoint.place) == (scheme, place)


def test_a_serial_line_is_as_the_serial_guide_has_it_unless_written() -> None:
    """MODBUS over Serial Line V1.02, 2.5.1: 19200 baud, even parity, one stop bit."""
    assert endpoint_of("rtu:///dev/ttyS1").line == SerialLine("/dev/ttyS1", 19200, "E", 1)
    assert endpoint_of("rtu:///dev/ttyS1?parity=O&stopbits=2&baudrate=115200").line == SerialLine(
        "/dev/ttyS1", 115200, "O", 2
    )


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://10.0.0.1", "not a tcp://, rtu+tcp:// or rtu:// URL"),
        ("/dev/ttyUSB0", "not a tcp://, rtu+tcp:// or rtu:// URL"),
        ("tcp://10.0.0.1 :502", "a space in it"),
        ("tcp://10.0.0.1:502?x=1", "more than an address and a port in it"),
        ("tcp://me@10.0.0.1", "more than a place in it"),
        ("rtu+tcp://10.0.0.1", "no port in it"),
        ("rtu://dev/ttyUSB0", "two slashes and an address; a serial line is of this machine"),
        ("rtu:///ttyUSB0", "no serial port in it"),
        ("rtu:///dev/ttyUSB0?parity=even", "no such parity: even"),
        ("rtu:///dev/ttyUSB0?baudrate=9601", "no such baudrate: 9601"),
        ("rtu:///dev/ttyUSB0?parity=E&parity=N", "parity stands twice"),
        ("rtu:///dev/ttyUSB0?parity", "no such parity: "),
        ("rtu:///dev/ttyUSB0?&", "nothing that can be read behind the ?"),
    ],
)
def test_what_names_none_says_why(url: str, wrong: str) -> None:
    with pytest.raises(NoEndpoint) as raised:
        endpoint_of(url)

    assert raised.value.wrong == wrong
    assert raised.value.mend


@pytest.mark.parametrize(
    ("url", "connections", "apart"),
    [
        ("tcp://10.0.0.1", 2, True),
        ("tcp://10.0.0.1", 1, False),
        ("rtu+tcp://10.0.0.1:4001", 2, False),
        ("rtu:///dev/ttyS1", 2, False),
    ],
)
def test_writes_go_apart_on_modbus_tcp_alone(url: str, connections: int, apart: bool) -> None:
    assert LinkTable(id="x", url=url, connections=connections).writes_apart is apart
