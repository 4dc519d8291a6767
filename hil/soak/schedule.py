"""When which mischief comes: drawn from a seed beforehand, so that a run can be had again.

The agent is killed and stopped in the first EARLY of a run alone: what then remains is one long life, whose memory and
descriptors can be looked at for growth. What makes a frequency rule shed comes again only when the site has healed from
the last time, and nothing else disturbs the frequency before that rule lets go: one that wants to see a quarter of an
hour of good frequency would else hold for ever, and nothing would return.

Times between two beginnings are exponential around EVERY_S divided by the rate; kinds come by their weight. A kind
comes no later than leaves it its duration and the site its time to heal before the run ends.
"""

from collections.abc import Sequence
from random import Random

from msgspec import Struct

from hil.soak.mischief import MISCHIEF
from hil.soak.mischief.kinds import Mischief
from hil.soak.site import Rules

EVERY_S = 45.0
FIRST_S = 3.0
AT_ONCE_MAX = 3  # more, and hardly anything could be judged
EARLY = 1 / 3
FREQUENCY = frozenset({"grid", "meter"})  # what uses these is seen by a frequency rule
_SLACK_S = 50.0  # loads' own ramps, people who look after it, polls


class Planned(Struct, frozen=True):
    """One mischief to come."""

    at_s: float
    kind: Mischief
    lasts_s: float
    seed: float


def heal_s(rules: Rules, loads_w: float) -> dict[str, float]:
    """How long the site needs after each sort of mischief until all is back."""
    back_s = loads_w / rules.ramp_up_w_per_s + max(rules.min_off_ns, rules.tank_permit_for_ns) / 1e9
    shed_s = back_s + rules.min_open_ns / 1e9
    return {"soon": 0.0, "shed": shed_s, "grid": shed_s + rules.release_for_ns / 1e9}


def draw_schedule(
    seed: int, for_s: float, rate: float, heals_s: dict[str, float], kinds: Sequence[Mischief] = MISCHIEF
) -> list[Planned]:
    """All that is to come, by its time."""
    random, planned = Random(f"soak {seed}"), list[Planned]()
    at_s, healed_s, released_s = FIRST_S, 0.0, 0.0
    while at_s < for_s:
        lasts = {kind.name: random.uniform(*kind.seconds) for kind in kinds}
        fitting = [kind for kind in kinds if at_s + kind.seconds[1] + heals_s[kind.heals] + _SLACK_S < for_s]
        fitting = [kind for kind in fitting if at_s < for_s * EARLY or "agent" not in kind.uses]
        fitting = [kind for kind in fitting if at_s >= healed_s or kind.heals != "grid"]
        fitting = [kind for kind in fitting if at_s >= released_s or not kind.uses & FREQUENCY]
        if not fitting:
            break
        kind = random.choices(fitting, [kind.weight for kind in fitting])[0]
        planned.append(Planned(at_s, kind, lasts[kind.name], random.random()))
        if kind.heals == "grid":
            healed_s = at_s + lasts[kind.name] + heals_s["grid"] + _SLACK_S
            released_s = healed_s - heals_s["shed"]
        at_s += random.expovariate(rate / EVERY_S)
    return planned
