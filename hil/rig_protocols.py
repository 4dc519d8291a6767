"""What a rig's drivers can do, whatever they drive: the verbs, as protocols.

A scenario asks for operations (those of hil/rig.py, and BREAK_LINK, MEND_LINK, LOWER, RAISE of any device) and for
sights (what has to be seen to judge it). A stand-in can do all and shows all. Real equipment can do and show less, and
a driver says so: what it lacks is a sentence, and a scenario that needs it is not runnable on that rig.
"""

from typing import Any, Protocol

from msgspec import Struct

BREAK_LINK, MEND_LINK = "break_link", "mend_link"  # nobody reaches the device any more, or again
LOWER, RAISE = "lower", "raise"  # a load goes off or on by itself, told by nobody

# Sights.
POWER = "power"  # what a meter measures
VERBS = "verbs"  # when each load read the last byte of which verb
TRAFFIC = "traffic"  # what was asked of a device, reads and writes apart
ON = "on"  # which loads really run
POLES = "poles"  # where contactors are
LIMITS = "limits"  # GPUs' power limits
ROUNDS = "rounds"  # a tank's values


class Truth(Struct, frozen=True):
    """What is so, as seen from outside the agent, at one instant."""

    at_ns: int
    watts: float
    hertz: float | None
    on: tuple[str, ...]  # addresses of miners that run
    contactors: dict[str, bool] = {}
    limits_w: tuple[float, ...] = ()
    tanks: dict[str, dict[str, float]] = {}


class MeterDriver(Protocol):
    """A meter read on its own."""

    def read(self) -> dict[str, float]:
        """Quantities by the names of hil/meters: watts, hertz. OSError when it does not answer."""


class MinersDriver(Protocol):
    """Miners read on their own; nothing is ever written to them here."""

    def running(self) -> tuple[str, ...]:
        """The addresses of those that hash."""


class SwitchDriver(Protocol):
    """A relay or PLC of the bench."""

    def switch(self, coil: int, on: bool) -> None:
        """Energises a coil, or not."""


class PlayedRig(Protocol):
    """A whole rig, as a scenario sees it. Started and ended by `with`."""

    modbus: dict[str, str]  # meter or PLC -> where the agent finds it
    miners: dict[str, tuple[str, ...]]  # group -> addresses
    gpud_environment: dict[str, str]  # over which the rig's user starts a gpud for fake GPUs

    def lacks(self, verb: str, device: str) -> str:
        """Why this verb or sight is not to be had of a device; "" when it is."""

    def do(self, verb: str, **arguments: Any) -> Any:
        """One operation."""

    def truth(self) -> Truth:
        """Now."""

    def stamps(self) -> dict[str, Any]:
        """hil/rig.py `stamps`, of what can show them."""

    def traffic(self) -> dict[str, Any]:
        """hil/rig.py `traffic`, of what can show it."""
