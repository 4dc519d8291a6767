"""The volley: setpoints onto the wire."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from agent.core.setpoint import Setpoint
from agent.shell.clock import Clock
from agent.shell.sink import WriteSink
from drivers.miners.client import Exchanger
from drivers.miners.dialect import Dialect, State


class Target(Struct, frozen=True):
    """Where one load listens and what it speaks."""

    load: str
    host: str
    port: int
    dialect: Dialect


class Held(Struct, frozen=True):
    """A setpoint that was not sent, and why: observe | unanswered | unknown | unprepared."""

    setpoint: Setpoint
    why: str


class Volley:
    """Puts setpoints on the wire, judges the answers, repeats lowering ones whose effect is unknown."""

    def __init__(
        self,
        exchanger: Exchanger,
        sink: WriteSink,
        clock: Clock,
        targets: Iterable[Target],
        *,
        observe: bool,
        wanted: Callable[[str], str | None],  # the step that the core still wants a lowered load to be at, None if none
    ) -> None:
        raise NotImplementedError

    def fire(self, setpoints: Sequence[Setpoint]) -> tuple[Held, ...]:
        """Send these now; those that must not be sent come back."""
        raise NotImplementedError

    def prepared(self, load_id: str) -> bool:
        """Whether every step of this load can be told at once (it is armed)."""
        raise NotImplementedError

    def seen(self, load_id: str, state: State, taken_ns: int) -> None:
        """What a poll found: prepares the load's verbs anew and settles writes of unknown effect."""
        raise NotImplementedError

    async def run(self) -> None:
        """Repeat what must be repeated; renew verbs before they are too old."""
        raise NotImplementedError
