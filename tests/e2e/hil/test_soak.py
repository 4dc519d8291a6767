"""A short soak from a fixed seed: fifty of the example's miners, its long times made short, many faults."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HOURS = 96 / 3600
SEED = 104


@pytest.mark.apart(90)
def test_a_short_soak_finds_nothing_and_writes_its_trace_and_page(tmp_path: Path) -> None:
    out = tmp_path / "soak"
    command = [str(Path(sys.executable).parent / "ballast-hil"), "soak", "--hours", f"{HOURS:.5f}", "--seed", str(SEED)]
    command += ["--fault-rate", "15", "--brisk", "--miners", "50", "--out", str(out), "--json"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    found = json.loads(done.stdout)
    judged = {judge["judge"]: judge["judged"] for judge in found["judges"]}
    assert judged["records are whole"] > 50
    assert judged["all came back"] > 0
    assert found["faults"]
    assert (out / "soak.html").exists()
