"""`ballast-hil run --fast` as a person runs it: every fast scenario passes against stand-ins."""

import subprocess
import sys
from pathlib import Path

import pytest

from hil.results import Verdict, load


@pytest.mark.apart(200)
def test_the_fast_scenarios_pass_against_stand_ins(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hil", "run", "--fast", "--out", str(tmp_path)]

    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    result = load(tmp_path)
    others = [f"{one.name}: {one.why}" for one in result.scenarios if one.verdict is not Verdict.PASSED]
    assert others == [], finished.stdout + finished.stderr
    assert len(result.scenarios) >= 30
    assert finished.returncode == 0
    assert (tmp_path / "report.html").exists()
