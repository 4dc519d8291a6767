"""The passwords of [[miners]]: a systemd credential, or a file that holds one alone. Never written into site.toml.

Where such a file lies is credentials.py's. One line end after the password is not part of it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent.config.loads import MinersTable
from agent.config.tables import SiteFile
from drivers.miners.dialect import Secret

_BYTES_MAX: Final = 4096


class PasswordError(Exception):
    """A password that cannot be had; names the table, and the mend."""


def read_passwords(file: SiteFile) -> Mapping[str, Secret]:
    """Of each [[miners]] table that names one."""
    return {table.id: read_password(table) for table in file.miners if table.password is not None}


def read_password(table: MinersTable) -> Secret:
    """Of one table; PasswordError when it cannot be read."""
    place = f'[[miners]] "{table.id}" password'
    path = Path(table.password or "")
    try:
        with path.open("rb") as opened:
            raw = opened.read(_BYTES_MAX + 1)
    except OSError as error:
        mend = f"put the password alone into {path}, readable to the agent"
        raise PasswordError(f"{place}: {path}: {error.strerror}; {mend}") from error
    text = raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    if len(raw) > _BYTES_MAX or "\n" in text:
        raise PasswordError(f"{place}: {path} holds more than a password; put it there alone, on one line")
    return Secret(text)
