"""What every virtual PLC is, by the lists of registers that Ballast publishes: a program that goes round every 20 ms,
copies the heartbeat to its echo and counts its rounds up; and a log of what it was told and what it told.

Nothing runs between two requests: what a round did is worked out when somebody looks. A program that has stopped
(`stop`) leaves its server answering with what it last knew. `restart` is its power going away for an instant.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from drivers.errors import Refused
from tests.sim.loop import NS_PER_S
from tests.sim.transport import Put
from tests.sim.wire import Network

ROUND_NS = 20_000_000
TIME_OUT_NS = 10 * NS_PER_S  # no new heartbeat for this long, and it takes us for lost
ILLEGAL_ADDRESS = 2


class PlcTold(Struct, frozen=True):
    """One answer that reached the agent: what those registers truly said, by names."""

    at_ns: int
    life: int
    values: Mapping[str, float]


class VirtualPlc:
    """One PLC; subclasses say what its registers and coils are."""

    def __init__(self, name: str, network: Network, heartbeat_at: int) -> None:
        self.name = name
        self.ails = ""
        self.late_s = 0.2
        self.remote = True  # the panel's switch
        self.answers: list[PlcTold] = []
        self.puts: list[Put] = []
        self.network = network
        self.heartbeat_at = heartbeat_at
        self._stopped_ns: int | None = None
        self._begin()

    @property
    def now_ns(self) -> int:
        return self.network.loop.now_ns

    @property
    def stopped(self) -> bool:
        return self._stopped_ns is not None

    def stop(self) -> None:
        """Its program stands still; its server answers on."""
        self._stopped_ns = self.now_ns

    def go_on(self) -> None:
        """It runs again, if it had stopped: from its beginning, as a PLC does."""
        if self.stopped:
            self.restart()

    def restart(self) -> None:
        """Its power was away: nothing is remembered."""
        self._stopped_ns = None
        self._begin()
        self.restarted()

    def restarted(self) -> None:
        """What of the program is gone after a restart; override."""

    def _begin(self) -> None:
        self._began_ns = self._beat_ns = self.now_ns
        self._beat = self._echo = 0
        self._written_ns: int | None = None
        self.comm_lost = False

    def look(self) -> int:
        """The newest round's time, with what it did to the heartbeat."""
        at_ns = (self.now_ns if self._stopped_ns is None else self._stopped_ns) // ROUND_NS * ROUND_NS
        if self._written_ns is not None and self._written_ns < at_ns:
            self._written_ns = None
            if self._beat != self._echo:
                self._echo, self._beat_ns = self._beat, at_ns
        self.comm_lost |= self.silent_ns(at_ns) >= TIME_OUT_NS
        return at_ns

    def silent_ns(self, at_ns: int) -> int:
        """Since when no new heartbeat came."""
        return at_ns - self._beat_ns

    def signs(self, at_ns: int) -> Sequence[int]:
        """Heartbeat, echo, counter and time-out, as they lie side by side in both lists."""
        counter = (at_ns - self._began_ns) // ROUND_NS & 0xFFFF
        return self._beat, self._echo, counter, TIME_OUT_NS // (NS_PER_S // 10)

    # what stands behind its endpoint (transport.Device)

    def told(self, life: int, at: int, count: int, what: Mapping[str, float]) -> None:
        self.answers.append(PlcTold(self.now_ns, life, what))

    def write(self, put: Put) -> None:
        """The heartbeat alone; override where there is more."""
        self.puts.append(put)
        if put.table != "holding" or put.at != self.heartbeat_at or len(put.values) != 1:
            raise Refused(self.name, ILLEGAL_ADDRESS, "illegal data address")
        self.look()
        self._beat, self._written_ns = put.values[0], self.now_ns

    def every(self, period_s: float, happen: Callable[[], None]) -> None:
        """The world's own doing, again and again."""

        def again() -> None:
            happen()
            self.network.after(period_s, again)

        self.network.after(period_s, again)
