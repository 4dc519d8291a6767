"""Whoever commands from outside: a key, a counter, and envelopes by hand, good ones and spoilt ones."""

import json
import random
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from agent.uplink.keyfiles import make_key
from agent.uplink.keyring import entry_for
from tests.e2e.agent.broker import ROOT

_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Sealed(Struct, frozen=True):
    """One command, ready to be published."""

    id: str
    topic: str
    data: bytes
    body: dict[str, Any]


class Issuer:
    """One key of the keyring (or of none)."""

    def __init__(self, name: str, pem: Path, site: str, agent: str, roles: tuple[str, ...]) -> None:
        self.name = name
        self.seq = 0
        self.signer = make_key(pem)
        self._site = site
        self._agent = agent
        self._roles = roles

    def entry(self) -> dict[str, object]:
        """What the keyring says of it."""
        return entry_for(self.signer.public, self.name, self._roles, ("site",))

    def limit(self, kw: float, lease_ms: int, *, epoch: int, **changes: Any) -> Sealed:
        """A limit.set; `changes` spoil its body."""
        self.seq += 1
        now_ms = int(time.time() * 1000)
        body: dict[str, Any] = {
            "v": 1,
            "t": "cmd",
            "id": "01" + "".join(random.choice(_ULID) for _ in range(24)),
            "iss": self.name,
            "seq": self.seq,
            "epoch": epoch,
            "op": "limit.set",
            "scope": "site",
            "args": {"kw": kw},
            "lease_ms": lease_ms,
            "after": "release",
            "need": {"apply_ms": 1000, "verify_ms": 10_000, "tol_kw": 1},
            "nbf": None,
            "exp": {"ts": now_ms + 60_000},
            "dry": False,
            "why": "a test",
            **changes,
        }
        return self.seal(body)

    def seal(self, body: dict[str, Any], *, signed_for: str | None = None, sent_to: str | None = None) -> Sealed:
        """The envelope of a body, signed for one address and sent to another if those are given."""
        address = f"v1/{self._site}/{self._agent}/cmd/{self.name}"
        data = self.signer.seal(signed_for or address, json.dumps(body).encode())
        return Sealed(body["id"], f"{ROOT}/{sent_to or address}", data, body)


def keyring(*issuers: Issuer) -> str:
    """The keyring file that a person installs."""
    keys = [issuer.entry() for issuer in issuers]
    return json.dumps({"v": 1, "t": "keys", "ver": 1, "keys": keys, "revoked": [], "threshold": {}})
