"""The packaged profiles of meters: each is loaded, named as its file, sourced, and read as its comments say."""

import pytest

from drivers.modbus.plan import plan_reads
from drivers.profile import load_profile, packaged_profiles

# (first, last) register of each fast read, and of each slow one.
PLANS = {
    "eastron-sdm630": ([(0, 17), (52, 71)], [(6, 75)]),
    "janitza-umg604": ([(19000, 19051)], [(19006, 19077)]),
    "siemens-pac3200": ([(1, 30), (55, 66)], [(7, 70), (801, 812)]),
}


METERS = tuple(name for name in packaged_profiles() if not load_profile(name).is_plc)


def test_these_are_packaged() -> None:
    assert tuple(PLANS) == METERS


@pytest.mark.parametrize("name", METERS)
def test_a_packaged_profile_names_itself_and_where_its_addresses_come_from(name: str) -> None:
    profile = load_profile(name)

    assert profile.name == name
    assert len(profile.source) > 20


@pytest.mark.parametrize("name", METERS)
def test_what_a_rule_decides_from_is_polled_fast(name: str) -> None:
    fast = {point.name for point in load_profile(name).points if point.fast}

    assert fast >= {"power_w", "frequency_hz", "voltage_l1_v", "voltage_l2_v", "voltage_l3_v"}


@pytest.mark.parametrize("name", METERS)
def test_it_is_read_in_these_blocks(name: str) -> None:
    profile = load_profile(name)

    fast, slow = (
        [(block.at, block.at + block.count - 1) for block in plan_reads(profile, fast=fast)] for fast in (True, False)
    )

    assert (fast, slow) == PLANS[name]
