"""What Bitmain's bmminer and its descendants (stock, Hiveon, MARA, old VNish) report on TCP 4028: rates, temperatures.

`stats` has a row that names the model and one with everything else. `GHS 5s` is in GH/s, a number or text; the chips'
temperatures stand as "51-51-60-60" under temp_chipN, one each in temp2_N on older boards. There is no power figure that
is measured. `Mode` 254 is the sleep of the T17+ era.
"""

import re

from drivers.errors import Garbled, Refused
from drivers.miners.cgminer import Reply, Section, decode_reply, first_number, number
from drivers.miners.dialect import State

_CHIPS = re.compile(r"temp_chip\d+")
_SENSOR = re.compile(r"temp2_\d+")
_NO_TEMPERATURE = 200.0  # what a chip cannot have


def decode_stats(raw: bytes) -> tuple[Section, Reply]:
    """The row with everything in an answer to `stats`."""
    reply = decode_reply(raw)
    rows = [row for row in reply.sections.get("STATS", ()) if "Elapsed" in row or "GHS 5s" in row]
    if rows:
        return rows[0], reply
    status = reply.status
    if status is not None and status.letter in ("E", "F"):
        raise Refused("", status.code or 0, status.words)
    raise Garbled("", "no STATS in an answer to stats", raw[:4096])


def state_of(row: Section, reply: Reply) -> State:
    """What is told without a logon; the step is for those who know more."""
    ghs = first_number(row, "GHS 5s", "rate_5s", "total_rate")
    return State(
        step=None,
        watts=None,
        measured=False,
        hash_rate_ths=None if ghs is None else ghs / 1000,
        temperature_c=hottest(row),
        repairs=reply.repairs,
    )


def hottest(row: Section) -> float | None:
    """The hottest chip; none where all sensors say 0."""
    hot: list[float] = []
    for key, value in row.items():
        if _CHIPS.fullmatch(key) and isinstance(value, str):
            hot += [float(part) for part in value.split("-") if part.isdigit()]
        elif _SENSOR.fullmatch(key):
            hot.append(number(value) or 0.0)
    return max((degrees for degrees in hot if 0 < degrees < _NO_TEMPERATURE), default=None)
