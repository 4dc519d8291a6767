"""Modbus exception codes: what each says and what it calls for (Modbus Application Protocol 1.1b3, section 7)."""

from collections.abc import Mapping
from types import MappingProxyType

# The device does not have what was asked for: asking again soon cannot help. The block is left alone for minutes.
CONFIGURATION = frozenset({1, 2, 3})
# Not now: ask again in 50 to 100 ms, at most twice.
BUSY = frozenset({5, 6})
# A gateway speaking for a device behind it: that unit is dead, the link is not.
UNIT_DEAD = frozenset({10, 11})

_TEXTS: Mapping[int, str] = MappingProxyType(
    {
        1: "function not supported",
        2: "no such register",
        3: "cannot read so many registers",
        4: "device fault",
        5: "accepted, still busy",
        6: "busy",
        8: "memory error",
        10: "the gateway has no path to this unit",
        11: "the gateway's unit does not answer",
    }
)


def refusal(unit: int, code: int) -> str:
    """The code in words."""
    return f"unit {unit}: {_TEXTS.get(code, 'a code of its own')}"
