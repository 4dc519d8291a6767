"""How many registers one read may have, and which of the device's quantities one read can bring together.

Refused is refused, but not all refusals say the same: exception 3 to one register more means that the length is the
limit, exception 2 that the device's registers end there. The longest read is looked for from each place where a
quantity begins, since none of them is known to have registers without holes behind it.
"""

from collections.abc import Sequence

from msgspec import Struct

from hil.probe.session import Session
from hil.probe.sheet import Item

PROTOCOL_MAX = 125  # MODBUS Application Protocol V1.1b3, 6.3 and 6.4
_STARTS_MAX = 6  # places from which the longest read is looked for
ILLEGAL_VALUE = 3


class Longest(Struct, frozen=True):
    """The longest read that was answered."""

    registers: int
    limit: bool  # one more was refused for its length, and not for where it would have ended
    why: str

    @property
    def at_most(self) -> int:
        """What may be tried: the protocol's most where the device's own limit was not met."""
        return self.registers if self.limit else PROTOCOL_MAX


class Block(Struct, frozen=True):
    """Quantities that one read brings."""

    table: str
    at: int
    count: int
    items: tuple[Item, ...]


def longest_read(session: Session, table: str, items: Sequence[Item]) -> Longest | None:
    """The most registers that one read brought; None: none did."""
    found = Longest(0, False, "")
    starts = _spread_out([item.first for item in items])
    for number, at in enumerate(starts):
        session.progress.step(number, len(starts))
        here = _longest_from(session, table, at, found.registers)
        if here is not None and here.registers > found.registers:
            found = here
        if found.registers == PROTOCOL_MAX or found.limit:
            break
    return found if found.registers else None


def blocks(session: Session, table: str, items: Sequence[Item], registers_max: int) -> list[Block]:
    """The quantities in as few reads as the device lets: each begins and ends with one. What it refuses is missing."""
    left = sorted(items, key=lambda item: item.first)
    found = []
    while left:
        for size in range(len(left), 0, -1):
            group = left[:size]
            at, count = group[0].first, max(item.end for item in group) - group[0].first
            if count <= registers_max and session.registers(table, at, count) is not None:
                found.append(Block(table, at, count, tuple(group)))
                break
        else:
            size = 1  # this one is refused by itself
        left = left[size:]
    return found


def _longest_from(session: Session, table: str, at: int, beaten: int) -> Longest | None:
    """By halving, from one place; None where it cannot be longer than what was found elsewhere."""
    most = min(PROTOCOL_MAX, 0x1_0000 - at)
    if beaten >= most or session.registers(table, at, beaten + 1) is None:
        return None
    good, bad, code, why = beaten + 1, most + 1, 0, "the protocol's own limit"
    while bad - good > 1:
        middle = most if bad > most else (good + bad) // 2
        if session.registers(table, at, middle) is not None:
            good = middle
        else:
            bad, code, why = middle, session.code, session.refusal
    return Longest(good, good == PROTOCOL_MAX or code == ILLEGAL_VALUE, why)


def _spread_out(starts: Sequence[int]) -> list[int]:
    """A few of them, over all of the device's range, the lowest first."""
    ordered = sorted(set(starts))
    if len(ordered) <= _STARTS_MAX:
        return ordered
    return [ordered[number * (len(ordered) - 1) // (_STARTS_MAX - 1)] for number in range(_STARTS_MAX)]
