"""One probing of a Modbus device: its client, opened anew when it was lost, and what the reads brought.

A read that the device refuses is not a failure of the probe: it is what is being looked for. Refused or silent, the
registers are then None, and `refusal` has the newest reason in words.
"""

from collections.abc import Sequence

from hil.probe.dump import Dump
from hil.probe.failures import Failure, HungUp, Refused, Silent, Unreachable
from hil.probe.modbus import Answer, ModbusClient
from hil.probe.place import Place
from hil.probe.progress import Progress
from hil.probe.sheet import Item


class Session:
    """Reads of one unit."""

    def __init__(self, place: Place, unit: int, dump: Dump, progress: Progress, timeout_s: float) -> None:
        self.place = place
        self.unit = unit
        self.dump = dump
        self.progress = progress
        self.timeout_s = timeout_s
        self.refusal = ""
        self.code = 0  # of the newest refusal; 0: silence
        self.client = self.connect()

    def connect(self) -> ModbusClient:
        """A connection of its own, for whoever wants one more."""
        return ModbusClient(self.place, self.unit, self.dump, self.timeout_s)

    def again(self) -> None:
        """The connection is opened anew."""
        self.client.close()
        self.client = self.connect()

    def try_read(self, table: str, at: int, count: int) -> Answer | None:
        """A read that may be refused. Silence and hanging up are refusals too: some devices refuse that way."""
        try:
            answer = self.client.read(table, at, count)
        except (Silent, HungUp) as failure:
            self.code, self.refusal = 0, failure.what
            if isinstance(failure, HungUp):
                self.again()
            return None
        if answer.code:
            self.code, self.refusal = answer.code, answer.words
            return None
        return answer

    def registers(self, table: str, at: int, count: int) -> dict[int, int] | None:
        """The same, by address."""
        answer = self.try_read(table, at, count) if 0 <= at <= 0x1_0000 - count else None
        return None if answer is None else dict(enumerate(answer.registers(), at))

    def items(self, table: str, items: Sequence[Item], shift: int = 0) -> dict[int, int]:
        """The registers of each, read one by one; those that are refused are missing."""
        held: dict[int, int] = {}
        for item in items:
            held |= self.registers(table, item.first + shift, item.end - item.first) or {}
        return held

    def close(self) -> None:
        """Ends it."""
        self.client.close()


def opened(session: Session) -> ModbusClient | None:
    """One more connection; None where the device does not take it."""
    try:
        return session.connect()
    except (Refused, Unreachable, HungUp):
        return None


def answers(client: ModbusClient, table: str, at: int, count: int) -> bool:
    """Whether it answers a read in any way."""
    try:
        client.read(table, at, count)
    except Failure:
        return False
    return True
