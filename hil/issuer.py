"""Whoever commands from outside: a key, a counter, and envelopes by hand, good ones and spoilt ones.

Written from the wire contract (docs/wire.md, sections 2, 6 and 7) and RFC 9052; it shares nothing with the agent but
`cryptography`'s Ed25519.
"""

import base64
import hashlib
import json
import os
import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from msgspec import Struct

from hil.evidence import cbor_bytes, to_be_signed

ROLES = ("curtail", "restore")
_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALID_MS = 60_000


class Sealed(Struct, frozen=True):
    """One command, ready to be published."""

    id: str
    topic: str
    data: bytes
    body: dict[str, Any]

    @property
    def digest(self) -> str:
        """What a status calls it, also where its body could not be read."""
        return hashlib.sha256(self.data).hexdigest()


class Key:
    """An Ed25519 key; with a path it is kept there, and its public half in path.pub, as `ballast keygen` does."""

    def __init__(self, path: Path | None = None) -> None:
        self._private = Ed25519PrivateKey.generate()
        public = self._private.public_key()
        self.raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.kid = hashlib.sha256(self.raw).digest()[:8]
        if path is None:
            return
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        pub = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        path.with_name(f"{path.name}.pub").write_bytes(pub)

    def seal(self, address: str, payload: bytes) -> bytes:
        """A COSE_Sign1 of a payload for one address."""
        protected = b"\xa3" + b"\x01\x27" + b"\x03\x18\x32" + b"\x04" + cbor_bytes(self.kid)
        signature = self._private.sign(to_be_signed(protected, address, payload))
        return b"\xd2\x84" + cbor_bytes(protected) + b"\xa0" + cbor_bytes(payload) + cbor_bytes(signature)

    def entry(self, issuer: str, roles: Iterable[str]) -> dict[str, object]:
        """What a keyring says of it."""
        return {
            "kid": self.kid.hex(),
            "alg": "Ed25519",
            "pub": base64.urlsafe_b64encode(self.raw).rstrip(b"=").decode(),
            "iss": issuer,
            "roles": list(roles),
            "scope": ["site"],
            "nbf": None,
            "exp": None,
        }


class Issuer:
    """One name of the keyring (or of none) with its key and its counter."""

    def __init__(self, name: str, key: Key, site: str, agent: str, root: str, roles: tuple[str, ...] = ROLES) -> None:
        self.name = name
        self.key = key
        self.roles = roles
        self.seq = 0
        self._site, self._agent, self._root = site, agent, root

    def limit(self, kw: float, lease_ms: int, *, epoch: int, **changes: Any) -> Sealed:
        """A limit.set; `changes` spoil its body."""
        body = {
            "scope": "site",
            "args": {"kw": kw},
            "lease_ms": lease_ms,
            "after": "release",
            "need": {"apply_ms": 1000, "verify_ms": 10_000, "tol_kw": 1},
        }
        return self.seal(self._command("limit.set", epoch) | body | changes)

    def release(self, command: str, *, epoch: int) -> Sealed:
        """A limit.release of what a command set."""
        return self.seal(self._command("limit.release", epoch) | {"scope": "site", "args": {"id": command}})

    def seal(self, body: dict[str, Any], *, signed_for: str | None = None, sent_to: str | None = None) -> Sealed:
        """The envelope of a body, signed for one address and sent to another if those are given."""
        address = self.address
        data = self.key.seal(signed_for or address, json.dumps(body).encode())
        return Sealed(body["id"], f"{self._root}/{sent_to or address}", data, body)

    @property
    def address(self) -> str:
        """Where its commands go."""
        return f"v1/{self._site}/{self._agent}/cmd/{self.name}"

    def _command(self, op: str, epoch: int) -> dict[str, Any]:
        self.seq += 1
        return {
            "v": 1,
            "t": "cmd",
            "id": "01" + "".join(random.choice(_ULID) for _ in range(24)),
            "iss": self.name,
            "seq": self.seq,
            "epoch": epoch,
            "op": op,
            "nbf": None,
            "exp": {"ts": int(time.time() * 1000) + _VALID_MS},
            "dry": False,
            "why": "the rig",
        }


def keyring(issuers: Iterable[Issuer]) -> str:
    """The keyring file that a person installs."""
    keys = [issuer.key.entry(issuer.name, issuer.roles) for issuer in issuers]
    return json.dumps({"v": 1, "t": "keys", "ver": 1, "keys": keys, "revoked": [], "threshold": {}})
