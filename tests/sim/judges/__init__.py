"""Judges: they know only the outside. One function for each thing that always holds (design.md, section 4).

A judge takes an Outside (outside.py) and gives a list of Faults; none of them ever sees the agent. Where the outside
alone can't tell (a load moved by itself an instant before), a judge is lenient, and says so.
"""

from collections.abc import Callable, Sequence

from tests.sim.judges.events import judge_one_event_from_begin_to_end
from tests.sim.judges.gear import (
    judge_contactor_closes_carefully,
    judge_faulty_contactor_is_latched,
    judge_silent_switchgear_is_left_alone,
)
from tests.sim.judges.gone import judge_gone_raises_nothing, judge_lapsed_lease_lowers_its_gpu
from tests.sim.judges.outside import Fault, Outside
from tests.sim.judges.people import (
    judge_contested_is_not_fought,
    judge_held_is_not_raised,
    judge_local_gets_heartbeats_alone,
)
from tests.sim.judges.raises import (
    judge_raise_after_minimum_off,
    judge_raise_knows_its_load,
    judge_raise_knows_the_net,
    judge_raise_of_what_we_lowered,
    judge_raise_within_limit,
    judge_raise_within_ramp_and_jump,
)
from tests.sim.judges.records import (
    judge_commands_answered_as_they_deserve,
    judge_records_signed_sequenced_chained,
)
from tests.sim.judges.sheds import (
    judge_blind_goes_to_fallback,
    judge_crossing_sheds,
    judge_nothing_shed_without_cause,
    judge_observe_reads_alone,
)
from tests.sim.judges.tanks import (
    judge_tank_latches_after_its_returns,
    judge_tank_permits_before_a_raise,
    judge_tank_plc_gets_heartbeats_alone,
    judge_tank_trip_lowers_its_loads,
)

Judge = Callable[[Outside], list[Fault]]

JUDGES: Sequence[Judge] = (
    judge_nothing_shed_without_cause,
    judge_crossing_sheds,
    judge_blind_goes_to_fallback,
    judge_observe_reads_alone,
    judge_raise_of_what_we_lowered,
    judge_raise_after_minimum_off,
    judge_raise_knows_its_load,
    judge_raise_knows_the_net,
    judge_raise_within_ramp_and_jump,
    judge_raise_within_limit,
    judge_records_signed_sequenced_chained,
    judge_commands_answered_as_they_deserve,
    judge_one_event_from_begin_to_end,
    judge_tank_trip_lowers_its_loads,
    judge_tank_permits_before_a_raise,
    judge_tank_latches_after_its_returns,
    judge_tank_plc_gets_heartbeats_alone,
    judge_contactor_closes_carefully,
    judge_silent_switchgear_is_left_alone,
    judge_faulty_contactor_is_latched,
    judge_held_is_not_raised,
    judge_local_gets_heartbeats_alone,
    judge_contested_is_not_fought,
    judge_gone_raises_nothing,
    judge_lapsed_lease_lowers_its_gpu,
)


def judge_all(outside: Outside) -> list[Fault]:
    """What every judge says."""
    return [fault for judge in JUDGES for fault in judge(outside)]
