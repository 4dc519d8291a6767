"""Who sends commands from outside: keys with roles, a counter for each issuer, and every way in which a command can
be bad.

What the agent must know of itself to be commanded (its boot, uptime and epoch) is taken from its birth at the broker,
as any issuer would.
"""

import base64
import hashlib
import json
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.sim.clock import VirtualClock
from tests.sim.judges.envelope import Unsound, open_envelope, seal
from tests.sim.judges.outside import Sent
from tests.sim.loop import VirtualLoop
from tests.sim.mqtt import Broker

SITE, AGENT, ROOT = "granbury-07", "ctl-1", "ballast"
_ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

# What is wrong with it -> what it deserves (wire.md 6): "silence" where the signer is not known to have signed this.
SPOILT = {
    "unsigned": "silence",
    "stranger": "silence",
    "elsewhere": "silence",
    "replayed": "replay",
    "expired": "expired",
    "early": "not_yet",
    "retained": "retained",
    "no role": "bad_role",
    "wrong scope": "scope",
    "wrong epoch": "epoch",
    "unknown member": "bad_schema",
}


class Issuer:
    """Dispatch, with the roles that limits need; and others, with fewer."""

    def __init__(
        self, loop: VirtualLoop, clock: VirtualClock, broker: Broker, random: Random, agent_key: bytes
    ) -> None:
        self.sent: list[Sent] = []
        self._loop = loop
        self._clock = clock
        self._broker = broker
        self._random = random
        self._agent_key = agent_key
        self._keys = {name: _key(name) for name in ("dispatch", "viewer", "stranger")}
        self._envelopes: dict[str, tuple[str, bytes]] = {}
        self._seq_of: dict[str, int] = {}
        self._seq = {"dispatch": 100, "viewer": 0, "stranger": 0}

    def keyring(self) -> bytes:
        """The site's keyring file: unsigned, as installed by hand (wire.md 7)."""
        roles = {"dispatch": ["curtail", "restore"], "viewer": ["sink"]}
        keys = [
            {
                "kid": hashlib.sha256(_raw(self._keys[name])).hexdigest()[:16],
                "alg": "Ed25519",
                "pub": base64.urlsafe_b64encode(_raw(self._keys[name])).decode().rstrip("="),
                "iss": name,
                "roles": held,
                "scope": ["site"],
                "nbf": None,
                "exp": None,
            }
            for name, held in roles.items()
        ]
        return json.dumps({"v": 1, "t": "keys", "ver": 1, "keys": keys, "revoked": [], "threshold": {}}).encode()

    def limit(self, kw: float, lease_s: float = 60.0, *, spoilt: str = "", after: str = "release") -> Sent:
        """limit.set on the root circuit; `spoilt` names what is wrong with it."""
        return self._send("limit.set", {"kw": kw}, round(lease_s * 1000), spoilt, after, limit_w=kw * 1e3)

    def release(self, of: Sent) -> Sent:
        """limit.release of one of ours; whether it comes in time is not always the outside's to know."""
        return self._send("limit.release", {"id": of.id}, None, "", "release", releases=of.id, deserves="anything")

    def again(self, of: Sent) -> None:
        """The very same bytes once more: not a replay, its status is told again."""
        topic, envelope = self._envelopes[of.id]
        self._broker.send(topic, envelope)

    def _send(
        self,
        op: str,
        args: dict[str, Any],
        lease_ms: int | None,
        spoilt: str,
        after: str,
        *,
        limit_w: float | None = None,
        releases: str = "",
        deserves: str = "accepted",
    ) -> Sent:
        issuer = {"no role": "viewer", "stranger": "stranger"}.get(spoilt, "dispatch")
        birth = self.birth()
        now_ms = self._clock.true_wall_ms()
        self._seq[issuer] += 1
        body: dict[str, Any] = {
            "v": 1,
            "t": "cmd",
            "id": self._ulid(),
            "iss": issuer,
            "seq": self._taken_seq() if spoilt == "replayed" else self._seq[issuer],
            "epoch": int(birth.get("epoch", 1)) + (spoilt == "wrong epoch"),
            "op": op,
            "scope": "nowhere" if spoilt == "wrong scope" else "poi",
            "args": args,
            "exp": {"ts": now_ms - 60_000 if spoilt == "expired" else now_ms + 3_600_000},
        }
        if lease_ms is not None:
            body.update(lease_ms=lease_ms, after=after, need={"apply_ms": 1000, "verify_ms": 20_000, "tol_kw": 3})
        if spoilt == "early":
            body["nbf"] = now_ms + 600_000
        if spoilt == "unknown member":
            body["force"] = True
        address = f"v1/{SITE}/{AGENT}/cmd/{issuer}"
        envelope = seal(
            body, "v1/elsewhere/ctl-1/cmd/dispatch" if spoilt == "elsewhere" else address, self._keys[issuer]
        )
        if spoilt == "unsigned":
            envelope = envelope[:-64] + bytes(64)
        sent = Sent(
            at_ns=self._loop.now_ns,
            id=body["id"],
            sha=hashlib.sha256(envelope).hexdigest(),
            limit_w=limit_w,
            lease_ns=None if lease_ms is None else lease_ms * 1_000_000,
            releases=releases,
            deserves=SPOILT.get(spoilt, deserves),
        )
        self.sent.append(sent)
        self._seq_of[sent.id] = body["seq"]
        self._envelopes[sent.id] = (f"{ROOT}/{address}", envelope)
        (self._broker.retain if spoilt == "retained" else self._broker.send)(f"{ROOT}/{address}", envelope)
        return sent

    def birth(self) -> dict[str, Any]:
        """The newest birth at the broker; empty before the first."""
        address = f"v1/{SITE}/{AGENT}/conn"
        for message in reversed(self._broker.log):
            if message.topic == f"{ROOT}/{address}":
                try:
                    body = open_envelope(message.payload, address, self._agent_key)
                except Unsound:
                    continue
                if body.get("st") == "online":
                    return body
        return {}

    def can_replay(self) -> bool:
        """Whether a command of dispatch is known to have been accepted."""
        return self._taken_seq() >= 0

    def _taken_seq(self) -> int:
        """The highest sequence number that the agent said it accepted; -1 before the first."""
        address = f"v1/{SITE}/{AGENT}/ack/dispatch"
        taken = -1
        for message in self._broker.log:
            if message.topic == f"{ROOT}/{address}":
                body = open_envelope(message.payload, address, self._agent_key)
                if body.get("st") == "accepted":
                    taken = max(taken, self._seq_of.get(str(body.get("id")), -1))
        return taken

    def _ulid(self) -> str:
        return "01" + "".join(self._random.choice(_ULID) for _ in range(24))


def _key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"issuer {name}".encode()).digest())


def _raw(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()
