"""What the judges know of tanks, contactors and GPUs: what the site's owner wrote of them, and what was logged.

PlcSeen   one answer of a PLC that reached the agent: what those registers truly said
Put       one write to a PLC
Poles     the contacts of a contactor, opened or closed
Said      one thing that a person on site did by the local socket
Leased    one lease of a GPU that reached gpud
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct


class TankRules(Struct, frozen=True, kw_only=True):
    """The tank's numbers. An edge: point, whether above it is bad, value."""

    name: str
    loads: tuple[str, ...]
    shed: tuple[tuple[str, bool, float], ...]
    shed_for_ns: int
    permit: tuple[tuple[str, bool, float], ...]
    permit_for_ns: int
    auto_returns_per_day: int
    blind_after_ns: int
    poll_ns: int


class GearRules(Struct, frozen=True, kw_only=True):
    """The switchgear's numbers."""

    name: str
    feeds: Mapping[str, tuple[str, ...]]
    permits: tuple[str, ...]
    within_ns: int
    open_ns_min: int
    blind_after_ns: int
    poll_ns: int


class GpuRules(Struct, frozen=True, kw_only=True):
    """The GPUs' numbers."""

    loads: tuple[str, ...]
    floor_w: float
    fallback_w: float


class PlcSeen(Struct, frozen=True):
    """One answer; `round` among the values is when the PLC's program last went round."""

    at_ns: int
    plc: str
    life: int
    values: Mapping[str, float]


class PlcPut(Struct, frozen=True):
    """One write; coils by the contactors' names."""

    at_ns: int
    plc: str
    life: int
    what: str  # heartbeat coils other
    coils: tuple[tuple[str, bool], ...] = ()
    done_ns: int | None = None  # the PLC had it
    answered_ns: int | None = None


class Poles(Struct, frozen=True):
    """One contactor's main contacts moved; `ours`: a coil that the agent wrote said so."""

    at_ns: int
    contactor: str
    closed: bool
    ours: bool


class Welded(Struct, frozen=True):
    """From then on a contactor's poles stuck, or no more."""

    at_ns: int
    contactor: str
    welded: bool


class Said(Struct, frozen=True):
    """tag untag local leave ack release, done by a person; the loads and contactors it is about."""

    at_ns: int  # asked
    done_ns: int  # answered
    verb: str
    target: str
    loads: tuple[str, ...]


class Leased(Struct, frozen=True):
    """A GPU's lease began anew."""

    at_ns: int
    life: int
    uuid: str
    fallback_w: float


class Devices(Struct):
    """All of it; empty for a site without any."""

    tank: TankRules | None = None
    gear: GearRules | None = None
    gpus: GpuRules | None = None
    seen: Sequence[PlcSeen] = ()
    puts: Sequence[PlcPut] = ()
    poles: Sequence[Poles] = ()
    welds: Sequence[Welded] = ()
    said: Sequence[Said] = ()
    leased: Sequence[Leased] = ()
    ailing: Callable[[str, int], bool] = lambda uuid, at_ns: False  # a GPU whose driver does not obey at that time
    limit_w: Callable[[str, int], float] = lambda uuid, at_ns: 0.0  # a GPU's limit at an instant
