"""The gate: what a frequency must pass before it may drive a rule (design.md section 4, invariant 2).

fresh           the meter answered within its freshness
alive           some fast register changed within five refreshes; a meter that repeats itself is dead or frozen
voltage         between 0.5 and 1.3 of nominal on two phases: a dead bus reports plausible-looking nonsense
                (Toledo 2025-04-28 kept on sliding from 47.4 Hz for an hour with no voltage)
range           45 to 65 Hz
slope           at most 10 Hz/s: the newest frequency against that of the newest refresh at least 100 ms older than when
                it was first shown; it never waits. A frequency that a slow meter goes on showing is compared with what
                came before it, not with itself, until it has stood for five refreshes

Frequencies are rounded to 1 mHz first: a 32-bit float cannot hold 49.5 and 59.7 equally well.
"""

from msgspec import Struct

from agent.core.image import Image
from agent.core.state import Refresh
from agent.core.tree import MeterKeys
from agent.core.values import NS_PER_MS, NS_PER_S, fresh_value

HZ_MIN, HZ_MAX = 45.0, 65.0
SLOPE_HZ_PER_S_MAX = 10.0
SLOPE_NS_MIN = 100 * NS_PER_MS
VOLTAGE_PU_MIN, VOLTAGE_PU_MAX = 0.5, 1.3
PHASES_MIN = 2
STOOD_REFRESHES = 5


class Gated(Struct, frozen=True):
    """A frequency that may be believed, or why there is none."""

    hz: float | None
    why: str = ""  # one of the reasons below; no formatting on the path


SILENT = Gated(None, "frequency is silent")
FROZEN = Gated(None, "meter repeats itself")
NO_VOLTAGE = Gated(None, "voltage outside 0.5 to 1.3 of nominal on two phases")
ABSURD = Gated(None, "frequency outside 45 to 65 Hz")
STEEP = Gated(None, "frequency moves faster than 10 Hz/s")
UNPROVEN = Gated(None, "no earlier frequency to compare with")


def gate(keys: MeterKeys, refreshes: tuple[Refresh, ...], image: Image, now_ns: int) -> Gated:
    """The frequency of a meter, if it passes."""
    hz = fresh_value(image.points.get(keys.frequency), now_ns, keys.fresh_ns)
    if hz is None:
        return SILENT
    pulse = image.pulses.get(keys.meter.id)
    if pulse is None or now_ns - pulse.changed_ns > keys.alive_ns:
        return FROZEN
    alive = 0
    for key in keys.voltages:
        volts = fresh_value(image.points.get(key), now_ns, keys.fresh_ns)
        if volts is not None:
            per_unit = volts / keys.meter.nominal_ln_v
            alive += VOLTAGE_PU_MIN <= per_unit <= VOLTAGE_PU_MAX
    if alive < PHASES_MIN:
        return NO_VOLTAGE
    hz = round(hz, 3)
    if not HZ_MIN <= hz <= HZ_MAX:
        return ABSURD
    return _unless_steep(hz, image.points[keys.frequency].taken_ns, refreshes)


def _unless_steep(hz: float, taken_ns: int, refreshes: tuple[Refresh, ...]) -> Gated:
    shown_ns, stood = taken_ns, 0
    other: Refresh | None = None  # the newest that shows something else
    for refresh in reversed(refreshes):
        if refresh.frequency_hz is None:
            continue
        if other is None and round(refresh.frequency_hz, 3) == hz:
            shown_ns, stood = refresh.taken_ns, stood + 1
            if stood >= STOOD_REFRESHES:
                return Gated(hz)
            continue
        other = refresh
        older_ns = shown_ns - refresh.taken_ns
        if older_ns >= SLOPE_NS_MIN:
            slope = abs(hz - refresh.frequency_hz) * NS_PER_S / older_ns
            return STEEP if slope > SLOPE_HZ_PER_S_MAX else Gated(hz)
    # Nothing else was ever shown: a crossing is still to come, and needs only that there was something before it.
    return Gated(hz) if other is None and taken_ns - shown_ns >= SLOPE_NS_MIN else UNPROVEN
