"""What gpud and its clients say to each other, version 1.

    client  Hello(versions)                      the versions it speaks; nothing else is heard before
    gpud    Welcome(version) or Goodbye(why)     one of them, or why none; Goodbye also ends a talk that makes no sense
    client  List | Read | Set | Renew            each with a number of the client's choosing
    gpud    Listed | Readings | SetDone | Renewed    with that number; a Set may be answered after later questions

gpud always answers: Listed, Readings and Renewed at once from what it knows, with ages; SetDone within SET_S_MAX.
Ages instead of times, because the two may have different clocks: a reading is `age_ns` old when the answer leaves.

Health, of the NVML worker and of each GPU. Each is its own outcome, and only the GPUs it is about suffer from it:

    ok            answers
    starting      not heard yet
    hung          a driver call did not come back in time; the worker was killed and is started again
    lost          this GPU fell off the bus or wants a reset: its power is unknown, not zero
    gone          this GPU is not enumerated any more
    reloading     the driver is being unloaded or replaced
    crashed       the worker died
    no_library    there is no libnvidia-ml.so.1: no NVIDIA driver on this machine
    no_driver     the library is there, the kernel driver is not loaded
    trouble       the driver answers errors that are none of these

Unknown fields are ignored and new fields have defaults, so that a version only changes when a meaning does. Watts and
joules are the driver's milliwatts and millijoules divided by 1,000.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

VERSIONS = (1,)
LEASE_S = 15.0  # design.md 4.12
SET_S_MAX = 4.0

Health = Literal["ok", "starting", "hung", "lost", "gone", "reloading", "crashed", "no_library", "no_driver", "trouble"]
Refusal = Literal["no_permission", "out_of_range", "unsupported", "no_lease", "unknown_gpu", "read_back"]

Watts = Annotated[float, Meta(gt=0, le=100_000)]  # no NaN either: it is greater than nothing
Megahertz = Annotated[int, Meta(ge=0, le=100_000)]
Uuid = Annotated[str, Meta(max_length=96)]


class Hello(Struct, frozen=True, tag="hello"):
    """The first frame of a client."""

    versions: tuple[int, ...]
    name: str = ""  # for gpud's log


class List(Struct, frozen=True, tag="list"):
    """Which GPUs are there?"""

    id: int


class Read(Struct, frozen=True, tag="read"):
    """What do they do?"""

    id: int


class Clocks(Struct, frozen=True):
    """SM clocks to lock a GPU between; (0, 0) frees them."""

    low_mhz: Megahertz
    high_mhz: Megahertz


FREE = Clocks(0, 0)


class Set(Struct, frozen=True, tag="set"):
    """Have one GPU at this limit and these clocks; None leaves what is. A target: twice is harmless.

    What would raise (a higher limit, freed or higher clocks) is refused without a live lease of this GPU.
    """

    id: int
    uuid: Uuid
    limit_w: Watts | None = None
    clocks: Clocks | None = None


class Lease(Struct, frozen=True):
    """Where a GPU's limit goes when nobody renews any more: to this, unless it is lower already."""

    uuid: Uuid
    fallback_w: Watts


class Renew(Struct, frozen=True, tag="renew"):
    """Control advances: these leases begin anew. Leases that are not named run on."""

    id: int
    leases: Annotated[tuple[Lease, ...], Meta(max_length=64)]


class Welcome(Struct, frozen=True, tag="welcome"):
    """We go on in this version."""

    version: int
    lease_s: float = LEASE_S


class Goodbye(Struct, frozen=True, tag="goodbye"):
    """We don't; the connection ends here."""

    why: str


class GpuInfo(Struct, frozen=True):
    """What doesn't change while a driver is loaded. None: the driver doesn't tell."""

    uuid: str
    name: str
    driver: str
    bus: str = ""
    limit_w_min: float | None = None
    limit_w_max: float | None = None  # the driver's, or gpud's ceiling where that is lower
    limit_w_default: float | None = None
    sm_mhz_min: int | None = None
    sm_mhz_max: int | None = None


class Xid(Struct, frozen=True):
    """One error event of the driver."""

    number: int  # counts up from 1 while gpud runs
    code: int
    age_ns: int


class GpuReading(Struct, frozen=True):
    """One GPU now. None is "it doesn't tell", never a zero."""

    uuid: str
    health: Health
    age_ns: int | None  # None: never read
    detail: str = ""
    power_w: float | None = None
    power_kind: str = ""  # "instant" (field 186), or "average": over one second on most boards
    energy_j: float | None = None  # since the driver was loaded
    busy_percent: int | None = None
    memory_busy_percent: int | None = None
    temperature_c: float | None = None
    memory_temperature_c: float | None = None
    sm_mhz: int | None = None
    memory_mhz: int | None = None
    reasons: tuple[str, ...] = ()  # why its clocks are not higher: "power_cap", "thermal", ...
    limit_w: float | None = None  # as requested
    limit_w_enforced: float | None = None  # as in force: the lowest of all that limit it
    clocks: Clocks | None = None  # what we locked; FREE: not locked; None: not known, the driver can't be asked
    lease_ns: int | None = None  # what is left of its lease; None: nobody ever leased it
    lapsed_from_w: float | None = None  # its limit before a lapse lowered it, until the next Set
    xids: tuple[Xid, ...] = ()  # newest last


class Listed(Struct, frozen=True, tag="listed"):
    """The GPUs that were ever seen since gpud started."""

    id: int
    health: Health  # of the NVML worker
    detail: str
    gpus: tuple[GpuInfo, ...]


class Readings(Struct, frozen=True, tag="readings"):
    """All of them now."""

    id: int
    health: Health  # of the NVML worker
    detail: str
    gpus: tuple[GpuReading, ...]


class SetDone(Struct, frozen=True, tag="set_done"):
    """What came of a Set.

    ok: read back as asked. A Refusal: not done. Any other Health: whether it was done is unknown, or it could not be
    tried; `tried` says which.
    """

    id: int
    uuid: str
    outcome: Health | Refusal
    tried: bool
    detail: str = ""
    limit_w: float | None = None  # read back
    clocks: Clocks | None = None


class Renewed(Struct, frozen=True, tag="renewed"):
    """The leases run from now on."""

    id: int


FromClient = Hello | List | Read | Set | Renew
FromDaemon = Welcome | Goodbye | Listed | Readings | SetDone | Renewed
