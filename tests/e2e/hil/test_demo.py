"""`make demo` as a newcomer runs it: the installed agent, the broker and the stand-ins as processes, about 170 s."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.apart(180)
def test_the_demo_passes_every_step_and_leaves_a_report_that_needs_nothing_else(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "hil.demo", "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr + (tmp_path / "agent.log").read_text()
    assert "\x1b" not in finished.stdout  # no terminal: plain lines
    assert "SIMULATED" in finished.stdout
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|url\(|@import", report)
    assert "Everything shaded is simulated" in report
    assert report.count('<div class="drawing wide"><svg') == report.count('<div class="drawing narrow"><svg') == 4
