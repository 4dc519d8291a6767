"""md5crypt, the `$1$` password hash of old Unix systems: Whatsminer's API v2 makes its keys with it.

Why here: `crypt` is going out of the standard library, and no library that we have knows it. About 1 ms, so a caller
keeps what it made. Check value: tests/drivers/miners/test_whatsminer.py, openssl passwd -1.
"""

from functools import lru_cache
from hashlib import md5

_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
_ROUNDS = 1000


@lru_cache(maxsize=4096)  # one password, a salt for each miner that does not change
def md5crypt(password: str, salt: str) -> str:
    """The last field of `$1$salt$...`."""
    secret, grain = password.encode(), salt.encode()[:8]
    inner = md5(secret + grain + secret).digest()
    begun = md5(secret + b"$1$" + grain)
    begun.update((inner * (len(secret) // 16 + 1))[: len(secret)])
    left = len(secret)
    while left:
        begun.update(b"\0" if left & 1 else secret[:1])
        left >>= 1
    state = begun.digest()
    for turn in range(_ROUNDS):
        mixed = (secret if turn & 1 else state) + (grain if turn % 3 else b"") + (secret if turn % 7 else b"")
        state = md5(mixed + (state if turn & 1 else secret)).digest()
    packed = [state[one] << 16 | state[two] << 8 | state[three] for one, two, three in _ORDER]
    text = "".join(_LETTERS[word >> shift & 63] for word in packed for shift in (0, 6, 12, 18))
    return text + _LETTERS[state[11] & 63] + _LETTERS[state[11] >> 6]
