"""A generating set: a spinning mass, a governor with droop, an engine with a lag and limits, and its relays.

Theory, in per unit of its rating, w being the frequency over the nominal one:

    swing      dw/dt = (p_engine - p_load) / (2 H w)          torque is power over speed
    droop      p_wanted = p_0 + (1 - w) / R                   p_0: what it makes at nominal frequency
    engine     dp/dt = (p_wanted - p_engine) / T              at most slew_up upwards; between -friction and max

So on an island it rests at w = 1 - R (p_load - p_0), whatever its inertia; that only says how far it swings before. A
load that is shed raises the frequency. For small steps, T and H make a damped swing of

    natural frequency 1 / sqrt(2 H T R),  decay 1 / (2 T)

In parallel with the grid the grid has the frequency and the set follows it on its droop. Its controller holds the
load's set point there, so p_0 is what it was told to make.

Relays trip it: frequency outside limits, reverse power, overload, each for its time. Below min_pu it runs, and how long
is counted: what that does to an engine takes hours.

Left out: the voltage regulator and voltage dips, an isochronous trim, cyclic irregularity, load sharing between sets,
derating by heat, and how a synchroniser finds its moment.
"""

from msgspec import Struct

from hil.physics.parameters import pick


class Model(Struct, frozen=True):
    """A kind of set, in per unit."""

    inertia_s: float
    droop: float
    lag_s: float
    slew_up_pu_per_s: float
    max_pu: float
    friction_pu: float
    min_pu: float
    under_hz_pu: float
    over_hz_pu: float
    hz_trip_s: float
    reverse_pu: float
    reverse_trip_s: float
    overload_pu: float
    overload_trip_s: float
    start_s: float


class Genset:
    """One set that runs. `set_w` is what it makes at nominal frequency."""

    def __init__(self, model: Model, rated_w: float, nominal_hz: float, set_w: float) -> None:
        self.model = model
        self.rated_w = rated_w
        self.nominal_hz = nominal_hz
        self.set_pu = set_w / rated_w
        self.tripped = ""  # by which relay
        self.below_min_s = 0.0  # how long it ran under its least load, in all
        self._speed_pu = 1.0
        self._engine_pu = self.set_pu
        self._load_pu = self.set_pu
        self._starts_s: float | None = None  # how long until it takes load
        self._beyond_s = {"frequency": 0.0, "reverse power": 0.0, "overload": 0.0}

    @property
    def hertz(self) -> float:
        """Its frequency; 0 while it does not run."""
        return self._speed_pu * self.nominal_hz if self.running else 0.0

    @property
    def watts(self) -> float:
        """What leaves it."""
        return self._load_pu * self.rated_w if self.running else 0.0

    @property
    def engine_w(self) -> float:
        """What its engine makes."""
        return self._engine_pu * self.rated_w if self.running else 0.0

    @property
    def running(self) -> bool:
        """Whether it can carry load."""
        return not self.tripped and self._starts_s is None

    def carry(self, load_w: float, step_s: float) -> None:
        """A step alone on an island, with this load."""
        if not self._turns(step_s):
            return
        self._load_pu = load_w / self.rated_w
        self._govern(step_s)
        net_pu = self._engine_pu - self._load_pu
        self._speed_pu = max(0.01, self._speed_pu + net_pu / (2 * self.model.inertia_s * self._speed_pu) * step_s)
        self._watch(step_s)

    def follow(self, hertz: float, step_s: float) -> None:
        """A step beside a grid that has this frequency: what its engine makes leaves it."""
        if not self._turns(step_s):
            return
        self._speed_pu = hertz / self.nominal_hz
        self._govern(step_s)
        self._load_pu = self._engine_pu
        self._watch(step_s)

    def trip(self, why: str) -> None:
        """It stops."""
        self.tripped = self.tripped or why
        self._starts_s = None

    def start(self) -> None:
        """It will take load after its time, at nominal frequency."""
        if not self.running:
            self.tripped = ""
            self._starts_s = self.model.start_s
            self._beyond_s = dict.fromkeys(self._beyond_s, 0.0)

    def _turns(self, step_s: float) -> bool:
        if self._starts_s is not None:
            self._starts_s -= step_s
            if self._starts_s <= 0.0:
                self._starts_s = None
                self._speed_pu, self._engine_pu, self._load_pu = 1.0, 0.0, 0.0
        return self.running

    def _govern(self, step_s: float) -> None:
        model = self.model
        wanted_pu = min(model.max_pu, max(-model.friction_pu, self.set_pu + (1.0 - self._speed_pu) / model.droop))
        change_pu = (wanted_pu - self._engine_pu) / model.lag_s * step_s
        self._engine_pu += min(change_pu, model.slew_up_pu_per_s * step_s)

    def _watch(self, step_s: float) -> None:
        model = self.model
        if self._load_pu < model.min_pu:
            self.below_min_s += step_s
        beyond = {
            "frequency": (not model.under_hz_pu <= self._speed_pu <= model.over_hz_pu, model.hz_trip_s),
            "reverse power": (self._load_pu < -model.reverse_pu, model.reverse_trip_s),
            "overload": (self._load_pu > model.overload_pu, model.overload_trip_s),
        }
        for name, (is_so, after_s) in beyond.items():
            self._beyond_s[name] = self._beyond_s[name] + step_s if is_so else 0.0
            if self._beyond_s[name] >= after_s:
                self.trip(name)


def load_genset(name: str) -> Model:
    """A kind of genset.toml."""
    return pick("genset", Model, name)
