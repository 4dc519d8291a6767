"""What the supervisor orders of the NVML worker and what that answers: one order at a time, in frames.

One GPU an order, so that a call that hangs says by itself which GPU hangs.
"""

from msgspec import Struct

from drivers.gpu.messages import Clocks, GpuInfo, GpuReading, Health, Refusal


class Enumerate(Struct, frozen=True, tag="enumerate"):
    """Load the library, start it, and say which GPUs there are."""


class Look(Struct, frozen=True, tag="look"):
    """Read one GPU."""

    uuid: str


class Apply(Struct, frozen=True, tag="apply"):
    """Set one GPU and read it back."""

    uuid: str
    limit_w: float | None
    clocks: Clocks | None
    may_raise: bool  # whether the limit may go up


class Enumerated(Struct, frozen=True, tag="enumerated"):
    """How that went."""

    health: Health
    detail: str = ""
    gpus: tuple[GpuInfo, ...] = ()
    lost: int = 0  # how many are counted and can't be had


class XidSeen(Struct, frozen=True):
    """One event since the last answer."""

    uuid: str  # "" when the driver doesn't say whose
    code: int


class Looked(Struct, frozen=True, tag="looked"):
    """What was read; the supervisor puts in age, clocks and leases."""

    reading: GpuReading
    worker: Health = "ok"  # what this says about all of them: "reloading" ends the worker
    xids: tuple[XidSeen, ...] = ()


class Applied(Struct, frozen=True, tag="applied"):
    """What came of an Apply; see SetDone."""

    outcome: Health | Refusal
    tried: bool
    detail: str = ""
    limit_w: float | None = None
    clocks: Clocks | None = None  # what was locked by this order; None: it changed nothing
    worker: Health = "ok"


Order = Enumerate | Look | Apply
Answer = Enumerated | Looked | Applied
