"""What the uplink needs from the rest of the agent; agent/app.py hands it over."""

from collections.abc import Mapping
from typing import Any, Protocol

from agent.core.image import Lease


class Clock(Protocol):
    """agent/shell/clock.py."""

    def monotonic_ns(self) -> int: ...

    def wall_ms(self) -> int | None:
        """Unix ms, None while the wall clock is not trusted."""
        ...

    def machine_boot(self) -> str:
        """Changes when the machine boots: within one, monotonic times survive a restart of the agent."""
        ...


class Keeper(Protocol):
    """agent/shell/journal.py: what is kept survives a crash."""

    def kept(self, key: str) -> Any: ...

    def kept_under(self, prefix: str) -> Mapping[str, Any]: ...

    async def keep(self, key: str, value: Any) -> None:
        """Durable when it returns; None deletes."""
        ...

    def post(self, key: str, value: Any) -> None:
        """Durable soon; never waited for."""
        ...


class CommandSink(Protocol):
    """Where a verified command takes effect."""

    def circuits(self) -> Mapping[str, float | None]:
        """Circuit -> the limit in force now in watts, None for no limit; the root circuit first."""
        ...

    def lease(self, lease: Lease) -> None:
        """A limit to obey from now on; it is already durable."""
        ...

    def release(self, lease_id: str, code: str) -> None:
        """A limit is over before its time: code is released or superseded."""
        ...

    def observe(self) -> bool:
        """True while everything is decided and told, and nothing is done."""
        ...
