"""The packaged profiles: each is loaded, named as its file, sourced, and read as its comments say."""

import pytest

from drivers.modbus.plan import FAST_REGISTERS_MAX, Block, plan_reads
from drivers.points import POINTS
from drivers.profile import Point, Profile, load_profile, packaged_profiles

# (first, last) register of each fast read, and of each slow one; SunSpec's count from the model's ID.
PLANS = {
    "abb-b23": ([(0x5B00, 0x5B2C)], [(0x5000, 0x5007), (0x5B0C, 0x5B3A)]),
    "accuenergy-acuvim-ii": ([(0x4000, 0x4023)], [(0x400A, 0x403B), (0x4048, 0x404B)]),
    "carlo-gavazzi-em24": (
        [(0x00, 0x05), (0x28, 0x29), (0x37, 0x37)],
        [(0x0C, 0x0D), (0x0E, 0x17), (0x35, 0x35), (0x42, 0x43), (0x5C, 0x5D)],
    ),
    "carlo-gavazzi-em24-e1": ([(0x00, 0x17), (0x28, 0x33)], [(0x0C, 0x11), (0x31, 0x35), (0x4E, 0x4F)]),
    "carlo-gavazzi-em340": ([(0x00, 0x17), (0x28, 0x33)], [(0x0C, 0x11), (0x31, 0x35), (0x4E, 0x4F)]),
    "chint-dtsu666": ([(0x2006, 0x2019), (0x2044, 0x2045)], [(0x101E, 0x1029), (0x2000, 0x201B), (0x202A, 0x202B)]),
    "eastron-sdm230": ([(0, 1), (12, 13), (70, 71)], [(6, 7), (18, 31), (72, 75)]),
    "eastron-sdm630": ([(0, 17), (52, 71)], [(6, 75)]),
    "eig-shark-100": ([(0x0383, 0x0388), (0x03E7, 0x0402)], [(0x03ED, 0x0400)]),
    "janitza-umg604": ([(19000, 19051)], [(19006, 19077)]),
    "phoenix-eem-ma770": ([(0x8006, 0x8023)], [(0x800E, 0x8013), (0x8100, 0x8107)]),
    "schneider-iem3000": ([(3027, 3032), (3053, 3110)], [(2999, 3024), (3067, 3076), (3203, 3210)]),
    "schneider-pm8000": ([(3027, 3032), (3053, 3110)], [(2699, 2702), (2999, 3024), (3067, 3076)]),
    "sel-751a": ([(674, 689)], [(650, 691)]),
    "siemens-pac3200": ([(1, 30), (55, 66)], [(7, 70), (801, 812)]),
    "socomec-diris-a10": ([(0xC558, 0xC575)], [(0xC552, 0xC56D), (0xC65C, 0xC663)]),
    "sunspec": ([(8, 22)], [(3, 54)]),
    "sunspec-float": ([(12, 35)], [(4, 69)]),
    "wattnode-wnc": ([(1008, 1033)], [(1006, 1031), (1114, 1115), (1138, 1167)]),
    "ziehl-efr4001ip": ([(0xB0, 0xDB)], [(0xB6, 0xCB), (0x15C, 0x165)]),
}
# One phase: what it has of three.
ONE_PHASE = ("eastron-sdm230",)
MAKERS_MIN = 12
# The most that any meter means: 10 GW is the Shark's own range.
HIGHEST = {"power_w": 1e10, "frequency_hz": 100.0, **{f"voltage_l{phase}_v": 1e6 for phase in (1, 2, 3)}}

PROFILES = {name: load_profile(name) for name in packaged_profiles()}
METERS = tuple(name for name, profile in PROFILES.items() if not profile.is_plc)


def blocks(profile: Profile) -> list[tuple[bool, Block]]:
    return [(fast, block) for fast in (True, False) for block in plan_reads(profile, fast=fast)]


def highest(point: Point) -> float:
    """The highest number that it lets through."""
    if point.kind.is_float or point.scale_at is not None:
        return point.value_max
    return min(point.value_max, 2.0 ** (16 * point.kind.registers) * point.scale)


def test_these_are_packaged() -> None:
    assert tuple(PLANS) == METERS


def test_they_are_of_at_least_twelve_makers_and_say_numbers_in_every_way() -> None:
    makers = {name.split("-")[0] for name in METERS if not PROFILES[name].sunspec}
    kinds = {point.kind.name for name in METERS for point in PROFILES[name].points}

    assert len(makers) >= MAKERS_MIN
    assert kinds == {"int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"}
    assert {PROFILES[name].word_order for name in METERS} == {"big", "little"}


@pytest.mark.parametrize("name", PROFILES)
def test_a_packaged_profile_names_itself_and_where_its_addresses_come_from(name: str) -> None:
    assert PROFILES[name].name == name
    assert len(PROFILES[name].source) > 20


@pytest.mark.parametrize("name", PROFILES)
def test_its_points_are_of_the_vocabulary(name: str) -> None:
    names = [point.name for point in PROFILES[name].points]

    assert len(set(names)) == len(names)
    assert set(names) <= POINTS.keys()


@pytest.mark.parametrize("name", PROFILES)
def test_its_reads_are_within_its_limit_and_hold_every_value_whole_and_once(name: str) -> None:
    profile = PROFILES[name]

    read = [value for _, block in blocks(profile) for value in block.values]

    assert sorted(name for _, block in blocks(profile) for name in block.names) == sorted(
        [point.name for point in profile.points] + [bit.name for bit in profile.bits]
    )
    assert len(set(read)) == len(read)
    for fast, block in blocks(profile):
        if block.table in ("holding", "input"):
            assert block.count <= (min(FAST_REGISTERS_MAX, profile.registers_max) if fast else profile.registers_max)
        for value in block.values:
            assert block.at <= value.first < value.end <= block.at + block.count


@pytest.mark.parametrize("name", METERS)
def test_what_a_rule_decides_from_is_polled_fast(name: str) -> None:
    fast = {point.name for point in PROFILES[name].points if point.fast}

    assert fast >= {"power_w", "frequency_hz", "voltage_l1_v"}
    assert name in ONE_PHASE or fast >= {"voltage_l2_v", "voltage_l3_v"}


@pytest.mark.parametrize("name", METERS)
def test_what_a_rule_decides_from_is_bounded_so_that_nonsense_is_no_number(name: str) -> None:
    for point in PROFILES[name].points:
        if point.name in HIGHEST:
            assert highest(point) <= HIGHEST[point.name], point.name


@pytest.mark.parametrize("name", METERS)
def test_it_is_read_in_these_blocks(name: str) -> None:
    fast, slow = (
        [(block.at, block.at + block.count - 1) for block in plan_reads(PROFILES[name], fast=fast)]
        for fast in (True, False)
    )

    assert (fast, slow) == PLANS[name]


def test_both_lists_of_sunspec_have_the_same_points_so_that_one_name_stands_for_either() -> None:
    integers, floats = PROFILES["sunspec"], PROFILES["sunspec-float"]

    assert {(point.name, point.fast) for point in integers.points} == {
        (point.name, point.fast) for point in floats.points
    }
    assert not set(integers.sunspec) & set(floats.sunspec)
