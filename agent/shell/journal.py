"""The journal: what must survive a crash, as a small durable map from key to JSON value."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from agent.shell.disk import Disk
from agent.shell.spawn import Spawn

JSON: TypeAlias = "dict[str, Any] | list[Any] | str | int | float | bool | None"


class JournalFault(Exception):
    """What was to be kept is not durable; it may or may not survive a crash."""


class Journal:
    """The durable map. Give it what msgspec can encode, and never change that again; it comes back as plain JSON."""

    created: bool  # nothing was known when it was opened: the epoch goes up
    salvaged: dict[str, JSON]  # what could be read of a corrupt journal: may be old, so for the epoch's number alone
    degraded: bool  # the disk does not take it now

    @classmethod
    async def open(cls, disk: Disk, spawn: Spawn, folder: Path, *, on_fault: Callable[[str], None]) -> "Journal":
        """Read what is there; never fails, whatever is there."""
        raise NotImplementedError

    def kept(self, key: str) -> JSON:
        """The durable value: what a restart now would find. None if there is none."""
        raise NotImplementedError

    def kept_under(self, prefix: str) -> dict[str, JSON]:
        """Every durable key that begins with the prefix, with its value."""
        raise NotImplementedError

    async def keep(self, key: str, value: object) -> None:
        """Durable when it returns, JournalFault if it could not be; None deletes."""
        raise NotImplementedError

    def post(self, key: str, value: object) -> None:
        """The same, durable soon, tried again until it is; never raises, never waits."""
        raise NotImplementedError

    async def close(self) -> None:
        """Try once to write what is still posted, then give the file back."""
        raise NotImplementedError
