"""The packaged profiles of PLCs: each is loaded, named as its file, sourced, and read as its comments say."""

import pytest

from drivers.modbus.plan import plan_reads
from drivers.profile import load_profile, packaged_profiles, wired

PLCS = tuple(name for name in packaged_profiles() if load_profile(name).is_plc)

# (table, first, last) of each fast read, and of each slow one.
PLANS = {
    "contactors-16": ([("holding", 1, 4), ("discrete", 0, 47)], [("holding", 3, 3)]),
    "orv3-rpu": ([("holding", 36864, 36887)], [("holding", 6565, 6572), ("holding", 36870, 36881)]),
    "two-phase-tank": ([("holding", 0, 19)], [("holding", 20, 20)]),
}


def test_these_are_packaged() -> None:
    assert tuple(PLANS) == PLCS


@pytest.mark.parametrize("name", PLCS)
def test_a_packaged_plc_names_itself_and_where_its_addresses_come_from(name: str) -> None:
    profile = load_profile(name)

    assert profile.name == name
    assert len(profile.source) > 20


@pytest.mark.parametrize("name", PLCS)
def test_a_plc_is_read_in_these_blocks(name: str) -> None:
    profile = wired(load_profile(name), {})

    fast, slow = (
        [(block.table, block.at, block.at + block.count - 1) for block in plan_reads(profile, fast=fast)]
        for fast in (True, False)
    )

    assert (fast, slow) == PLANS[name]


def test_the_example_sites_names_for_bits_replace_the_profiles() -> None:
    names = {"q52g_open": "di1", "k1_52a": "di2", "k1_52b": "di3", "estop_ok": "di4", "estop_too": "di4"}

    profile = wired(load_profile("contactors-16"), names)

    bits = {bit.name: (bit.table, bit.at) for bit in profile.bits}
    assert {bits[name] for name in ("estop_ok", "estop_too")} == {("discrete", 3)}
    assert bits["k1_52a"] == ("discrete", 1)
    assert "di1" not in bits
    assert bits["di5"] == ("discrete", 4)
    assert [coil.name for coil in profile.coils] == [f"k{number}" for number in range(1, 17)]


def test_what_the_cooling_rules_of_the_example_site_name_is_polled_fast() -> None:
    profile = load_profile("two-phase-tank")

    fast = {point.name for point in profile.points if point.fast}
    assert fast >= {"vapor_pressure_kpa_g", "condenser_flow_lpm", "coolant_level_pct", "coolant_c"}
    assert {"permit", "leak", "level_low", "comm_lost"} <= {bit.name for bit in profile.bits if bit.fast}
