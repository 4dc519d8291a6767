"""md5crypt by the `openssl` program: what checks a driver's tokens must not be the driver's own code."""

import subprocess
from functools import lru_cache


@lru_cache(maxsize=4096)
def crypted(password: str, salt: str) -> str:
    """The last field of `$1$salt$...`."""
    made = subprocess.run(
        ["openssl", "passwd", "-1", "-salt", salt, "-stdin"],
        input=password,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip().rpartition("$")[2]
