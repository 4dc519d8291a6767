"""The clock seam: the one reader of time. Control time is monotonic; wall time only names and stamps records.

uvloop's loop.time() moves in 1 ms steps, so nothing is ever stamped with it. The simulation replaces this file's Clock.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Where every stamp comes from."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never step; comparable between processes of one boot of the machine (CLOCK_MONOTONIC)."""
        ...

    def wall_ms(self) -> int | None:
        """Unix milliseconds, or None while the wall clock is certainly wrong (before 2026-01-01)."""
        ...

    def machine_boot(self) -> str:
        """A text that changes when the machine boots: within one, monotonic times survive a restart of the agent."""
        ...


_WALL_MS_MIN = 1_767_225_600_000  # 2026-01-01: an edge controller without its clock battery starts in 1970


class SystemClock:
    """The machine's own clocks."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ms(self) -> int | None:
        now_ms = time.time_ns() // 1_000_000
        return now_ms if now_ms >= _WALL_MS_MIN else None

    def machine_boot(self) -> str:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
