"""The parts of a profile that only a PLC has: bits, coils and the heartbeat."""

import re
from typing import cast

from drivers.points import POINTS
from drivers.profile import AnyTable, Bit, Coil, Heartbeat
from drivers.profile_reading import Section, SectionReader

_BIT_KEYS = ("name", "table", "at", "bit", "poll", "unverified")
_COIL_KEYS = ("name", "at", "unverified")
_HEARTBEAT_KEYS = ("at", "echo", "counter", "comm_timeout")
_TABLES = ("coil", "discrete", "holding", "input")
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_REGISTER_BITS = 16


def read_bits(reader: SectionReader, top: Section, base: int) -> tuple[Bit, ...]:
    """Every [[bit]], in the order of their tables and addresses."""
    bits: list[Bit] = []
    for section in reader.sections(top, "bit"):
        bit = _bit(reader, section, base)
        if bit is None:
            continue
        for other in bits:
            if other.name == bit.name:
                reader.fault(section, "name", "is there twice", "leave one of the two out")
            elif (other.table, other.at, other.bit) == (bit.table, bit.at, bit.bit):
                wrong = f"is the same bit as {other.name}"
                reader.fault(section, "at", wrong, "compare the address and the bit of both with the manual")
        bits.append(bit)
    return tuple(sorted(bits, key=lambda bit: (bit.table, bit.at, bit.bit)))


def read_coils(reader: SectionReader, top: Section, base: int) -> tuple[Coil, ...]:
    """Every [[coil]], in the order of their addresses."""
    coils: list[Coil] = []
    for section in reader.sections(top, "coil"):
        reader.unknown(section, _COIL_KEYS)
        name = _name(reader, section)
        at = reader.address(section, base, 1)
        unverified = reader.boolean(section, "unverified")
        if name is None or at is None:
            continue
        for other in coils:
            if other.name == name:
                reader.fault(section, "name", "is there twice", "leave one of the two out")
            elif other.at == at:
                wrong = f"is the same coil as {other.name}"
                reader.fault(section, "at", wrong, "compare the address of both with the manual")
        coils.append(Coil(name, at, unverified))
    return tuple(sorted(coils, key=lambda coil: coil.at))


def read_heartbeat(reader: SectionReader, top: Section, base: int) -> Heartbeat | None:
    """The [heartbeat], if there is one."""
    raw = top.values.get("heartbeat")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        reader.fault(top, "heartbeat", "is not a table", "write [heartbeat], then at and echo")
        return None
    section = Section("heartbeat", 0, "[heartbeat] ", raw)
    before = len(reader.faults)
    reader.unknown(section, _HEARTBEAT_KEYS)
    at = reader.address(section, base, 1)
    others = {key: reader.address(section, base, 1, key) for key in _HEARTBEAT_KEYS[1:] if key in raw}
    if "echo" not in raw and "counter" not in raw:
        mend = "add echo = ... or counter = ...: without one nobody sees that the PLC has stopped"
        reader.fault(section, "echo", "is missing, and so is counter", mend)
    told: dict[int, str] = {}
    for key, place in (("at", at), *others.items()):
        if place is not None and told.setdefault(place, key) != key:
            reader.fault(section, key, f"is the register of {told[place]}", "give each its own register")
    if len(reader.faults) > before:
        return None
    return Heartbeat(cast(int, at), **others)


def _bit(reader: SectionReader, section: Section, base: int) -> Bit | None:
    before = len(reader.faults)
    reader.unknown(section, _BIT_KEYS)
    name = _name(reader, section)
    table = reader.choice(section, "table", _TABLES)
    at = reader.address(section, base, 1)
    bit: int | None = 0
    if table in ("holding", "input"):
        bit = reader.integer(section, "bit", 0, _REGISTER_BITS - 1)
    elif table is not None and "bit" in section.values:
        reader.fault(section, "bit", f"is for registers, and a {table} is one bit", "take it out")
    fast = reader.choice(section, "poll", ("fast", "slow"), "fast") == "fast"
    unverified = reader.boolean(section, "unverified")
    if len(reader.faults) > before:
        return None
    return Bit(cast(str, name), cast(AnyTable, table), cast(int, at), cast(int, bit), fast, unverified)


def _name(reader: SectionReader, section: Section) -> str | None:
    name = reader.text(section, "name")
    if name is not None and not _NAME.match(name):
        reader.fault(section, "name", "has other letters than a-z, 0-9 and _", 'write it like "k1_closed"')
    elif name in POINTS:
        reader.fault(
            section, "name", "is the name of a quantity", "call it otherwise: drivers/points.py has these names"
        )
    return name
