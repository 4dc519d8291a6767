"""Building blocks of the uplink's tests: an agent's half and an issuer's half that fit together."""

import json
import random
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.uplink.checks import Policy
from agent.uplink.keyring import Keyring, entry_for, read_keyring
from agent.uplink.publisher import Uplink, UplinkSettings
from agent.uplink.records import ALL_AGENTS
from agent.uplink.sealing import Signer, digest, open_envelope
from agent.uplink.spool import Spool
from tests.uplink.fakes import WALL_MS, FakeBroker, FakeClock, FakeKeeper, FakeSink

SITE, AGENT, BOOT, EPOCH = "granbury-07", "ctl-1", "0123456789abcdef", 3


def signer(seed: int) -> Signer:
    """The same key for the same seed."""
    return Signer(Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big")))


AGENT_KEY, DISPATCH, OTHER, STRANGER = (signer(seed) for seed in (1, 2, 3, 4))


def keyring(
    roles: tuple[str, ...] = ("curtail", "restore"), scope: tuple[str, ...] = ("site",), **changes: Any
) -> Keyring:
    """DISPATCH with these roles, OTHER with curtail and restore."""
    entries = [
        {**entry_for(DISPATCH.public, "dispatch", roles, scope), **changes},
        entry_for(OTHER.public, "other", ("curtail", "restore"), ("site",)),
    ]
    return read_keyring(json.dumps({"v": 1, "t": "keys", "ver": 7, "keys": entries}).encode())


def ulid(number: int) -> str:
    return f"01J{number:023d}"


def command(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A good limit.set; whatever a test names is changed."""
    return {
        "v": 1,
        "t": "cmd",
        "id": ulid(number),
        "iss": "dispatch",
        "seq": number,
        "epoch": EPOCH,
        "op": "limit.set",
        "scope": "site",
        "args": {"kw": 1200},
        "lease_ms": 900_000,
        "after": "release",
        "need": {"apply_ms": 1000, "verify_ms": 10_000, "tol_kw": 50},
        "nbf": None,
        "exp": {"ts": WALL_MS + 60_000},
        "dry": False,
        "why": "event 77",
        **changes,
    }


def sealed(
    body: dict[str, Any] | bytes, key: Signer = DISPATCH, issuer: str = "dispatch", agent: str = AGENT, site: str = SITE
) -> bytes:
    """A command's envelope."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return key.seal(f"v1/{site}/{agent}/cmd/{issuer}", payload)


class Rig:
    """One start of an uplink with everything it is handed; `again()` is the same machine after kill -9."""

    def __init__(
        self,
        ring: Keyring | None = None,
        *,
        disk: dict[str, str] | None = None,
        clock: FakeClock | None = None,
        boot: str = BOOT,
        buffer_bytes: int = 1_000_000,
        policy: Policy | None = None,
        no_keyring: bool = False,
        spool: Spool | None = None,
    ) -> None:
        self.ring = None if no_keyring else ring or keyring()
        self.keeper = FakeKeeper(disk)
        self.clock = clock or FakeClock()
        self.sink = FakeSink()
        self.broker = FakeBroker()
        self.uplink = Uplink(
            UplinkSettings(SITE, AGENT, "0.1.0", buffer_bytes=buffer_bytes),
            wire=self.broker,
            signer=AGENT_KEY,
            keyring=self.ring,
            clock=self.clock,
            keeper=self.keeper,
            sink=self.sink,
            spool=spool,
            boot=boot,
            epoch=EPOCH,
            jitter=random.Random(1),
            policy=policy,
        )

    def again(self, boot: str = "fedcba9876543210", spool: Spool | None = None) -> "Rig":
        return Rig(self.ring, disk=dict(self.keeper.disk), clock=self.clock, boot=boot, spool=spool)

    async def give(
        self,
        data: bytes,
        *,
        issuer: str = "dispatch",
        agent: str = AGENT,
        site: str = SITE,
        retained: bool = False,
    ) -> bool:
        """One message on a command channel; True when it would be acknowledged."""
        topic = f"ballast/v1/{site}/{agent}/cmd/{issuer}"
        return await self.uplink.commands.receive(topic, "ballast", data, retained=retained)

    def answers(self) -> list[dict[str, Any]]:
        """The statuses that wait to be sent, taken out."""
        self.uplink.outbox.requeue()
        found = []
        while (item := self.uplink.outbox.take()) is not None:
            self.uplink.outbox.delivered(item)
            found.append(opened(f"ballast/v1/{SITE}/{AGENT}/{item.channel}", item.data))
        return [record for record in found if record["t"] == "ack"]


def opened(topic: str, data: bytes) -> dict[str, Any]:
    """A record of the agent's, verified."""
    address = topic.removeprefix("ballast/")
    payload = open_envelope(data).verify(AGENT_KEY.public, address)
    record: dict[str, Any] = msgspec.json.decode(payload)
    return {**record, "address": address, "digest": digest(data)}


__all__ = ["AGENT_KEY", "ALL_AGENTS", "DISPATCH", "OTHER", "STRANGER", "Rig", "command", "keyring", "opened", "sealed"]
