"""Where a file of site.toml lies: beside it, at its own absolute path, or among the service's credentials.

`credential:NAME` is systemd's: LoadCredential= or LoadCredentialEncrypted= of the unit puts the file where only this
service can read it, and tells the folder in $CREDENTIALS_DIRECTORY (systemd.exec(5)). Outside the service, for `ballast
check`, it is the folder that the service would have.
"""

import os
import re
from pathlib import Path
from typing import Final

from agent.config.lines import Path as Place
from agent.config.reading import Reader

PREFIX: Final = "credential:"
SERVICE_FOLDER: Final = "/run/credentials/ballast-agent.service"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PLACES: Final = (("mqtt", "ca"), ("mqtt", "cert"), ("mqtt", "key"), ("keys", "agent"), ("keys", "keyring"))


def located(folder: Path, written: str) -> str:
    """The absolute path of a file, as written in a site.toml in this folder."""
    if written.startswith(PREFIX):
        return str(Path(os.environ.get("CREDENTIALS_DIRECTORY", SERVICE_FOLDER)) / written.removeprefix(PREFIX))
    return str(folder / written)


def check_credentials(reader: Reader) -> None:
    """Names of credentials that could be none."""
    for table, key in _PLACES:
        raw = reader.raw.get(table)
        written = raw.get(key) if isinstance(raw, dict) else None
        if isinstance(written, str):
            check_name(reader, (table, key), written)


def check_name(reader: Reader, place: Place, written: str) -> None:
    """The name of a credential, where a file is one."""
    if written.startswith(PREFIX) and not _NAME.fullmatch(written.removeprefix(PREFIX)):
        mend = 'write the name that the unit gives it, such as "credential:agent-key"'
        reader.fault(place, "not the name of a credential", mend)
