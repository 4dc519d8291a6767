"""One agent on one state folder: two would write one journal, and each would raise what the other has lowered.

The lock is the kernel's (flock), so it is gone with its holder however that ends; the file stays and means nothing.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_NAME = "lock"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Nobody else is in this block with this folder; OSError when somebody is."""
    path = folder / LOCK_NAME
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            words = "another agent runs on this folder; stop it first"
            raise OSError(errno.EADDRINUSE, words, os.fspath(path)) from error
        yield
