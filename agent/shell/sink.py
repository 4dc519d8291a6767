"""What the pollers and the volley tell the board. The board is the only writer of the image; these are its ears.

All of it is plain calls on the event loop, cheap and never failing. Times are the clock seam's monotonic nanoseconds.
"""

from typing import Protocol

from agent.core.image import Outcome
from drivers.errors import DeviceError
from drivers.miners.dialect import State
from drivers.modbus.meter import BlockRead


class MeterSink(Protocol):
    """Hears what the meters said."""

    def meter_read(self, meter_id: str, block: BlockRead, fast: bool) -> None:
        """One round brought samples."""
        ...

    def meter_failed(self, meter_id: str, error: DeviceError) -> None:
        """One round brought nothing: what is known of this meter gets older."""
        ...


class LoadSink(Protocol):
    """Hears what the loads said of themselves."""

    def load_read(self, load_id: str, state: State, taken_ns: int) -> None:
        """One poll brought its state; taken_ns is when the load was asked, so the state is no older."""
        ...

    def load_failed(self, load_id: str, outcome: Outcome, detail: str) -> None:
        """One poll brought nothing."""
        ...


class WriteSink(Protocol):
    """Hears what became of setpoints."""

    def write_sent(self, load_id: str, step: str, sent_ns: int) -> None:
        """A setpoint was handed to the wire; it is pending, and replaces what was pending for this load."""
        ...

    def write_answered(self, load_id: str, step: str, outcome: Outcome, answered_ns: int, detail: str) -> None:
        """What came of the newest setpoint of this load."""
        ...
