"""Which registers to ask for together, and how to read the answer; worked out once, when a device is set up.

A block is one read: from the first to behind the last of its values. Values go into one block while it stays within the
device's longest read, never with part of one. What lies between two is read along when the profile calls the span
readable, and elsewhere over at most HOLE_MAX registers, since some devices refuse a read that touches a register they
do not have. A block never crosses the edge of a readable span.

A PLC's bits are read along: those of one register as one value, and a table of bits as if each were a register of one.

Decoding is the hot path of a 50 Hz meter: the registers are packed into bytes and unpacked by one struct made for the
block (0.85 us for 20 floats where pymodbus's converter takes 13 to 26, measured). Low word first needs no shuffling:
registers packed low byte first give the mirror image of the whole value, which is read low byte first.
"""

import math
import struct
from typing import Literal

from msgspec import Struct

from drivers.profile import KINDS, AnyTable, Bit, Kind, Point, Profile
from drivers.sample import Sample

HOLE_MAX = 8  # unread registers between two points of which nothing is known; what careful clients of such meters use
# pymodbus drops both when a late reply and the right one come in one segment of more than 264 bytes: two replies of
# at most 61 registers fit (9 bytes of header each).
FAST_REGISTERS_MAX = 60


BITS_MAX = 2000  # Modbus Application Protocol 1.1b3, 6.1 and 6.2
POWER_MAX = 10  # SunSpec's powers of ten go from -10 to 10; 0x8000 says that there is none


class Word(Struct, frozen=True):
    """One register, or one place in a table of bits, for the yes and no in it."""

    at: int
    bits: tuple[Bit, ...]

    @property
    def first(self) -> int:
        return self.at

    @property
    def end(self) -> int:
        return self.at + 1

    @property
    def kind(self) -> Kind:
        return KINDS["uint16"]

    @property
    def fast(self) -> bool:
        return any(bit.fast for bit in self.bits)


Value = Point | Word


class Block:
    """One read, and its decoding."""

    def __init__(self, values: tuple[Value, ...], profile: Profile, table: AnyTable) -> None:
        """`values` in the order of their addresses."""
        self.values = values
        self.table = table
        self.at = values[0].first
        self.count = max(value.end for value in values) - self.at
        self.names = tuple(name for value in values for name in _names(value))
        self._profile = profile
        order = ">" if profile.word_order == "big" else "<"
        fields = {value.at: value.kind for value in values}
        fields |= {
            value.scale_at: KINDS["int16"]
            for value in values
            if isinstance(value, Point) and value.scale_at is not None
        }
        places = {at: place for place, at in enumerate(sorted(fields))}
        code, reached = order, self.at
        for at in places:
            code += f"{2 * (at - reached)}x{fields[at].code}"
            reached = at + fields[at].registers
        self._words = struct.Struct(f"{order}{self.count}H")
        self._raws = struct.Struct(f"{code}{2 * (self.at + self.count - reached)}x")
        self._rules = tuple(
            (
                places[point.at],
                None if point.scale_at is None else places[point.scale_at],
                point.name,
                point.scale,
                point.offset,
                point.value_min,
                point.value_max,
                point.absent,
                point,
            )
            for point in values
            if isinstance(point, Point)
        )
        self._bits = tuple(
            (places[word.at], bit.name, 1 << bit.bit) for word in values if isinstance(word, Word) for bit in word.bits
        )

    def decode(self, registers: tuple[int, ...]) -> tuple[Sample, ...]:
        """One sample for each name, quantities first; `registers` are the block's `count`."""
        samples = []
        raws = self._raws.unpack(self._words.pack(*registers))
        for place, power, name, scale, offset, lowest, highest, absent, point in self._rules:
            raw = raws[place]
            value = raw * scale + offset if power is None else raw * scale * _ten_to(raws[power]) + offset
            if lowest <= value <= highest and raw not in absent:  # NaN and the infinities fail the comparison
                samples.append(Sample(name, value))
            else:
                samples.append(Sample(name, None, _why_bad(point, raw, value)))
        for place, name, mask in self._bits:
            samples.append(Sample(name, 1.0 if raws[place] & mask else 0.0))
        return tuple(samples)

    def halved(self) -> tuple["Block", ...]:
        """Two blocks split at the widest hole (of several: the one nearest the middle); none if it has one value."""
        if len(self.values) < 2:
            return ()
        middle = self.at + self.count / 2
        cut = max(
            range(1, len(self.values)),
            key=lambda place: (
                self.values[place].first - self.values[place - 1].end,
                -abs(self.values[place].first - middle),
            ),
        )
        return tuple(Block(half, self._profile, self.table) for half in (self.values[:cut], self.values[cut:]))


def plan_reads(profile: Profile, *, fast: bool) -> tuple[Block, ...]:
    """The reads that bring all fast values, or all the others: the fewest, and of those the ones with least to read."""
    tables: tuple[AnyTable, ...] = ("holding", "input", "discrete", "coil")
    return tuple(
        block
        for table in sorted(tables, key=lambda table: table != profile.table)
        for block in _plan_table(profile, table, fast)
    )


def _plan_table(profile: Profile, table: AnyTable, fast: bool) -> tuple[Block, ...]:
    limit = min(profile.registers_max, FAST_REGISTERS_MAX) if fast else profile.registers_max
    if table in ("coil", "discrete"):
        limit = BITS_MAX
    values = tuple(value for value in _values(profile, table) if value.fast is fast)
    # The best plan for the first n values is a best plan for fewer of them and one block more.
    plans: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]  # reads, registers, where each block ends
    for end in range(1, len(values) + 1):
        candidates = []
        reached = 0
        for start in range(end - 1, -1, -1):
            reached = max(reached, values[start].end)
            registers = reached - values[start].first
            if start < end - 1 and (registers > limit or not _joins(values[start], values[start + 1], profile, table)):
                break
            reads_before, registers_before, ends = plans[start]
            candidates.append((reads_before + 1, registers_before + registers, (*ends, end)))
        plans.append(min(candidates))
    ends = plans[-1][2]
    return tuple(Block(values[start:end], profile, table) for start, end in zip((0, *ends), ends, strict=False))


def _values(profile: Profile, table: AnyTable) -> list[Value]:
    """Everything that the profile has in a table, in the order of addresses."""
    words: dict[int, tuple[Bit, ...]] = {}
    for bit in profile.bits:
        if bit.table == table:
            words[bit.at] = (*words.get(bit.at, ()), bit)
    points = profile.points if table == profile.table else ()
    values: list[Value] = [*points, *(Word(at, bits) for at, bits in words.items())]
    return sorted(values, key=lambda value: (value.first, value.at))


def decode_value(kind: Kind, registers: tuple[int, ...], word_order: Literal["big", "little"]) -> float:
    """The raw number in the first registers of these."""
    order = ">" if word_order == "big" else "<"
    words = struct.pack(f"{order}{kind.registers}H", *registers[: kind.registers])
    value: float = struct.unpack(order + kind.code, words)[0]
    return value


def _joins(left: Value, right: Value, profile: Profile, table: AnyTable) -> bool:
    """Whether one read may go from `left` on to `right`."""
    spans = profile.readable if table == profile.table else ()
    span = _span(left, spans)
    if span != _span(right, spans):
        return False
    return span is not None or right.first - left.end <= HOLE_MAX


def _span(value: Value, spans: tuple[tuple[int, int], ...]) -> tuple[int, int] | None:
    """The readable span that holds the whole value."""
    return next((span for span in spans if span[0] <= value.first and value.end <= span[1]), None)


def _names(value: Value) -> tuple[str, ...]:
    return (value.name,) if isinstance(value, Point) else tuple(bit.name for bit in value.bits)


def _ten_to(power: int) -> float:
    return 10.0**power if -POWER_MAX <= power <= POWER_MAX else math.nan


def _why_bad(point: Point, raw: float, value: float) -> str:
    if raw in point.absent:
        return f"absent ({raw:#x})" if isinstance(raw, int) else f"absent ({raw:g})"
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinite"
    if value < point.value_min:
        return f"{value:g} is below {point.value_min:g}"
    return f"{value:g} is above {point.value_max:g}"
