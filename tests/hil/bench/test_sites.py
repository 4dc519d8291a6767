"""Every site of the bench is one that the agent accepts, and sheds what is timed."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from agent.config import load
from hil.bench.programs import FED, Fleet
from hil.bench.sites import TANK_MS, write_site


@pytest.mark.parametrize("what", ["volleys", "loss", "hung", "polls", "coil", "tank", "gpus"])
@pytest.mark.parametrize("miners", [60, 8000])
def test_it_is_accepted(tmp_path: Path, what: str, miners: int) -> None:
    fleet = SimpleNamespace(
        net=23,
        miners=miners,
        dialect="avalon",
        meter_port=1502,
        plc_port=1503,
        address=lambda miner: f"127.23.{miner // 250}.{miner % 250 + 1}",
    )

    file = load(write_site(tmp_path, cast(Fleet, fleet), what, 1883, 10))

    assert len(file.miners[0].hosts) == miners
    assert [len(file.contactors), len(file.gpus), len(file.plcs)] == {
        "coil": [1, 0, 1],
        "tank": [0, 0, 1],
        "gpus": [0, 1, 0],
    }.get(what, [0, 0, 0])
    assert sum(host.string == "east" for host in file.miners[0].hosts) == FED
    assert all(plc.fast_ms == TANK_MS for plc in file.plcs if plc.id == "tank-a")
