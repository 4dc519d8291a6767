"""Numbers, chains and seals records: every one gets its channel's next number, telemetry and gaps also the chain.

A record is sealed once, when it is made, and from then on is only ever these bytes. So a batch's `late` says that
there was no connection when it was made. A batch that was made in time and then had to wait stays `late: false`: its
`up` tells its age, and its bytes, which the next batch's `prev` names, must not change.
"""

from collections import defaultdict

from agent.uplink import records
from agent.uplink.needs import Clock
from agent.uplink.records import Address, Body, Stamp
from agent.uplink.sealing import MESSAGE_BYTES_MAX, Signer, digest

NS_PER_MS = 1_000_000


class Sealer:
    """One start of the agent: its boot, its counters, its chains."""

    def __init__(self, signer: Signer, site: str, agent: str, boot: str, clock: Clock) -> None:
        self.signer = signer
        self.boot = boot
        self.next_seq: defaultdict[str, int] = defaultdict(int)
        self._site = site
        self._agent = agent
        self._clock = clock
        self._boot_ns = clock.monotonic_ns()
        self._prev: dict[str, str] = {}

    def address(self, channel: str) -> Address:
        return Address(self._site, self._agent, channel)

    def now_ns(self) -> int:
        return self._clock.monotonic_ns()

    def up_ms(self, at_ns: int) -> int:
        """Milliseconds from the agent's start to this time."""
        return max(0, (at_ns - self._boot_ns) // NS_PER_MS)

    def seal(self, channel: str, kind: str, body: Body, at_ns: int | None = None) -> tuple[int, bytes]:
        """The record's number and its envelope; at_ns is when it happened, now if not given."""
        now_ns = self._clock.monotonic_ns()
        at_ns = now_ns if at_ns is None else at_ns
        wall_ms = self._clock.wall_ms()
        seq = self.take_seq(channel)
        stamp = Stamp(
            self.boot,
            seq,
            None if wall_ms is None else wall_ms - (now_ns - at_ns) // NS_PER_MS,
            self.up_ms(at_ns),
            {"src": "none" if wall_ms is None else "rtc", "err_ms": None},
        )
        if "prev" in body and kind in ("tele", "gap"):
            body = {**body, "prev": self._prev.get(channel)}
        address = str(self.address(channel))
        data = self.signer.seal(address, records.encode(kind, stamp, body))
        assert len(data) <= MESSAGE_BYTES_MAX, f"{kind} record of {len(data)} bytes"
        self._prev[channel] = digest(data)[:32]
        return seq, data

    def take_seq(self, channel: str) -> int:
        """The channel's next number."""
        seq = self.next_seq[channel]
        self.next_seq[channel] = seq + 1
        return seq
