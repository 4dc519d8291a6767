"""Read plans and decoding: properties over any profile, and vectors worked out by hand."""

import math
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.plan import FAST_REGISTERS_MAX, HOLE_MAX, Block, decode_value, plan_reads
from drivers.points import POINTS
from drivers.profile import KINDS, Bit, Point, Profile, inverted
from drivers.sample import Sample


def profile(points: tuple[Point, ...], **others: object) -> Profile:
    settings = {"word_order": "big", "registers_max": 125, "table": "holding", **others}
    return Profile(name="made-up", source="a test", points=points, **settings)  # type: ignore[arg-type]


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    names = draw(st.lists(st.sampled_from(sorted(POINTS)), min_size=1, unique=True))
    at = draw(st.integers(0, 60_000))
    points = []
    for name in names:
        at += draw(st.one_of(st.just(0), st.integers(0, 2 * HOLE_MAX), st.integers(0, 300)))
        kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
        points.append(Point(name, at, kind, fast=draw(st.booleans())))
        at += kind.registers
    spans = []
    if draw(st.booleans()):
        edges = sorted(draw(st.lists(st.integers(points[0].at, at), min_size=2, max_size=4, unique=True)))
        spans = [(first, last) for first, last in zip(edges[::2], edges[1::2], strict=False)]
    return profile(
        tuple(points),
        registers_max=draw(st.integers(4, 125)),
        word_order=draw(st.sampled_from(["big", "little"])),
        readable=tuple(spans),
    )


@given(profiles(), st.booleans())
def test_a_plan_reads_every_point_of_its_class_once_and_whole(made: Profile, fast: bool) -> None:
    plan = plan_reads(made, fast=fast)

    planned = [point for block in plan for point in block.values]
    assert planned == [point for point in made.points if point.fast is fast]
    for block in plan:
        assert block.at == block.values[0].at  # so neither end is inside a value
        assert block.at + block.count == block.values[-1].end


@given(profiles(), st.booleans())
def test_no_read_is_longer_than_the_device_answers_nor_a_fast_one_than_two_in_one_segment(
    made: Profile, fast: bool
) -> None:
    for block in plan_reads(made, fast=fast):
        assert block.count <= made.registers_max
        assert not fast or block.count <= FAST_REGISTERS_MAX


@given(profiles(), st.booleans())
def test_no_read_crosses_a_wide_hole_outside_a_readable_span_nor_the_edge_of_one(made: Profile, fast: bool) -> None:
    for block in plan_reads(made, fast=fast):
        inside = [
            next((span for span in made.readable if span[0] <= p.at and p.end <= span[1]), None) for p in block.values
        ]
        assert len(set(inside)) == 1
        if inside[0] is None:
            holes = [right.at - left.end for left, right in pairwise(block.values)]
            assert max(holes, default=0) <= HOLE_MAX


@given(profiles(), st.booleans())
def test_no_two_neighbouring_reads_could_be_one(made: Profile, fast: bool) -> None:
    plan = plan_reads(made, fast=fast)
    limit = min(made.registers_max, FAST_REGISTERS_MAX) if fast else made.registers_max

    for left, right in pairwise(plan):
        points = tuple(value for value in (*left.values, *right.values) if isinstance(value, Point))
        both = profile(points, registers_max=limit, readable=made.readable)
        one = plan_reads(both, fast=fast)
        assert len(one) == 2


@given(profiles(), st.booleans(), st.data())
def test_decoding_a_block_is_decoding_each_of_its_points(made: Profile, fast: bool, data: st.DataObject) -> None:
    for block in plan_reads(made, fast=fast):
        registers = tuple(data.draw(st.lists(st.integers(0, 0xFFFF), min_size=block.count, max_size=block.count)))

        samples = block.decode(registers)

        points = [value for value in block.values if isinstance(value, Point)]
        assert tuple(sample.point for sample in samples) == block.names
        for sample, point in zip(samples, points, strict=True):
            alone = decode_value(point.kind, registers[point.at - block.at :], made.word_order)
            if sample.value is None:
                assert not math.isfinite(alone)
                assert sample.bad
            else:
                assert sample.value == float(alone)
                assert sample.bad == ""


@given(profiles(), st.booleans())
def test_halving_a_block_loses_no_point(made: Profile, fast: bool) -> None:
    for block in plan_reads(made, fast=fast):
        halves = block.halved()

        assert len(halves) == (2 if len(block.values) > 1 else 0)
        if halves:
            assert halves[0].values + halves[1].values == block.values
            assert all(half.values for half in halves)


def test_a_block_is_halved_at_its_widest_hole() -> None:
    kind = KINDS["uint16"]
    points = (
        Point("power_w", 0, kind),
        Point("frequency_hz", 1, kind),
        Point("voltage_l1_v", 7, kind),
        Point("voltage_l2_v", 9, kind),
    )
    (block,) = plan_reads(profile(points), fast=False)

    left, right = block.halved()

    assert (left.at, left.count) == (0, 2)
    assert (right.at, right.count) == (7, 3)


# Each worked out by hand: IEEE 754 and two's complement, bytes inside a register always high first.
VECTORS = [
    ("int16", "big", (0xFFFE,), -2.0),
    ("uint16", "big", (0xFFFE,), 65534.0),
    ("int32", "big", (0xFFFF, 0xFFFE), -2.0),
    ("int32", "little", (0xFFFE, 0xFFFF), -2.0),
    ("uint32", "big", (0x0001, 0x0002), 65538.0),
    ("uint32", "little", (0x0002, 0x0001), 65538.0),
    ("int64", "big", (0xFFFF, 0xFFFF, 0xFFFF, 0xFF9C), -100.0),
    ("int64", "little", (0xFF9C, 0xFFFF, 0xFFFF, 0xFFFF), -100.0),
    ("uint64", "big", (0x0000, 0x0001, 0x0000, 0x0005), 4294967301.0),
    ("uint64", "little", (0x0005, 0x0000, 0x0001, 0x0000), 4294967301.0),
    ("float32", "big", (0x4366, 0x8000), 230.5),  # 0x43668000: 2**7 * (1 + 0x668000 / 2**23)
    ("float32", "little", (0x8000, 0x4366), 230.5),
    ("float64", "big", (0x4059, 0x0000, 0x0000, 0x0000), 100.0),
    ("float64", "little", (0x0000, 0x0000, 0x0000, 0x4059), 100.0),
]


@pytest.mark.parametrize(("kind", "order", "registers", "value"), VECTORS)
def test_a_number_is_read_as_worked_out_by_hand(
    kind: str, order: str, registers: tuple[int, ...], value: float
) -> None:
    (block,) = plan_reads(profile((Point("power_w", 100, KINDS[kind]),), word_order=order), fast=False)

    assert block.decode(registers) == (Sample("power_w", value),)


def test_what_lies_between_two_points_is_skipped() -> None:
    points = (Point("power_w", 0, KINDS["int32"]), Point("frequency_hz", 5, KINDS["uint16"], scale=0.25))
    (block,) = plan_reads(profile(points), fast=False)

    samples = block.decode((0, 1000, 0xDEAD, 0xDEAD, 0xDEAD, 201))

    assert samples == (Sample("power_w", 1000.0), Sample("frequency_hz", 50.25))


def only(point: Point, *registers: int) -> Sample:
    (block,) = plan_reads(profile((point,)), fast=False)
    (sample,) = block.decode(registers)
    return sample


def words(value: float) -> tuple[int, ...]:
    return struct.unpack(">2H", struct.pack(">f", value))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "not a number"),
        (math.inf, "infinite"),
        (-math.inf, "infinite"),
        (-1.0, "-1 is below 0"),
        (101.0, "101 is above 100"),
        (-9999.0, "absent (-9999)"),
    ],
)
def test_what_is_no_plausible_number_has_no_value_and_says_why(value: float, why: str) -> None:
    absent = frozenset({-9999.0})
    point = Point("frequency_hz", 0, KINDS["float32"], absent=absent, value_min=0, value_max=100)

    assert only(point, *words(value)) == Sample("frequency_hz", None, why)


def test_an_absent_integer_is_told_before_scale_and_offset() -> None:
    point = Point("power_w", 0, KINDS["int32"], scale=10.0, absent=frozenset({0x7FFF_FFFF}))

    assert only(point, 0x7FFF, 0xFFFF) == Sample("power_w", None, "absent (0x7fffffff)")
    assert only(point, 0x7FFF, 0xFFFE).value == (0x7FFF_FFFE) * 10.0


def test_a_value_is_raw_times_scale_plus_offset() -> None:
    point = Point("power_w", 0, KINDS["uint16"], scale=0.5, offset=-300.0)

    assert only(point, 3000) == Sample("power_w", 1200.0)


def test_a_meter_whose_transformers_face_the_other_way_is_read_with_its_sign_turned() -> None:
    kind = KINDS["int16"]
    points = (
        Point("power_w", 0, kind, scale=10.0, value_min=-100.0, value_max=50_000.0),
        Point("frequency_hz", 1, kind, scale=0.01),
        Point("energy_import_wh", 2, kind),
        Point("energy_export_wh", 3, kind),
    )
    (block,) = plan_reads(inverted(profile(points)), fast=False)

    assert block.decode((200, 5000, 7, 8)) == (
        Sample("power_w", -2000.0),
        Sample("frequency_hz", 50.0),
        Sample("energy_export_wh", 7.0),
        Sample("energy_import_wh", 8.0),
    )
    assert block.decode((0xFFF0, 5000, 7, 8))[0].bad == "160 is above 100"


def test_a_block_decodes_only_its_own_length() -> None:
    block = Block((Point("power_w", 0, KINDS["int32"]),), profile((Point("power_w", 0, KINDS["int32"]),)), "holding")

    with pytest.raises(struct.error):
        block.decode((1,))


def test_the_bits_of_a_register_are_read_along_with_its_neighbours() -> None:
    bits = (Bit("leak", "holding", 4, 0), Bit("level_low", "holding", 4, 3), Bit("permit", "holding", 5, 15))
    made = profile((Point("coolant_c", 0, KINDS["int16"], scale=0.1, fast=True),), bits=bits)
    (block,) = plan_reads(made, fast=True)

    samples = block.decode((523, 0xFFFF, 0xFFFF, 0xFFFF, 0x0008, 0x8000))

    assert (block.table, block.at, block.count) == ("holding", 0, 6)
    assert {sample.point: sample.value for sample in samples} == {
        "coolant_c": pytest.approx(52.3),
        "leak": 0.0,
        "level_low": 1.0,
        "permit": 1.0,
    }
    assert block.names == ("coolant_c", "leak", "level_low", "permit")
    assert plan_reads(made, fast=False) == ()


def test_tables_of_bits_have_reads_of_their_own() -> None:
    bits = (Bit("di1", "discrete", 0), Bit("di9", "discrete", 8), Bit("do1", "coil", 0), Bit("far", "discrete", 500))

    plan = plan_reads(profile((), bits=bits), fast=True)

    assert [(block.table, block.at, block.count) for block in plan] == [
        ("discrete", 0, 9),
        ("discrete", 500, 1),
        ("coil", 0, 1),
    ]
    assert plan[0].decode((1, 0, 0, 0, 0, 0, 0, 0, 1)) == (Sample("di1", 1.0), Sample("di9", 1.0))


def test_a_value_and_its_power_of_ten_are_read_together() -> None:
    kind = KINDS["int16"]
    points = (
        Point("voltage_l1_v", 8, kind, scale_at=15, fast=True),
        Point("frequency_hz", 16, kind, scale_at=17, fast=True),
        Point("power_w", 18, kind, scale_at=22, fast=True),
        Point("power_l1_w", 19, kind, scale_at=22, fast=True),
    )
    (block,) = plan_reads(profile(points), fast=True)
    registers = [0xDEAD] * 15
    registers[0], registers[7] = 2301, 0xFFFF  # 10^-1
    registers[8], registers[9] = 6001, 0xFFFE  # 10^-2
    registers[10], registers[11], registers[14] = 0xFF00, 1000, 2  # -256 * 10^2

    samples = {sample.point: sample.value for sample in block.decode(tuple(registers))}

    assert (block.at, block.count) == (8, 15)
    assert samples == {
        "voltage_l1_v": pytest.approx(230.1),
        "frequency_hz": pytest.approx(60.01),
        "power_w": -25600.0,
        "power_l1_w": 100_000.0,
    }


@pytest.mark.parametrize("power", [0x8000, 11, 0xFFF5])
def test_a_value_without_a_power_of_ten_is_no_number(power: int) -> None:
    (block,) = plan_reads(profile((Point("power_w", 0, KINDS["int16"], scale_at=1),)), fast=False)

    assert block.decode((100, power)) == (Sample("power_w", None, "not a number"),)
