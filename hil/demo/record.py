"""When the demo did what; what came of it is judged from this and from the stamps (findings.py)."""

from msgspec import Struct


class Course(Struct):
    """When what was done, CLOCK_MONOTONIC; None: it did not come to it."""

    started_ns: int
    normal_ns: int | None = None
    played_ns: int | None = None  # the first recorded sample
    recorded_s: float = 0.0
    returned_ns: int | None = None
    sent_ns: int | None = None
    send_exit: int | None = None
    send_words: str = ""
    capped_from_w: float | None = None
    lapsed_return_ns: int | None = None
    equipment_ns: int | None = None  # the other devices' part begins
    tagged: str = ""  # the address of the tagged miner
    flow_lost_ns: int | None = None
    flow_back_ns: int | None = None
    tank_returned_ns: int | None = None  # all but the tagged one
    untagged_ns: int | None = None
    untag_returned_ns: int | None = None
    lied_ns: int | None = None
    lie_over_ns: int | None = None
    closed_ns: int | None = None
    all_back_ns: int | None = None
    ended_ns: int | None = None
    stop_exit: int | None = None
