"""Every kind of expectation, by the name that scenario files use."""

from hil.scenario.expect.base import Expect, Judged
from hil.scenario.expect.plant import AfterTold, Coil, GpuLimits, OpenFor, TankKeeps
from hil.scenario.expect.power import Delivered, PowerAbove, PowerBelow, Slope
from hil.scenario.expect.telling import (
    MinimumOff,
    NobodyTold,
    NotBefore,
    Ramp,
    Reaction,
    ReadsOnly,
    Running,
    Told,
)
from hil.scenario.expect.words import (
    Ack,
    Event,
    InMode,
    Limit,
    Logged,
    Records,
    Response,
    Sound,
    StatusHas,
    Story,
)

__all__ = ["KINDS", "AnyKind", "Expect", "Judged", "Records", "Sound"]

AnyKind = (
    Ack | AfterTold | Coil | Delivered | Event | GpuLimits | InMode | Limit | Logged | MinimumOff | NobodyTold
    | NotBefore | OpenFor | PowerAbove | PowerBelow | Ramp | Reaction | ReadsOnly | Records | Response | Running
    | Slope | Sound | StatusHas | Story | TankKeeps | Told
)  # fmt: skip
KINDS: dict[str, type[Expect]] = {kind.__struct_config__.tag: kind for kind in AnyKind.__args__}
