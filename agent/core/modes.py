"""Modes: where one circuit stands.

BOOT       nothing is assumed. Reductions work; raises wait until every load was heard or given up on,
           and nothing else but that ends it: a meter that is silent meanwhile makes it BLIND after.
NORMAL     nothing of ours is down.
SHEDDING   a cut is out and the meter has not judged it yet, or the circuit still stands above its bound.
HOLDING    it is under its bound; what was lowered stays down.
RETURNING  the bound is gone or leaves room: loads come back by ramp. One tick takes it back to SHEDDING.
BLIND      its power cannot be known: down by ramp to the fallback, nothing rises.
LATCHED    a tank that tripped too often: it stays off until somebody on site acknowledges.

            ALL_HEARD            OVER            BOUND, LIFTED       LIFTED              RESTORED
   BOOT ----------------> NORMAL -----> SHEDDING ----------> HOLDING ----------> RETURNING ----------> NORMAL
                            ^              ^  OVER              | ^   BOUND         | OVER
                            |              +--------------------+ +-----------------+--> SHEDDING
                            |                     RESTORED      |
                            +-----------------------------------+
   any --LOST--> BLIND --FOUND--> HOLDING        any --LATCH--> LATCHED --BOUND, LIFTED, RESTORED--> HOLDING
"""

from enum import StrEnum

from agent.core.state import Mode


class Cue(StrEnum):
    """What may move a circuit from one mode to another; at most one a decision, the first that holds in this order."""

    LATCH = "latch"  # it is latched
    LOST = "lost"  # its power has been unknown for blind_after
    FOUND = "found"  # it is known again
    ALL_HEARD = "all heard"
    OVER = "over"  # a cut is out, or the circuit stands above its bound
    RESTORED = "restored"  # nothing of ours is down
    LIFTED = "lifted"  # something is down and may come back
    BOUND = "bound"  # something is down and must stay


# What may follow what. A pair that is missing changes nothing, on purpose.
NEXT = {
    (Mode.BOOT, Cue.LOST): Mode.BLIND,
    (Mode.BOOT, Cue.ALL_HEARD): Mode.NORMAL,
    (Mode.NORMAL, Cue.LOST): Mode.BLIND,
    (Mode.NORMAL, Cue.OVER): Mode.SHEDDING,
    (Mode.NORMAL, Cue.BOUND): Mode.HOLDING,  # found after a restart
    (Mode.NORMAL, Cue.LIFTED): Mode.HOLDING,
    (Mode.SHEDDING, Cue.LOST): Mode.BLIND,
    (Mode.SHEDDING, Cue.RESTORED): Mode.NORMAL,
    (Mode.SHEDDING, Cue.LIFTED): Mode.HOLDING,
    (Mode.SHEDDING, Cue.BOUND): Mode.HOLDING,
    (Mode.HOLDING, Cue.LOST): Mode.BLIND,
    (Mode.HOLDING, Cue.OVER): Mode.SHEDDING,
    (Mode.HOLDING, Cue.LIFTED): Mode.RETURNING,
    (Mode.HOLDING, Cue.RESTORED): Mode.NORMAL,
    (Mode.RETURNING, Cue.LOST): Mode.BLIND,
    (Mode.RETURNING, Cue.OVER): Mode.SHEDDING,
    (Mode.RETURNING, Cue.BOUND): Mode.HOLDING,
    (Mode.RETURNING, Cue.RESTORED): Mode.NORMAL,
    (Mode.BLIND, Cue.FOUND): Mode.HOLDING,
    (Mode.LATCHED, Cue.BOUND): Mode.HOLDING,  # acknowledged
    (Mode.LATCHED, Cue.LIFTED): Mode.HOLDING,
    (Mode.LATCHED, Cue.RESTORED): Mode.HOLDING,
}


def after(mode: Mode, cue: Cue | None) -> Mode:
    """The mode that follows."""
    if cue is Cue.LATCH:
        return Mode.LATCHED
    return mode if cue is None else NEXT.get((mode, cue), mode)
