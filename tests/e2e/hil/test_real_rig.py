"""A rig whose devices are real: played by stand-ins that this program knows by their addresses alone.

What a rig can't do to real devices is told before anything is started, and is no pass.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.loopback import free_block
from hil.remote import RigProcess
from hil.results import RunResult, Verdict, load
from hil.rig import MeterConfig, MinerGroup, RigConfig
from hil.rig_file import STAND_INS

MINERS = 6
METER = """[[meter]]
id = "main"
{where}
site = {{ profile = "janitza-umg604", nominal_ln_v = 27600, fast_ms = 40, slow_ms = 1000, refresh_ms = 100 }}
"""
BENCH = """name = "bench"

[figures]
nominal_hz = 50.0
limit_kw = 60.0
full_kw = 25.8
load_kw = 3.24
shed_kw = 8.0
fallback_kw = 15.0

[circuit]
id = "poi"
limit_kw = 60
unmetered_kw = 6
ramp_up_kw_per_min = 300
jump_up_kw = 10
fallback_kw = 15
ramp_down_kw_per_min = 300
blind_after_s = 2

{meter}
[[miners]]
id = "a"
hosts = [{hosts}]
parts = [{{ name = "east", count = 3 }}, {{ name = "west", count = 3 }}]
site = {{ family = "cgminer", rated_w = 3300, sleep_w = 60, min_off_s = 2, min_on_s = 1, poll_s = 1 }}
"""


@pytest.fixture
def hardware() -> Iterator[RigProcess]:
    miners = MinerGroup(free_block(), MINERS, family="cgminer")
    with RigProcess(RigConfig(miners=(miners,), meters=(MeterConfig(refresh_ms=100),), unmetered_w=6_000.0)) as rig:
        yield rig


def run(folder: Path, hardware: RigProcess, where: str, *scenarios: str) -> tuple[int, RunResult]:
    hosts = ", ".join(f'"{miner.partition(":")[0]}"' for miner in hardware.miners)
    rig = folder / "bench.toml"
    rig.write_text(BENCH.format(meter=METER.format(where=where), hosts=hosts), encoding="utf-8")
    command = [sys.executable, "-m", "hil", "run", *scenarios, "--rig", str(rig), "--out", str(folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (folder / "out" / "results.json").exists(), done.stderr
    return done.returncode, load(folder / "out")


def address(hardware: RigProcess) -> str:
    host, port = hardware.meters["main"]
    return f"tcp://{host}:{port}"


def test_a_scenario_that_asks_no_more_than_real_devices_show_is_played_on_them(
    tmp_path: Path, hardware: RigProcess
) -> None:
    code, result = run(tmp_path, hardware, f'at = "{address(hardware)}"', "limit-on-any-rig", "frequency-crossing")

    limit, crossing = result.scenario("limit-on-any-rig"), result.scenario("frequency-crossing")
    assert limit is not None
    assert limit.verdict is Verdict.PASSED, limit
    assert set(result.rig_real) == {"main", "a"}
    assert crossing is not None
    assert crossing.verdict is Verdict.NOT_RUNNABLE
    assert crossing.why == "main is real (meter): no frequency is to be had of it"
    assert code == 1


def test_a_stand_in_meter_follows_the_real_one_so_that_a_frequency_can_be_played_to_real_loads(
    tmp_path: Path, hardware: RigProcess
) -> None:
    scenario = tmp_path / "drop.toml"
    scenario.write_text(
        """
[scenario]
title = "A drop on a bench"
stands_for = "rule under_frequency"

[[site.rule]]
id = "ufr"
kind = "under_frequency"
circuit = "poi"
shed_below_hz = 49.5
shed_kw = "=shed_kw"
release = { above_hz = 49.9, for_s = 1 }

[[at]]
id = "drop"
after_s = 1
do = "frequency"
hz = 49.3

[[at]]
do = "wait"
for = { event = "delivered", rule = "ufr" }
within_s = 60

[[expect]]
that = "delivered"
after = "drop"
kw = "=0.9 * shed_kw"
""",
        encoding="utf-8",
    )
    where = f'follows = {{ at = "{address(hardware)}" }}\nstand_in = {{ refresh_ms = 100 }}'

    code, result = run(tmp_path, hardware, where, str(scenario))

    assert [one.verdict for one in result.scenarios] == [Verdict.PASSED], result.scenarios
    assert code == 0
    assert hardware.do("state")["watts"] < 20_000.0


def test_the_rig_that_comes_with_it_has_no_real_device() -> None:
    assert "hosts" not in STAND_INS.read_text(encoding="utf-8")
