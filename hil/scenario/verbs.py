"""What a scenario's timeline can do: a name and the structure of its arguments, checked before anything is started.

The operations of the stand-ins (hil/rig.py and hil/field.py) are there by their own names and parameters, whatever is
added to them. Beside these are the rig's verbs of any device, and what is done to everything around the agent.
"""

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, Literal, get_type_hints

import msgspec
from msgspec import Struct, structs

from hil.fleet import MinerFault
from hil.miner import Lie
from hil.modbus_server import LinkFault
from hil.rig import Rig, RigConfig
from hil.scenario.conditions import Condition

PLANT = (
    "frequency",
    "play",
    "draw",
    "bias",
    "show",
    "condenser_flow",
    "condenser_water",
    "sensor",
    "wander",
    "island",
    "tie",
    "genset",
    "set_point",
    "percent",
    "inference",
)  # a mark's colour in reports
_NOT_FOR_SCENARIOS = ("state", "stamps", "traffic", "clear", "drain", "plcs", "rounds")
_DEVICE_KEYS = ("meter", "plc", "device")
_FREE = "how"


class Arguments(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every verb's structure is."""


class Wait(Arguments, frozen=True, rename={"until": "for"}):
    """Goes on when all of this is so; the scenario has failed when it is not so in time."""

    until: Condition
    within_s: float = 20.0


class Pause(Arguments, frozen=True):
    """Nothing is done; with after_s, a time in which something must not happen."""


class Device(Arguments, frozen=True):
    """break_link, mend_link, half_open."""

    device: str


class Miners(Arguments, frozen=True):
    """lower, raise."""

    miners: list[str]


class Start(Arguments, frozen=True):
    """start_agent; settled: until it has heard everything and can respond."""

    settled: bool = True


class Broker(Arguments, frozen=True):
    """broker."""

    to: Literal["stop", "start", "freeze", "thaw"]


class Send(Arguments, frozen=True):
    """send: a signed limit, or one that is spoilt in one way."""

    kw: float
    lease_s: float
    issuer: Literal["dispatch", "desk", "viewer"] = "dispatch"  # viewer's key may command nothing
    verify_s: float = 10.0
    dry: bool = False
    retain: bool = False
    spoil: Literal[
        "none", "unsigned", "stranger", "other_agent", "other_channel", "replayed", "expired", "early", "too_long",
        "other_boot", "other_epoch", "no_such_circuit", "unknown_member", "unknown_op",
    ] = "none"  # fmt: skip


class Of(Arguments, frozen=True):
    """release (ends the limit of an earlier send), resend (its very bytes again)."""

    of: str


class Person(Arguments, frozen=True):
    """person: what somebody on site does by `ballast VERB TARGET`."""

    verb: Literal["tag", "untag", "local", "ack", "release"]
    target: str  # a load as "a:3" (the third of group a), or any id of the site
    leave: bool = False


class Gpud(Arguments, frozen=True):
    """gpud."""

    to: Literal["kill", "start"]


class Loss(Arguments, frozen=True):
    """loss: this share of the packets to and from a device is dropped, each way; 0 ends it."""

    device: str
    percent: float


class Step(Arguments, frozen=True):
    """step_clock: the agent's wall clock jumps; 0 is back at the machine's."""

    by_s: float


OWN: Final[dict[str, type[Arguments]]] = {
    "wait": Wait,
    "pause": Pause,
    "break_link": Device,
    "mend_link": Device,
    "half_open": Device,
    "loss": Loss,
    "lower": Miners,
    "raise": Miners,
    "kill_agent": Pause,
    "stop_agent": Pause,
    "start_agent": Start,
    "broker": Broker,
    "send": Send,
    "release": Of,
    "resend": Of,
    "person": Person,
    "gpud": Gpud,
    "fill_disk": Pause,
    "free_disk": Pause,
    "step_clock": Step,
}

# Words of the stand-ins' own, which their parameters have as plain texts.
_WORDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "meter_fault": {"fault": (*LinkFault, "freeze")},
    "plc_fault": {"fault": (*LinkFault, "stop", "restart")},
    "miner_fault": {"fault": (*MinerFault,)},
    "lie": {"lie": (*Lie,)},
}

NETWORK: Final = ("half_open", "loss")
DISK: Final = ("fill_disk",)
CLOCK: Final = ("step_clock",)


@cache
def known() -> dict[str, type[Struct]]:
    """Every verb and the structure of its arguments."""
    standing = {
        name: _structure(name, function)
        for name, function in Rig(RigConfig()).operations.items()
        if name not in _NOT_FOR_SCENARIOS
    }
    return {**standing, **OWN}


def read(verb: str, given: Mapping[str, Any]) -> Struct:
    """The arguments of a verb; msgspec.ValidationError, or ValueError for a verb that there is not."""
    if verb not in known():
        near = get_close_matches(verb, known(), 1)
        raise ValueError(f"no verb {verb!r}; " + (f"{near[0]!r}?" if near else f"there are: {', '.join(known())}"))
    arguments = msgspec.convert(given, known()[verb])
    for key, allowed in _WORDS.get(verb, {}).items():
        if (word := getattr(arguments, key)) not in allowed:
            raise ValueError(f"{key} = {word!r}: {verb} knows {', '.join(allowed)}")
    return arguments


def plain(arguments: Struct) -> dict[str, Any]:
    """As an operation takes them; free ones beside the named."""
    values = structs.asdict(arguments)
    return {**values.pop(_FREE, {}), **values}


def device_of(verb: str, arguments: Struct, main: str) -> tuple[str, ...]:
    """The devices whose driver a verb needs: those it names; the grid is where the main meter is."""
    named = [getattr(arguments, key) for key in _DEVICE_KEYS if hasattr(arguments, key)]
    if named:
        return tuple(named)
    return (main,) if verb in ("frequency", "play", "draw", "bias", "island", "tie", "genset", "set_point") else ()


def kind_of(verb: str) -> str:
    """What a mark on a plot is: plant, fault, command, person or agent."""
    if verb in PLANT:
        return "plant"
    if verb in ("send", "release", "resend"):
        return "command"
    if verb == "person":
        return "person"
    if verb in ("kill_agent", "stop_agent", "start_agent", "wait", "pause"):
        return "agent"
    return "fault"


def _structure(name: str, function: Any) -> type[Struct]:
    """Of an operation: what its parameters say. One that takes anything is given a table `how`."""
    if not inspect.isroutine(function):
        function = function.__call__
    hints = get_type_hints(function)
    fields: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            fields.append((_FREE, dict[str, Any], msgspec.field(default_factory=dict)))
        elif parameter.default is inspect.Parameter.empty:
            fields.append((parameter.name, hints[parameter.name]))
        else:
            fields.append((parameter.name, hints[parameter.name], parameter.default))
    return msgspec.defstruct(name, fields, frozen=True, forbid_unknown_fields=True, kw_only=True)
