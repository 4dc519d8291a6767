"""Setpoints: what one load is told to be at. A target, never a delta: sending one twice is harmless."""

from msgspec import Struct


class Setpoint(Struct, frozen=True):
    """Be at this step."""

    load: str
    step: str
    watts: float  # what the load is expected to draw there
    event: str = ""  # "" for setpoints prepared before any event
    lowers: bool = True
