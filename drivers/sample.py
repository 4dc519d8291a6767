"""A sample: what one point of one device said in one read. The board makes its readings of these."""

from msgspec import Struct


class Sample(Struct, frozen=True, gc=False):
    """One point's value, or None and why it is not a number; silence and nonsense are never 0."""

    point: str
    value: float | None
    bad: str = ""  # why there is no value: "not a number", "absent (0x7fffffff)", "70.2 is above 65"; "" with a value
