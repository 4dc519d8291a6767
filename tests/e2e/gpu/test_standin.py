"""The stand-in as a program of its own, and the comparison with nvidia-smi against one that says known values."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.gpu import compare
from hil.gpu.fake import FakeDriver
from tests.e2e.gpu.asking import Gpud, all_ok, asking

Start = Callable[..., Gpud]


def test_the_stand_in_says_where_its_library_is_and_obeys(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hil.gpu", "--folder", str(tmp_path), "--gpus", "2"]
    lines = [{"do": "lose", "at": 1}, {"do": "hang", "function": "*"}, {"do": "dance"}, {"do": "gpus"}]

    said = subprocess.run(
        command, input="\n".join(map(json.dumps, lines)), capture_output=True, text=True, check=True, timeout=60
    )

    ready, *answers = map(json.loads, said.stdout.splitlines())
    assert ready["ready"]
    assert ready["environment"] == {"LD_LIBRARY_PATH": str(tmp_path), "FAKE_NVML": str(tmp_path / "nvml.state")}
    assert len(ready["gpus"]) == 2
    assert answers[:2] == [{"ok": None}, {"ok": None}]
    assert "dance" in answers[2]["error"]
    assert answers[3]["ok"][0]["limit_w"] == 700.0


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("650.02, 700.00, 700.00, 92, 67, 76, 1980, 2619", ""),
        ("550.00, 700.00, 700.00, 92, 67, 76, 1980, 2619", "power.draw.instant: nvidia-smi 550.0"),
        ("650.02, 700.00, 700.00, 92, 67, [N/A], 1980, 2619", "temperature.memory: nvidia-smi None"),
    ],
)
def test_readings_that_differ_from_nvidia_smi_are_found(
    driver: FakeDriver, start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, found: str
) -> None:
    rows = [f"{driver.uuid(at)}, 650.02, 700.00, 700.00, 92, 67, 76, 1980, 2619" for at in range(1, 4)]
    smi = tmp_path / "nvidia-smi"
    smi.write_text("\n".join(["#!/bin/sh", "cat <<'end'", f"{driver.uuid(0)}, {row}", *rows, "end", ""]))
    smi.chmod(0o755)
    gpud = start()
    asyncio.run(_settled(gpud))

    status = compare.main(["--socket", str(gpud.path), "--nvidia-smi", str(smi), "--times", "1"])

    assert status == (1 if found else 0)
    assert found in capsys.readouterr().out


async def _settled(gpud: Gpud) -> None:
    async with asking(gpud) as asked:
        await asked.until(lambda gpus: all_ok(gpus) and min(gpu.power_w or 0 for gpu in gpus) > 649.9)
