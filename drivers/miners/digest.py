"""HTTP digest (RFC 7616) with MD5 or SHA-256: from a challenge to the line that answers it. Pure.

A *nonce* may be used again with a higher count, which saves the round trip of a new challenge; the server says 401 with
a new one when it has had enough of it. The client's own nonce is no secret and need not be random for MD5 with qop=auth
to work as it does; it is made from the server's and the count, so that the same state gives the same bytes.
"""

import hashlib
import re
from collections.abc import Callable, Generator

from msgspec import Struct, structs

from drivers.miners.dialect import Account, Heard, Request
from drivers.miners.http import HttpReply, decode_http

_PART = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES = {"MD5": hashlib.md5, "MD5-SESS": hashlib.md5, "SHA-256": hashlib.sha256, "SHA-256-SESS": hashlib.sha256}
_PLAIN = re.compile(r"[\x20-\x7e]{0,512}")  # it goes into a header


class Challenge(Struct, frozen=True):
    """What a server asked to be answered, and how often it was."""

    realm: str
    nonce: str
    qop: str  # "auth", or empty where an old server knows none
    opaque: str = ""
    algorithm: str = "MD5"
    count: int = 0


def challenge_of(reply: HttpReply) -> Challenge | None:
    """The first digest challenge of a 401 that we can answer."""
    for line in reply.header("www-authenticate"):
        if not line.lower().startswith("digest"):
            continue
        parts = {key.lower(): quoted or bare for key, quoted, bare in _PART.findall(line[6:])}
        offered = {one.strip().lower() for one in parts.get("qop", "").split(",")}
        made = Challenge(
            parts.get("realm", ""),
            parts.get("nonce", ""),
            "auth" if "auth" in offered else "",
            parts.get("opaque", ""),
            parts.get("algorithm", "MD5").upper(),
        )
        fits = all(_PLAIN.fullmatch(value) for value in (made.realm, made.nonce, made.opaque))
        if made.nonce and fits and made.algorithm in _HASHES:
            return made
    return None


def authorization(challenge: Challenge, account: Account, user: str, method: str, path: str) -> str:
    """The header line that answers a challenge for one request; its count must be higher than any before."""

    def digest(text: str) -> str:
        return _HASHES[challenge.algorithm](text.encode()).hexdigest()

    count = f"{challenge.count:08x}"
    own = digest(f"{challenge.nonce}:{count}")[:16]
    first = digest(f"{user}:{challenge.realm}:{account.password or ''}")
    if challenge.algorithm.endswith("-SESS"):
        first = digest(f"{first}:{challenge.nonce}:{own}")
    second = digest(f"{method}:{path}")
    middle = f"{challenge.nonce}:{count}:{own}:auth" if challenge.qop else challenge.nonce
    response = digest(f"{first}:{middle}:{second}")
    parts = [
        f'username="{user}"',
        f'realm="{challenge.realm}"',
        f'nonce="{challenge.nonce}"',
        f'uri="{path}"',
        f'response="{response}"',
        f"algorithm={challenge.algorithm}",
    ]
    if challenge.qop:
        parts += ["qop=auth", f"nc={count}", f'cnonce="{own}"']
    if challenge.opaque:
        parts.append(f'opaque="{challenge.opaque}"')
    return "Authorization: Digest " + ", ".join(parts)


def read_with(
    challenge: Challenge | None, account: Account, user: str, method: str, path: str, make: Callable[[str], Request]
) -> Generator[Request, Heard, tuple[HttpReply, Challenge | None]]:
    """One request of a poll, answering what it is challenged with; `make` gets the header line, empty before any.

    Returns the answer and the challenge to go on with, None when our password was not taken. A count is left out for
    the verb that lies ready.
    """
    skip = 2
    while True:
        line = ""
        if challenge is not None:
            challenge = structs.replace(challenge, count=challenge.count + skip)
            line = authorization(challenge, account, user, method, path)
        heard = yield make(line)
        reply = decode_http(heard.raw)
        if reply.status != 401:
            return reply, challenge
        asked = challenge_of(reply)
        if asked is None or (challenge is not None and skip == 1):
            return reply, None
        challenge, skip = asked, 1
