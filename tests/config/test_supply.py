"""[ride_through], [enter_service] and [[maintenance]]: what they become and what must hold of them."""

from datetime import datetime
from pathlib import Path

import pytest

from agent.config import load
from agent.core.site import Maintenance, SupplyLimits
from agent.core.values import NS_PER_S
from agent.translate import translate
from tests.config.sites import SITE, faults_of, written

TABLES = """
[ride_through]
curve = [[0.0, 150], [0.5, 300], [0.9, 10000]]

[enter_service]
window = { v_pu_min = 0.9, hz_max = 50.2, for_s = 60 }

[[maintenance]]
circuit = "hall"
from = 2026-12-01T08:00:00
to = 2026-12-01T16:00:00
effect = "no_raise"
"""


def test_they_reach_the_core_in_its_own_units(tmp_path: Path) -> None:
    file = load(written(tmp_path, SITE.replace("nominal_hz", 'timezone = "America/Chicago"\nnominal_hz') + TABLES))

    site = translate(file, {}).site

    assert file.maintenance[0].start == datetime(2026, 12, 1, 8)
    curve = ((0.0, 150_000_000), (0.5, 300_000_000), (0.9, 10_000_000_000))
    assert site.supply.hz_min == pytest.approx(50 * 59.5 / 60)
    assert site.supply == SupplyLimits(curve, 0.9, 1.05, site.supply.hz_min, 50.2, 60 * NS_PER_S)
    assert site.maintenance == (Maintenance("hall", 1_796_133_600_000, 1_796_162_400_000),)


def test_without_them_a_dead_bus_is_an_outage_and_the_standards_window_holds(tmp_path: Path) -> None:
    supply = translate(load(written(tmp_path)), {}).site.supply

    assert (supply.curve, supply.v_pu_min, supply.v_pu_max) == (((0.5, NS_PER_S),), 0.917, 1.05)
    assert supply.for_ns == 300 * NS_PER_S


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("[0.5, 300]", "[0.95, 300]", "curve[2] = [0.9, 10000]: does not rise"),
        ("[0.5, 300]", "[0.5, 100]", "curve[1] = [0.5, 100]: does not rise"),
        ("[0.9, 10000]", "[90, 10000]", "curve[2] = [90, 10000]: not a point of such a curve; write [per-unit voltage"),
        ("curve = [[0.0, 150], [0.5, 300], [0.9, 10000]]", "curve = []", "curve = []: empty"),
        ("curve = [[0.0, 150], [0.5, 300], [0.9, 10000]]", "", "curve: missing"),
        ("hz_max = 50.2", "hz_max = 49.9", "hz_max = 49.9: at or below nominal: nothing would ever return"),
        ("hz_max = 50.2", "hz_min = 50.0", "hz_min = 50.0: at or above nominal"),
        ("v_pu_min = 0.9", "v_pu_min = 9", "window.v_pu_min = 9: too high"),
        ("for_s = 60 }", 'for_s = 60 }\noutage_when = "gear.x"', 'there is no [[plc]] "gear"'),
        ('circuit = "hall"\nfrom', 'circuit = "hal"\nfrom', "there is no [[circuit]] of this id"),
        ("T16:00:00", "T06:00:00", "not after from; write when the work is over"),
        ("to = 2026-12-01T16:00:00", 'to = "soon"', "to"),
        ('"no_raise"', '"off"', 'effect = "off": no such choice'),
    ],
)
def test_each_slip_is_told_with_its_mend(tmp_path: Path, before: str, after: str, expected: str) -> None:
    assert before in TABLES

    (fault,) = faults_of(written(tmp_path, SITE + TABLES.replace(before, after)))

    assert expected in str(fault)
