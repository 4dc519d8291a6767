"""Names that must be the same after a replay: event ids and the order of returns, drawn by hashing, never by chance."""

import hashlib

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # ULID's alphabet


def event_id(site: str, wall_ms: int | None, counter: int, key: str, now_ns: int) -> str:
    """A ULID (26 characters): 48 bits of Unix ms, 80 bits hashed from what the event is."""
    seed = f"{site}|{wall_ms}|{counter}|{key}|{now_ns}".encode()
    number = ((wall_ms or 0) & (1 << 48) - 1) << 80 | int.from_bytes(hashlib.sha256(seed).digest()[:10], "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def draw(*parts: str) -> float:
    """A number in [0, 1) that is always the same for the same parts and looks like chance."""
    return int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:7], "big") / 2**56
