"""What the bench needs of the machine, and one exception for what it lacks."""

import os
import platform
from pathlib import Path


class BenchError(Exception):
    """The bench can't go on; the text says what to do."""


def describe() -> str:
    """One line about the machine that figures were taken on."""
    cpus = len(os.sched_getaffinity(0))
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith(("model name", "Model"))
    ]
    model = models[0] if models else platform.machine()
    return f"{cpus} CPUs ({model}), load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
