"""The time until watts are gone, as the sum of the longest that each part of a reaction takes."""

from typing import Final

from msgspec import Struct

SEND_MS: Final = ((1000, 100), (4000, 250))  # loads -> ms, p99: design 5, measured
SEND_MS_MAX: Final = 500  # 8,000 loads


class Budget(Struct, frozen=True):
    """The longest that each part of a reaction takes, ms."""

    refresh: float
    poll: float
    confirm: float
    send: float
    load: float
    total: float


def budget(refresh: float, poll: float, confirm: float, loads: int, load: float) -> Budget:
    """A budget whose last part is the sum; what sending to so many loads takes is known."""
    send = float(next((ms for count, ms in SEND_MS if loads <= count), SEND_MS_MAX)) if loads else 0.0
    return Budget(refresh, poll, confirm, send, load, refresh + poll + confirm + send + load)
