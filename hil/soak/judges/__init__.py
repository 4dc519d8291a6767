"""Judges: they know only the outside. One function for each thing that always holds (design.md, section 4).

A judge takes a trace and says how often it had something to judge and what was wrong. None of them ever sees the agent.
"""

from collections.abc import Callable, Sequence

from hil.soak.judges.equipment import (
    judge_absence_raises_nothing,
    judge_contactor_closes,
    judge_gpu_bounds,
    judge_gpu_leases,
    judge_local_is_left_alone,
    judge_pumps_are_left_alone,
)
from hil.soak.judges.raises import (
    judge_minimum_off,
    judge_raise_knows_the_net,
    judge_raise_needs_permits,
    judge_raise_of_what_we_lowered,
    judge_raise_within_limit,
    judge_ramp,
    judge_ramp_at_the_plant,
    judge_tags,
)
from hil.soak.judges.records import judge_commands, judge_events, judge_records_are_whole
from hil.soak.judges.sheds import (
    judge_all_came_back,
    judge_blind_goes_to_fallback,
    judge_crossing_sheds,
    judge_limits_are_kept,
    judge_nothing_sheds_without_cause,
    judge_silence_sheds_nothing,
    judge_silent_tank_sheds,
    judge_tank_sheds,
)
from hil.soak.judges.view import Broken, Judged
from hil.soak.trace import Trace

Judge = Callable[[Trace], Judged]

JUDGES: Sequence[Judge] = (
    judge_crossing_sheds,
    judge_nothing_sheds_without_cause,
    judge_silence_sheds_nothing,
    judge_tank_sheds,
    judge_silent_tank_sheds,
    judge_limits_are_kept,
    judge_blind_goes_to_fallback,
    judge_all_came_back,
    judge_raise_of_what_we_lowered,
    judge_minimum_off,
    judge_ramp,
    judge_ramp_at_the_plant,
    judge_raise_knows_the_net,
    judge_raise_within_limit,
    judge_raise_needs_permits,
    judge_tags,
    judge_contactor_closes,
    judge_local_is_left_alone,
    judge_pumps_are_left_alone,
    judge_absence_raises_nothing,
    judge_gpu_leases,
    judge_gpu_bounds,
    judge_records_are_whole,
    judge_events,
    judge_commands,
)


def judge_all(trace: Trace) -> list[Judged]:
    """What every judge says."""
    return [judge(trace) for judge in JUDGES]


__all__ = ["JUDGES", "Broken", "Judge", "Judged", "judge_all"]
