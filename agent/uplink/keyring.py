"""The keyring: whose commands are believed, and how far (docs/wire.md section 7).

The first one is a local file, unsigned: the payload of a `keys` message as plain JSON, put there by a person with root
rights who compared the fingerprints. `ballast keygen` prints a key's entry for it.

roles   curtail: lower what is allowed; restore: raise or release it; operate: limits without an end; configure,
        keyadmin, sink: not used yet
scope   the circuits that a key may speak of; "site" stands for all of them
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from agent.uplink.command_body import convert
from agent.uplink.records import INTEGER_MAX, LARGE_BYTES_MAX, NAME, RecordError, read_json
from agent.uplink.sealing import PublicKey, SealError

KEYS_MAX = 64
COMMAND_ROLES = frozenset({"curtail", "restore", "operate", "configure"})

Role = Literal["curtail", "restore", "operate", "configure", "keyadmin", "sink"]
_Count = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
_Kid = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]


class KeyringError(Exception):
    """A keyring that cannot be used; says what is wrong and how to mend it."""


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    kid: _Kid
    alg: Literal["Ed25519", "P-256"]
    pub: str
    iss: Annotated[str, Meta(pattern=f"^{NAME}$")]
    roles: Annotated[list[Role], Meta(min_length=1)]
    scope: Annotated[list[str], Meta(min_length=1)]
    nbf: _Count | None = None
    exp: _Count | None = None


class _Payload(Struct, frozen=True, forbid_unknown_fields=True):
    t: Literal["keys"]
    ver: _Count
    keys: Annotated[list[_Entry], Meta(max_length=KEYS_MAX)]
    v: Literal[1] = 1
    revoked: list[_Kid] = []
    threshold: dict[Role, Annotated[int, Meta(ge=1, le=8)]] = {}


class KeyRecord(Struct, frozen=True):
    """One key and what it may do."""

    public: PublicKey
    issuer: str
    roles: frozenset[str]
    scope: frozenset[str]
    not_before_ms: int | None
    expires_ms: int | None

    def covers(self, circuit: str) -> bool:
        return circuit in self.scope or "site" in self.scope


class Keyring(Struct, frozen=True):
    """The keys that are valid now, by kid."""

    ver: int
    keys: Mapping[bytes, KeyRecord]
    fingerprint: str  # SHA-256 of the file, for a person to compare


def load_keyring(path: Path) -> Keyring | None:
    """The keyring of a file; None if there is no file."""
    try:
        data = path.read_bytes()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyringError(f"{path}: {error.strerror}; let the agent's user read it") from error
    if mode & 0o002:
        raise KeyringError(f"{path}: anyone may write it, so it proves nothing; chmod o-w {path} after checking it")
    try:
        return read_keyring(data)
    except KeyringError as error:
        raise KeyringError(f"{path}: {error}") from error


def read_keyring(data: bytes) -> Keyring:
    """The keyring in a file's bytes."""
    try:
        payload = convert(read_json(data, LARGE_BYTES_MAX), _Payload)
    except RecordError as error:
        raise KeyringError(f"{error.detail}; see docs/wire.md section 7") from error
    for role, number in payload.threshold.items():
        if number > 1:
            raise KeyringError(f"threshold {role} = {number}: several signatures are not yet supported; set it to 1")
    keys: dict[bytes, KeyRecord] = {}
    for entry in payload.keys:
        record = _record(entry)
        if record.public.kid in keys:
            raise KeyringError(f"key {entry.kid} is there twice; remove one entry")
        keys[record.public.kid] = record
    for kid in payload.revoked:
        keys.pop(bytes.fromhex(kid), None)
    fingerprint = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Keyring(payload.ver, keys, fingerprint)


def entry_for(public: PublicKey, issuer: str, roles: tuple[str, ...], scope: tuple[str, ...]) -> dict[str, object]:
    """A key's entry for the file."""
    return {
        "kid": public.kid.hex(),
        "alg": public.algorithm,
        "pub": base64.urlsafe_b64encode(public.raw).decode().rstrip("="),
        "iss": issuer,
        "roles": list(roles),
        "scope": list(scope),
        "nbf": None,
        "exp": None,
    }


def _record(entry: _Entry) -> KeyRecord:
    try:
        raw = base64.b64decode(entry.pub + "=" * (-len(entry.pub) % 4), altchars=b"-_", validate=True)
        public = PublicKey(entry.alg, raw)
    except (SealError, binascii.Error) as error:
        raise KeyringError(f"key {entry.kid}: pub is not a public key in base64url; copy it from keygen") from error
    if public.kid.hex() != entry.kid:
        raise KeyringError(f"key {entry.kid}: pub belongs to kid {public.kid.hex()}; copy both from keygen")
    return KeyRecord(public, entry.iss, frozenset(entry.roles), frozenset(entry.scope), entry.nbf, entry.exp)
