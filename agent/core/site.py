"""The site as the core knows it: circuits in a tree, the meters on them, the loads beneath them and their steps.

Watts and nanoseconds throughout; agent/app.py makes this from site.toml. Steps go from the lowest to the highest.
"""

from enum import IntEnum

from msgspec import Struct

from agent.core.values import NS_PER_S


class BoundClass(IntEnum):
    """Who wins when bounds disagree: the lower number (design: protect > grid > contract > command > value)."""

    PROTECT = 0
    GRID = 1
    CONTRACT = 2
    COMMAND = 3
    VALUE = 4


class Step(Struct, frozen=True):
    """One power state a load can be told to be in."""

    name: str  # "off", "on", ...: what LoadSeen.step and Setpoint.step say
    watts: float  # rated or learned, at this step
    reach_ns: int  # from the command to these watts, at the latest


class Load(Struct, frozen=True):
    """Something that can give up watts."""

    id: str  # "a/10.20.1.17"
    circuit: str  # the innermost circuit it hangs on
    steps: tuple[Step, ...]  # lowest first; at least two
    value_usd_per_mwh: float
    off_ns_min: int  # no raise before it was down this long
    on_ns_min: int  # no money or command cut before it was up this long
    poll_ns: int  # how often its own state is read
    group: str = ""  # its table in site.toml
    tank: str | None = None  # the node that cools it
    floor: int = 0  # the lowest of its steps for anything but protection
    kind: str = "miner"  # miner | gpu | contactor


class Contactor(Struct, frozen=True):
    """Switchgear that feeds loads; not a load itself. Asked softly first, opened when that was not enough."""

    id: str
    circuit: str  # the innermost circuit that all it feeds hangs on
    feeds: tuple[str, ...]  # loads
    plc: str
    permits: tuple[str, ...]  # points that must be 1 and read within PERMIT_NS before each close
    first: bool  # for rules that must be faster than its loads can be
    open_ns_min: int
    operations_per_day_max: int
    within_ns: int  # until the feedback must agree with the command


class Tank(Struct, frozen=True):
    """A tank: a node beside the circuits, whose bounds act on the loads it cools."""

    id: str  # the PLC's id in site.toml
    blind_after_ns: int


class Plc(Struct, frozen=True):
    """A PLC, as far as the core must know it."""

    id: str
    poll_ns: int
    blind_after_ns: int


class Meter(Struct, frozen=True):
    """A meter, as far as the core must know it."""

    id: str
    poll_ns: int  # fast round
    refresh_ns: int  # how often the device renews its values
    nominal_ln_v: float
    backup: str | None = None


class Circuit(Struct, frozen=True):
    """A place in the electrical tree with limits, perhaps a meter."""

    id: str
    parent: str | None
    meter: str | None
    limit_w: float
    unmetered_w: float = 0.0
    ramp_up_w_per_s: float = float("inf")
    jump_up_w: float = float("inf")
    jump_down_w: float = float("inf")  # while tied
    fallback_w: float | None = None
    ramp_down_w_per_s: float = float("inf")
    blind_after_ns: int = 5_000_000_000
    jump_down_island_w: float = float("inf")  # on an island, and where the tie is unknown
    export_limit_w: float = float("inf")  # a shed takes its net power no lower than this below 0


class Contact(Struct, frozen=True):
    """A PLC's bit that means something to the whole site."""

    point: str  # "switchgear.q52g_open"
    poll_ns: int


class SupplyLimits(Struct, frozen=True):
    """What the utility asks of the site when its voltage dips, and after an outage (agent/core/supply.py)."""

    curve: tuple[tuple[float, int], ...] = ((0.5, NS_PER_S),)  # per unit, ns; rising. Alone: a dead bus for a second
    v_pu_min: float = 0.917
    v_pu_max: float = 1.05
    hz_min: float = 45.0
    hz_max: float = 65.0
    for_ns: int = 300 * NS_PER_S
    outage_when: Contact | None = None  # 1: the supply is gone


class Maintenance(Struct, frozen=True):
    """A time in which nothing rises on a circuit, because people work there. Unix ms."""

    circuit: str
    from_ms: int
    to_ms: int


class Site(Struct, frozen=True):
    """The whole of it. Circuits are ordered parents first."""

    id: str
    agent: str
    nominal_hz: float
    circuits: tuple[Circuit, ...]
    meters: tuple[Meter, ...]
    loads: tuple[Load, ...]
    observe: bool = True  # decide and publish, write nothing
    tanks: tuple[Tank, ...] = ()
    contactors: tuple[Contactor, ...] = ()
    plcs: tuple[Plc, ...] = ()
    islanded_when: Contact | None = None  # 1: the site is an island; None: it can never be one
    supply: SupplyLimits = SupplyLimits()
    maintenance: tuple[Maintenance, ...] = ()
