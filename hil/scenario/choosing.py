"""A scenario on a rig: with which of its devices, or why not."""

from msgspec import Struct

from hil.rig_file import RigFile
from hil.rig_whole import WholeRig
from hil.scenario.file import Scenario
from hil.scenario.place import not_here, not_on_this_rig


class Chosen(Struct, frozen=True):
    """One scenario and the part of the rig that it uses; `why_not` is empty when it can be played."""

    scenario: Scenario
    rig: RigFile | None
    why_not: str


def choose(scenario: Scenario, rig: RigFile) -> Chosen:
    """Looks at it before anything is started."""
    try:
        part = rig.choose(scenario.head.uses, scenario.stand_in)
    except ValueError as error:
        return Chosen(scenario, None, str(error))
    why_not = not_on_this_rig(scenario, WholeRig(part), part) or not_here(scenario)
    return Chosen(scenario, part, why_not)
