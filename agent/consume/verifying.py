"""An agent's messages, believed only when they verify: the first thing a consumer of the wire contract does.

For use outside the agent as well: this package needs only agent.uplink.sealing and agent.uplink.records, `cryptography`
and `msgspec`. A consumer keeps one Verifier per agent, and gives it what MQTT delivers below
`{root}/v1/{site}/{agent}/`:

    key = PublicKey("Ed25519", raw_bytes_that_were_enrolled_out_of_band)
    verifier = Verifier("ballast", "granbury-07", "ctl-1", key)
    stream = Stream()
    for topic, data in messages:
        try:
            record = verifier.record(topic, data)
        except Unverified as error:
            ...                                   # count it; never act on it
        else:
            for fresh in stream.take(record):     # agent/consume/ordering.py
                ...
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from agent.uplink.records import RecordError, address_of, read_json
from agent.uplink.sealing import JSON_TYPE, PublicKey, SealError, digest, open_envelope


class Unverified(Exception):
    """A message that proves nothing."""


class Record(Struct, frozen=True):
    """One record that this agent certainly made."""

    channel: str  # tele/main, evt, ctl, ack/dispatch, ...
    kind: str  # t: tele, gap, evt, ctl, ack, conn, schema; unknown kinds are to be ignored
    boot: str
    seq: int
    up: int  # ms since the agent's start
    ts: int | None  # Unix ms, None when the agent has no clock
    body: Mapping[str, Any]  # the whole payload
    digest: str  # SHA-256 of the envelope; the next batch's `prev` is its first 32 digits


class Verifier:
    """Knows one agent's key."""

    def __init__(self, root: str, site: str, agent: str, key: PublicKey) -> None:
        self._root = root
        self._site = site
        self._agent = agent
        self._key = key

    def record(self, topic: str, data: bytes) -> Record:
        """The record in a message; raises Unverified."""
        try:
            address = address_of(topic, self._root)
            if (address.site, address.agent) != (self._site, self._agent):
                raise Unverified(f"{topic} is not of {self._site}/{self._agent}")
            envelope = open_envelope(data)
            payload = envelope.verify(self._key, str(address))
            if envelope.content_type != JSON_TYPE:
                raise Unverified(f"{topic}: content type {envelope.content_type!r} is not read here")
            body = read_json(payload)
        except (SealError, RecordError) as error:
            raise Unverified(f"{topic}: {error}") from error
        kind, boot, seq, up, ts = (body.get(name) for name in ("t", "boot", "seq", "up", "ts"))
        if not (isinstance(kind, str) and isinstance(boot, str) and isinstance(seq, int) and isinstance(up, int)):
            raise Unverified(f"{topic}: t, boot, seq or up is missing")
        return Record(address.channel, kind, boot, seq, up, ts if isinstance(ts, int) else None, body, digest(data))
