"""Seam 2: one Modbus endpoint's wire. PymodbusTransport is the real one; the simulation replaces it and nothing else.

A transport sends one request at a time and checks that what came back answers it. It has no deadlines, no retries, no
queue and no back-off of its own: those are the link's (drivers/modbus/link.py).
"""

from typing import Protocol

from drivers.profile import Table


class Transport(Protocol):
    """One endpoint. Only one call at a time; the caller's deadline cancels a read, which keeps the connection."""

    @property
    def address(self) -> str:
        """What errors call it: "10.20.0.10:502"."""
        ...

    @property
    def connected(self) -> bool:
        """A connection is up; false as soon as its loss is known."""
        ...

    async def connect(self) -> None:
        """Open the connection; raises Unreachable within a bounded time."""
        ...

    async def read(self, unit: int, table: Table, at: int, count: int) -> tuple[int, ...]:
        """`count` registers from wire address `at`.

        Raises Unreachable (not connected), Silent (the connection was lost while waiting), Refused (a Modbus exception,
        with its code) or Garbled. Waits for ever for an answer that does not come: the deadline is the caller's.
        """
        ...

    def close(self) -> None:
        """Drop the connection at once; connect() may follow."""
        ...
