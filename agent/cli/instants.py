"""Instants for people: UTC to the millisecond, or the machine's own clock where the wall clock was not trusted."""

from datetime import UTC, datetime


def instant(now_ns: int, wall_ms: int | None) -> str:
    """When something was."""
    if wall_ms is None:
        return f"{now_ns / 1e9:.3f} s"
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
