"""Who commands a site from outside: good commands, and every way in which one can be bad.

What a bad one deserves (wire contract, section 6): a rejection's code, or "silence" where the signer is not known to
have signed this for this address. Envelopes are made here, by RFC 9052 and the contract's section 2.
"""

import hashlib
import json
import random
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from hil.soak.site import AGENT, ROOT, SITE

SPOILT = {
    "unsigned": "silence",
    "stranger": "silence",
    "elsewhere": "silence",
    "expired": "expired",
    "early": "not_yet",
    "retained": "retained",
    "no role": "bad_role",
    "wrong scope": "scope",
    "wrong epoch": "epoch",
    "unknown member": "bad_schema",
}
_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ANY_TIME_MS = 3_600_000


class Sealed(Struct, frozen=True):
    """One command, ready to be published."""

    id: str
    topic: str
    data: bytes
    deserves: str  # "accepted", a code, "silence", "anything"

    @property
    def sha(self) -> str:
        """What its acknowledgements call it."""
        return hashlib.sha256(self.data).hexdigest()


class Issuer:
    """Dispatch, a viewer who may command nothing, and a stranger."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._keys = {name: _load(folder / f"{name}.pem") for name in ("dispatch", "viewer", "stranger")}
        self._random = random.Random(f"issuer {seed}")
        self._seq = 0

    def limit(self, kw: float, lease_s: float, epoch: int, spoilt: str = "") -> Sealed:
        """limit.set for the whole site; `spoilt` names what is wrong with it."""
        args = {"lease_ms": round(lease_s * 1000), "after": "release"}
        need = {"apply_ms": 1000, "verify_ms": 20_000, "tol_kw": 10}
        return self._seal({"op": "limit.set", "args": {"kw": round(kw, 1)}, **args, "need": need}, epoch, spoilt)

    def release(self, of: str, epoch: int) -> Sealed:
        """limit.release of one of ours; whether it comes in time is not always the outside's to know."""
        return self._seal({"op": "limit.release", "args": {"id": of}}, epoch, "", deserves="anything")

    def _seal(self, body: dict[str, Any], epoch: int, spoilt: str, deserves: str = "accepted") -> Sealed:
        issuer = {"no role": "viewer", "stranger": "stranger"}.get(spoilt, "dispatch")
        now_ms = int(time.time() * 1000)
        self._seq += 1
        whole = {
            "v": 1,
            "t": "cmd",
            "id": "01" + "".join(self._random.choice(_ULID) for _ in range(24)),
            "iss": issuer,
            "seq": self._seq,
            "epoch": epoch + (spoilt == "wrong epoch"),
            "scope": "nowhere" if spoilt == "wrong scope" else "site",
            "exp": {"ts": now_ms + (-60_000 if spoilt == "expired" else _ANY_TIME_MS)},
            **({"nbf": now_ms + 600_000} if spoilt == "early" else {}),
            **({"force": True} if spoilt == "unknown member" else {}),
            **body,
        }
        address = f"v1/{SITE}/{AGENT}/cmd/{issuer}"
        signed_for = f"v1/elsewhere/{AGENT}/cmd/{issuer}" if spoilt == "elsewhere" else address
        data = seal(self._keys[issuer], signed_for, json.dumps(whole).encode())
        if spoilt == "unsigned":
            data = data[:-64] + bytes(64)
        return Sealed(str(whole["id"]), f"{ROOT}/{address}", data, SPOILT.get(spoilt, deserves))


def seal(key: Ed25519PrivateKey, address: str, payload: bytes) -> bytes:
    """COSE_Sign1 over JSON, for one address."""
    kid = hashlib.sha256(key.public_key().public_bytes_raw()).digest()[:8]
    protected = b"\xa3\x01\x27\x03\x18\x32\x04" + _bytes(kid)
    to_be_signed = b"\x84\x6aSignature1" + _bytes(protected) + _bytes(address.encode()) + _bytes(payload)
    return b"\xd2\x84" + _bytes(protected) + b"\xa0" + _bytes(payload) + _bytes(key.sign(to_be_signed))


def _bytes(data: bytes) -> bytes:
    size = len(data)
    if size < 24:
        return bytes([0x40 | size]) + data
    for additional, width in ((24, 1), (25, 2)):
        if size < 1 << 8 * width:
            return bytes([0x40 | additional]) + size.to_bytes(width, "big") + data
    raise ValueError(f"{size} bytes are too many for a command")


def _load(pem: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return key
