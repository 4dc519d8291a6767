"""What the uplink needs from the rest of the agent; agent/app.py hands it over."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, TypeVarTuple

from agent.core.image import Lease

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


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


class File(Protocol):
    """agent/shell/disk.py: a file open for appending."""

    def write(self, data: bytes) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class Disk(Protocol):
    """agent/shell/disk.py; every call blocks, and may raise OSError."""

    def read(self, path: Path) -> bytes | None: ...

    def open_append(self, path: Path) -> File: ...

    def replace(self, path: Path, data: bytes) -> None: ...

    def rename(self, path: Path, to: Path) -> None: ...

    def remove(self, path: Path) -> None: ...

    def mkdir(self, path: Path) -> None: ...

    def sizes(self, path: Path) -> dict[str, int]:
        """Every file of a folder with its bytes."""
        ...

    def free_bytes(self, path: Path) -> int: ...


class Spawn(Protocol):
    """agent/shell/spawn.py: runs blocking functions away from the loop, one after the other."""

    async def in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T: ...
