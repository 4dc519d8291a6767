"""Whether numbers that were read can be a site's voltages and frequency, and by which word order, table and base. Pure.

A wrong word order, table, base or scale hardly ever gives a frequency from 45 to 65 Hz together with a voltage that
belongs to a grid: a float with its words exchanged is next to nothing or astronomic (231.37 V reads 6.6e18), an integer
is 65,536 times what it was. So the right reading is the one in which most of these quantities are plausible.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from hil.probe.sheet import Item

_VOLTS = (30.0, 500_000.0)  # line to neutral or between lines, where nobody said what is nominal
_HERTZ = (45.0, 65.0)
_CALM = 3.0  # times the steadiest way's jumps: as steady
_STEADY = 1e-5  # so small that it is no jump at all
_ALIVE = (0.5, 1.3)  # of the nominal voltage, as the agent's gate has it


class Reading(Struct, frozen=True):
    """One way to read the device: its table, how far all addresses are shifted, its word order."""

    table: str
    shift: int
    order: str


class Fit(Struct, frozen=True):
    """What came of it."""

    reading: Reading
    plausible: tuple[str, ...]
    wrong: tuple[str, ...]  # what stood there, and cannot be so: "voltage_l1_v = 6.6e+18"
    values: dict[str, float]

    @property
    def score(self) -> int:
        """How much speaks for it."""
        return len(self.plausible) - len(self.wrong)

    @property
    def fits(self) -> bool:
        """A frequency and a voltage that can be."""
        return "frequency_hz" in self.plausible and any(name.startswith("voltage_") for name in self.plausible)


def tellers(items: Sequence[Item]) -> tuple[Item, ...]:
    """The quantities that can be judged."""
    return tuple(item for item in items if item.name == "frequency_hz" or item.name.startswith("voltage_l"))


def judge(items: Sequence[Item], registers: dict[int, int], reading: Reading, nominal_ln_v: float | None) -> Fit:
    """Read these items in one way; `registers` by address, as the device gave them."""
    moved = {at - reading.shift: word for at, word in registers.items()}
    values = {item.name: value for item in items if (value := item.value(moved, reading.order)) is not None}
    plausible = tuple(name for name, value in values.items() if plausible_value(name, value, nominal_ln_v))
    # A phase that is not wired reads 0: that is no sign against the reading, nor for it.
    wrong = tuple(f"{name} = {value:.4g}" for name, value in values.items() if name not in plausible and value != 0)
    return Fit(reading, plausible, wrong, values)


def best(fits: Sequence[Fit]) -> list[Fit]:
    """Those in which most is plausible and least is wrong; none where none fits."""
    good = [fit for fit in fits if fit.fits]
    most = max((fit.score for fit in good), default=0)
    return [fit for fit in good if fit.score == most]


def steadiest(tied: Sequence[Fit], seen: Sequence[Sequence[Fit]], usual: Reading) -> Fit:
    """Of ways that are as plausible as each other, the right one; `seen` has more fits of each, read one after another.

    One address off and the words exchanged, a float has its own high word and a neighbour's low one: plausible, and
    jumping about by up to 0.8 %, the share of a float that is in its low word. The file's own way is right unless it
    jumps so.
    """
    jumps = [_jumps(fits) for fits in seen]
    least = min(jumps)
    calm = [fit for fit, jumped in zip(tied, jumps, strict=True) if jumped <= _CALM * least + _STEADY]
    return max(calm, key=lambda fit: _likeness(fit, usual))


def _jumps(fits: Sequence[Fit]) -> float:
    """The mean relative change of a quantity from one reading to the next."""
    changes = [
        abs(after.values[name] - before.values[name]) / abs(before.values[name])
        for before, after in pairwise(fits)
        for name in before.plausible
        if name in after.values
    ]
    return sum(changes) / len(changes) if changes else 0.0


def plausible_value(name: str, value: float, nominal_ln_v: float | None) -> bool:
    """Whether a grid's frequency or voltage can be this."""
    if not math.isfinite(value):
        return False
    if name == "frequency_hz":
        return _HERTZ[0] <= value <= _HERTZ[1]
    if nominal_ln_v is None:
        return _VOLTS[0] <= value <= _VOLTS[1]
    between_lines = len(name) > len("voltage_l1_v")
    nominal_v = nominal_ln_v * math.sqrt(3) if between_lines else nominal_ln_v
    return _ALIVE[0] * nominal_v <= value <= _ALIVE[1] * nominal_v


def adds_up(values: dict[str, float]) -> tuple[bool, str] | None:
    """Whether the phases' power is the whole's, to 2 % of it; None where they are not all told."""
    phases = [values.get(f"power_l{phase}_w") for phase in (1, 2, 3)]
    whole = values.get("power_w")
    known = [value for value in phases if value is not None]
    if whole is None or len(known) < 3:
        return None
    total = sum(known)
    good = abs(total - whole) <= max(0.02 * abs(whole), 5.0)
    return good, f"power_w {whole:,.0f} W, the phases' sum {total:,.0f} W"


def volt_amperes(values: dict[str, float]) -> tuple[bool, str] | None:
    """Whether volts times amperes allow for the watts (a tenth more is let pass); None where they are not told."""
    pairs = [(values.get(f"voltage_l{phase}_v"), values.get(f"current_l{phase}_a")) for phase in (1, 2, 3)]
    known = [abs(volts * amperes) for volts, amperes in pairs if volts is not None and amperes is not None]
    whole = values.get("power_w")
    if whole is None or not known:
        return None
    total = sum(known)
    return abs(whole) <= 1.1 * total + 5.0, f"power_w {whole:,.0f} W, volts times amperes {total:,.0f} VA"


def _likeness(fit: Fit, usual: Reading) -> int:
    """In how much the way is the file's own."""
    way = fit.reading
    return (way.table == usual.table) + (way.shift == usual.shift) + (way.order == usual.order)
