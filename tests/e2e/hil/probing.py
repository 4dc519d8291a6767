"""`ballast-hil probe` as a person runs it, and what it wrote."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from msgspec import Struct

_PATIENCE_S = 120.0


class Probed(Struct, frozen=True):
    """One run."""

    code: int
    errors: str
    folder: Path
    report: dict[str, Any]  # empty when there is none

    def finding(self, name: str) -> tuple[str, str]:
        """Verdict and words of one."""
        found = [one for one in self.report["findings"] if one["name"] == name]
        assert len(found) == 1, f"{name}: {len(found)} of {[one['name'] for one in self.report['findings']]}"
        return found[0]["verdict"], f"{found[0]['said']}; {found[0].get('mend', '')}"


def command(folder: Path, *words: str) -> list[str]:
    """What is run."""
    return [sys.executable, "-m", "hil", "probe", "--json", "--out", str(folder), *words]


def run_probe(folder: Path, *words: str, environment: dict[str, str] | None = None, typed: str = "") -> Probed:
    """Runs it to its end; `typed` is what a person answers."""
    ran = subprocess.run(
        command(folder, *words),
        input=typed,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
        env=os.environ | (environment or {}),
        cwd=Path(__file__).parents[3],
    )
    report = json.loads(ran.stdout) if ran.stdout.startswith("{") else {}
    return Probed(ran.returncode, ran.stderr, folder, report)
