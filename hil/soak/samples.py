"""What the machine says of our programs every few seconds: memory, descriptors, threads, processor time, disk.

A program is its process and those that it started (gpud has a worker).
"""

import contextlib
import time
from pathlib import Path

import psutil

from hil.soak.trace import Sample


def sample(program: str, pid: int, state: Path) -> Sample | None:
    """One sample; None when the program is gone."""
    rss_bytes = descriptors = threads = 0
    cpu_s = 0.0
    try:
        whole = psutil.Process(pid)
        for process in (whole, *whole.children(recursive=True)):
            rss_bytes += process.memory_info().rss
            descriptors += process.num_fds()
            threads += process.num_threads()
            times = process.cpu_times()
            cpu_s += times.user + times.system
    except psutil.NoSuchProcess:
        return None
    return Sample(time.monotonic_ns(), program, pid, rss_bytes, descriptors, threads, cpu_s, bytes_of(state))


def bytes_of(folder: Path) -> int:
    """What its files hold."""
    held = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # replaced meanwhile
            held += path.stat().st_size if path.is_file() else 0
    return held
