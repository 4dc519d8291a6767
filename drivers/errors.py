"""What a device can do to us, told apart. "No answer", "answered no" and "answered nonsense" are never the same value.

Unreachable   no connection: refused, no route, reset before a byte went out. The request was certainly not read.
Silent        the request was (or may have been) written and no whole answer came in time. Its effect is unknown.
Refused       the device understood and said no, with its code.
Garbled       bytes came that cannot be understood; the raw text is kept and never becomes a number.
"""


class DeviceError(Exception):
    """A device did not do what was asked; expected, and always carries the device's address."""

    def __init__(self, address: str, detail: str) -> None:
        super().__init__(f"{address}: {detail}")
        self.address = address
        self.detail = detail


class Unreachable(DeviceError):
    """No connection could be had, so the request was certainly not read."""


class Silent(DeviceError):
    """No whole answer within the time allowed; what the request did is unknown."""


class Refused(DeviceError):
    """The device answered no."""

    def __init__(self, address: str, code: int, detail: str) -> None:
        super().__init__(address, f"refused with code {code}: {detail}")
        self.code = code


class Garbled(DeviceError):
    """The device answered something that cannot be understood; `raw` keeps what it said."""

    def __init__(self, address: str, detail: str, raw: bytes = b"") -> None:
        super().__init__(address, detail)
        self.raw = raw
