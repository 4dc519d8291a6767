"""Schedules: a circuit goes to `to_w` at set times of the site's own day, and coincident peaks, which are such times.

schedule          what the operator has arranged: class command
coincident_peak   the hours in which the grid's highest interval of a month is likely (ERCOT's 4CP: a quarter of an hour
                  in each of June to September sets a year of transmission charges; grid-and-ai.md 1.1): class contract.
                  Which hour it will be is not known here: the rule keeps the draw low in all of them

Times are local, days by their names; a time whose end is before its begin is after midnight, and belongs to the day
on which it began. While the wall clock is not trusted nothing begins, and what has begun goes on: that is an alarm.
"""

from msgspec import Struct

from agent.core.bounds import Bound
from agent.core.rules.asked import Answer, Asked
from agent.core.site import BoundClass
from agent.core.state import Event

NO_CLOCK = "the clock is not trusted: no time begins, and none ends"


class Hours(Struct, frozen=True):
    """A time of day on some days of some months."""

    from_min: int  # minutes after midnight
    to_min: int
    days: frozenset[int]  # 0: Monday
    months: frozenset[int]  # 1: January


class Schedule(Struct, frozen=True, tag="schedule"):
    """The rule as configured; also of kind coincident_peak."""

    id: str
    circuit: str
    to_w: float
    hours: tuple[Hours, ...]
    cls: BoundClass = BoundClass.COMMAND
    acts: bool = True


class ScheduleMemory(Struct, frozen=True):
    """Whether it was one of its times when the clock was last trusted."""

    on: bool


def decide_schedule(rule: Schedule, asked: Asked, event: Event | None) -> Answer:
    """The bound while it is one of the rule's times."""
    local = asked.image.local_time
    if local is None:
        memory = asked.memory
        on = isinstance(memory, ScheduleMemory) and memory.on
    else:
        on = any(within(hours, *local) for hours in rule.hours)
    bounds = (Bound(rule.circuit, rule.id, rule.id, rule.cls, rule.to_w, acts=rule.acts, begins=True),) if on else ()
    return Answer(bounds, ScheduleMemory(on), NO_CLOCK if local is None else "")


def within(hours: Hours, month: int, weekday: int, minute: int) -> bool:
    """Whether a local time is one of these; after midnight, of the day before."""
    if hours.from_min < hours.to_min:
        return month in hours.months and weekday in hours.days and hours.from_min <= minute < hours.to_min
    if minute >= hours.from_min:
        return month in hours.months and weekday in hours.days
    return month in hours.months and (weekday - 1) % 7 in hours.days and minute < hours.to_min
