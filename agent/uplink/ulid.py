"""ULIDs: 48 bits of Unix ms and 80 random ones in Crockford's base 32, 26 characters that sort by time."""

import secrets

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_ulid(wall_ms: int) -> str:
    value = (wall_ms & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join(_DIGITS[value >> shift & 31] for shift in range(125, -1, -5))
