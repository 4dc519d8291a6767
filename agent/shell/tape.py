"""What the board tells a flight recorder: every input as it takes it in, every decision as it is made, in order.

All of it is plain calls on the event loop, cheap and never failing: what is handed over is frozen and only referred to.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from agent.core.attend import Attended
from agent.core.image import Image, Lease, LoadSeen, Pulse, Write
from agent.core.react import Reaction
from agent.core.state import State
from drivers.modbus.meter import BlockRead


class Tape(Protocol):
    """Takes down everything that decisions are made from."""

    def points(self, device: str, block: BlockRead, pulse: Pulse | None) -> None:
        """A meter or PLC was read; with its pulse when its fast registers changed."""

    def load(self, load: str, seen: LoadSeen) -> None:
        """What is known of a load is this now."""

    def wrote(self, load: str, write: Write) -> None:
        """The newest setpoint on a load's wire, or what came of it."""

    def leases(self, leases: tuple[Lease, ...]) -> None:
        """The limits that commands ask for."""

    def holds(self, held: frozenset[str], local: frozenset[str]) -> None:
        """What people hold."""

    def changed(self, state: State) -> None:
        """A person changed the state."""

    def reacted(self, now_ns: int, image: Image, reaction: Reaction) -> None:
        """A decision; told before its setpoints go out."""

    def attended(self, now_ns: int, image: Image, attended: Attended, armed_before: Mapping[str, str]) -> None:
        """A beat, on the image of the decision before it; told before its setpoints go out."""

    def arming(self, now_ns: int, image: Image, state: State, news: Iterable[str]) -> None:
        """The ladder is built anew from these; `news` are the loads heard of since the last beat."""

    def armed(self) -> None:
        """The ladder built last is the one that is cut from now on."""
