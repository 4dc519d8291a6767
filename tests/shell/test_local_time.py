"""The site's own time, over midnight, the change to winter time, and a clock that is not trusted."""

import pytest

from agent.shell.local_time import LocalTime


@pytest.mark.parametrize(
    ("wall_ms", "zone", "expected"),
    [
        (1_781_535_600_000, "America/Chicago", (6, 0, 600)),  # 2026-06-15 15:00 UTC, a Monday
        (1_781_499_600_000, "America/Chicago", (6, 0, 0)),
        (1_781_499_599_000, "America/Chicago", (6, 6, 1439)),
        (1_792_886_400_000, "Europe/Madrid", (10, 6, 120)),  # 2026-10-25 00:00 UTC: summer time
        (1_792_893_600_000, "Europe/Madrid", (10, 6, 180)),  # two hours later: winter time
        (None, "UTC", None),
    ],
)
def test_what_the_clock_on_the_wall_shows(
    wall_ms: int | None, zone: str, expected: tuple[int, int, int] | None
) -> None:
    assert LocalTime(zone)(wall_ms) == expected
