"""`ballast-hil probe` against meters and PLCs: stand-ins, and a libmodbus program that shares no code with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.contactors import ContactorsConfig
from hil.remote import RigProcess
from hil.rig import MeterConfig, RigConfig
from hil.tank import TankConfig
from tests.e2e.hil.probing import run_probe

_REFRESH_MS = {"main": 200.0, "sdm": 100.0}


@pytest.fixture(scope="module")
def rig() -> Iterator[RigProcess]:
    config = RigConfig(
        meters=(
            MeterConfig(refresh_ms=_REFRESH_MS["main"]),
            MeterConfig(id="sdm", layout="eastron-sdm630", unit_id=2, refresh_ms=_REFRESH_MS["sdm"]),
        ),
        tanks=(TankConfig(id="tank", serial=True), TankConfig(id="tcp-tank", unit_id=5)),
        switchgears=(ContactorsConfig(id="gear", unit_id=20),),
        nominal_ln_v=230.0,
        unmetered_w=30_000.0,
    )
    with RigProcess(config) as rig:
        yield rig


def _at(rig: RigProcess, meter: str) -> str:
    host, port = rig.meters[meter]
    return f"{host}:{port}"


def _true_refresh_ms(rig: RigProcess, meter: str) -> float:
    """What the stand-in really did, by its own stamps."""
    stamps = [row["changed_ns"] for row in rig.do("stamps")["meters"][meter]]
    return float((stamps[-1] - stamps[0]) / 1e6 / (len(stamps) - 1))


def test_a_meter_is_measured_as_it_is(rig: RigProcess, tmp_path: Path) -> None:
    rig.do("clear")

    probed = run_probe(tmp_path, "--meter", _at(rig, "main"), "--profile", "janitza-umg604", "--seconds", "5")

    measured = probed.report["measured"]
    assert probed.code == 0, probed.errors
    assert measured["renewals"]["power_w"]["refresh_ms"] == pytest.approx(_true_refresh_ms(rig, "main"), rel=0.1)
    assert measured["renewals"]["frequency_hz"]["refresh_ms"] is None  # the grid stands still
    assert measured["connections"] >= 2
    assert measured["reply_ms"]["p50"] <= measured["reply_ms"]["p99"] <= measured["reply_ms"]["max"]
    assert probed.finding("illegal address")[0] == "good"
    assert probed.finding("two at once")[0] == "good"
    assert "11" in probed.finding("unknown unit")[1]
    assert probed.finding("sum of phases")[0] == "good"
    assert not rig.do("traffic")["meters"]["main"]["writes"]


def test_without_a_profile_the_one_that_fits_is_found(rig: RigProcess, tmp_path: Path) -> None:
    probed = run_probe(tmp_path, "--meter", _at(rig, "sdm"), "--unit", "2", "--seconds", "2")

    assert probed.code == 0, probed.errors
    assert probed.finding("profile")[1].startswith("eastron-sdm630 fits")
    assert probed.report["measured"]["registers_max"] == 80
    assert "exception 3" in probed.finding("longest read")[1]
