"""What the site's own clock on the wall would show: for schedules; control itself is monotonic."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class LocalTime:
    """Month, weekday (0: Monday) and minute of the day in one zone; worked out once a minute."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._minute = -1
        self._found: tuple[int, int, int] = (1, 0, 0)

    def __call__(self, wall_ms: int | None) -> tuple[int, int, int] | None:
        """None while the wall clock is not trusted."""
        if wall_ms is None:
            return None
        minute = wall_ms // 60_000
        if minute != self._minute:
            at = datetime.fromtimestamp(minute * 60, UTC).astimezone(self._zone)
            self._minute, self._found = minute, (at.month, at.weekday(), 60 * at.hour + at.minute)
        return self._found
