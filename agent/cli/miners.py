"""What `ballast check` says about miners: which are only read and why, which are slow, what logs on to read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.config import ContactorTable, MinersTable, SiteFile
from drivers.miners.dialect import Guarded

SLOW_MS: Final = 60_000  # from here on a load is no answer to a frequency


def logs_on_to_read(table: MinersTable) -> bool:
    """Whether these tell nothing without a logon."""
    dialect = table.dialect(acts=False)
    return isinstance(dialect, Guarded) and dialect.logs_on_to_read


def warnings_of_miners(file: SiteFile) -> Iterator[str]:
    """One sentence each."""
    for table in file.miners:
        steps = table.dialect(acts=True).steps
        if len(steps) == 1:
            yield f'Miners "{table.id}": only read, never told anything, and in no ladder: {_why_read(table)}.'
        elif steps[0].reach_ms >= SLOW_MS:
            yield (
                f'Miners "{table.id}": {table.family} takes up to {steps[0].reach_ms // 1000} s to stop. '
                + _what_is_fast(table, file.contactors)
            )
        if table.password is not None and not Path(table.password).exists():
            yield f'Miners "{table.id}": no file at {table.password} on this machine; without it nothing starts.'


def _why_read(table: MinersTable) -> str:
    if table.family == "auto":
        return 'family = "auto" identifies and proposes; `ballast status` shows what to write'
    if table.family == "unknown":
        return "nobody knows its verbs"
    if table.password is None:
        return f"{table.family} takes verbs with a password alone; add password"
    return f"no device has proven the verbs of {table.family}; unverified_control = true sends them all the same"


def _what_is_fast(table: MinersTable, contactors: tuple[ContactorTable, ...]) -> str:
    first = [
        contactor.id for contactor in contactors if contactor.feeds.miners == table.id and contactor.use == "first"
    ]
    if first:
        return f"Rules that must be faster open {', '.join(first)} first."
    return 'Only a contactor is fast: [[contactor]] with use = "first".'
