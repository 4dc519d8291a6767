"""Which registers to ask for together, and how to read the answer; worked out once, when a meter is set up.

A block is one read: from the first to behind the last of its points. Points go into one block while it stays within the
device's longest read, never with part of a value. What lies between two points is read along when the profile calls
the span readable, and elsewhere over at most HOLE_MAX registers, since some devices refuse a read that touches a
register they do not have. A block never crosses the edge of a readable span.

Decoding is the hot path of a 50 Hz meter: the registers are packed into bytes and unpacked by one struct made for the
block (0.85 us for 20 floats where pymodbus's converter takes 13 to 26, measured). Low word first needs no shuffling:
registers packed low byte first give the mirror image of the whole value, which is read low byte first.
"""

import math
import struct
from itertools import pairwise
from typing import Literal

from drivers.profile import Kind, Point, Profile
from drivers.sample import Sample

HOLE_MAX = 8  # unread registers between two points of which nothing is known; what careful clients of such meters use
# pymodbus drops both when a late reply and the right one come in one segment of more than 264 bytes: two replies of
# at most 61 registers fit (9 bytes of header each).
FAST_REGISTERS_MAX = 60


class Block:
    """One read, and its decoding."""

    def __init__(self, points: tuple[Point, ...], profile: Profile) -> None:
        """`points` in the order of their addresses."""
        self.points = points
        self.at = points[0].at
        self.count = points[-1].end - self.at
        self._profile = profile
        order = ">" if profile.word_order == "big" else "<"
        holes = [0, *(2 * (right.at - left.end) for left, right in pairwise(points))]
        self._words = struct.Struct(f"{order}{self.count}H")
        self._values = struct.Struct(
            order + "".join(f"{hole}x{point.kind.code}" for hole, point in zip(holes, points, strict=True))
        )
        self._rules = tuple(
            (point.name, point.scale, point.offset, point.value_min, point.value_max, point.absent, point)
            for point in points
        )

    def decode(self, registers: tuple[int, ...]) -> tuple[Sample, ...]:
        """One sample for each point; `registers` are the block's `count`."""
        samples = []
        raws = self._values.unpack(self._words.pack(*registers))
        for raw, (name, scale, offset, lowest, highest, absent, point) in zip(raws, self._rules, strict=True):
            value = raw * scale + offset
            if lowest <= value <= highest and raw not in absent:  # NaN and the infinities fail the comparison
                samples.append(Sample(name, value))
            else:
                samples.append(Sample(name, None, _why_bad(point, raw, value)))
        return tuple(samples)

    def halved(self) -> tuple["Block", ...]:
        """Two blocks split at the widest hole (of several: the one nearest the middle); none if it has one point."""
        if len(self.points) < 2:
            return ()
        middle = self.at + self.count / 2
        cut = max(
            range(1, len(self.points)),
            key=lambda place: (
                self.points[place].at - self.points[place - 1].end,
                -abs(self.points[place].at - middle),
            ),
        )
        return Block(self.points[:cut], self._profile), Block(self.points[cut:], self._profile)


def plan_reads(profile: Profile, *, fast: bool) -> tuple[Block, ...]:
    """The reads that bring all fast points, or all the others: the fewest, and of those the ones with least to read."""
    limit = min(profile.registers_max, FAST_REGISTERS_MAX) if fast else profile.registers_max
    points = tuple(sorted((p for p in profile.points if p.fast is fast), key=lambda point: point.at))
    # The best plan for the first n points is a best plan for fewer of them and one block more.
    plans: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]  # reads, registers, where each block ends
    for end in range(1, len(points) + 1):
        candidates = []
        for start in range(end - 1, -1, -1):
            registers = points[end - 1].end - points[start].at
            if registers > limit or (start < end - 1 and not _joins(points[start], points[start + 1], profile)):
                break
            reads_before, registers_before, ends = plans[start]
            candidates.append((reads_before + 1, registers_before + registers, (*ends, end)))
        plans.append(min(candidates))
    ends = plans[-1][2]
    return tuple(Block(points[start:end], profile) for start, end in zip((0, *ends), ends, strict=False))


def decode_value(kind: Kind, registers: tuple[int, ...], word_order: Literal["big", "little"]) -> float:
    """The raw number in the first registers of these."""
    order = ">" if word_order == "big" else "<"
    words = struct.pack(f"{order}{kind.registers}H", *registers[: kind.registers])
    value: float = struct.unpack(order + kind.code, words)[0]
    return value


def _joins(left: Point, right: Point, profile: Profile) -> bool:
    """Whether one read may go from `left` on to `right`."""
    span = _span(left, profile)
    if span != _span(right, profile):
        return False
    return span is not None or right.at - left.end <= HOLE_MAX


def _span(point: Point, profile: Profile) -> tuple[int, int] | None:
    """The readable span that holds the whole value."""
    return next((span for span in profile.readable if span[0] <= point.at and point.end <= span[1]), None)


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
