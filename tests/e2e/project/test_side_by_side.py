"""The slow tests run side by side, as the Makefile asks for it: a file's tests in one worker."""

import os
import re
import subprocess
import sys

from tests.project.tree import ROOT

FILES = ("tests/e2e/shell/test_notify.py", "tests/e2e/miners/test_dial.py")


def test_the_tests_of_one_file_run_in_one_worker() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    parallel = re.search(r"^PARALLEL := (.*)$", makefile, re.MULTILINE)
    assert parallel is not None
    asked = [sys.executable, "-m", "pytest", "--verbose", "--verbose", *FILES, *parallel[1].split()]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}

    ran = subprocess.run(asked, cwd=ROOT, env=outside, capture_output=True, text=True, timeout=120, check=False)

    workers: dict[str, set[str]] = {file: set() for file in FILES}
    for worker, file in re.findall(r"^\[(gw\d+)\].* (tests/\S+?\.py)::", ran.stdout, re.MULTILINE):
        workers[file].add(worker)
    assert {file: len(found) for file, found in workers.items()} == dict.fromkeys(FILES, 1), ran.stdout
