"""What the agent's MQTT records prove, judged by an implementation of its own: COSE_Sign1, sequence and chain.

Written from the wire contract (sections 1-5) and RFC 9052/8949; it shares nothing with the agent but `cryptography`'s
Ed25519. A message counts as evidence only when

    its envelope is exactly [18](protected, {}, payload, signature) in minimal CBOR, nothing behind it,
    its protected header is exactly algorithm (-8 or -19), content type 50 and the kid of the agent's enrolled key,
    the signature verifies over the address it came on (Sig_structure with external_aad = address),
    its JSON has no duplicate member and no number that is not finite,
    and it names its predecessor by digest, where it has one to name (telemetry and gap records).

The same sequence number a second time must be the same bytes: QoS 1 may deliver twice, nobody may say two things. What
is missing is told apart from what is wrong: on a stream (tele, evt, ack) each number since the agent's start must have
come or be declared lost by a signed gap record, in whatever order. conn, schema and ctl are states and may skip; a
death is numbered before its connection and published, if ever, after the birth.
"""

import hashlib
import json
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from msgspec import Struct

_BYTES_MAX = 128 * 1024
_GAP_MAX = 1_000_000
_STREAMS = ("tele/", "evt", "ack/")
_CONTEXT = b"Signature1"


class EvidenceError(Exception):
    """This message proves nothing; says why."""


class Record(Struct, frozen=True):
    """One message that counts."""

    channel: str
    body: dict[str, Any]
    received_ns: int  # CLOCK_MONOTONIC
    retained: bool
    digest: str  # SHA-256 of the envelope, hex


class Evidence:
    """The records of one agent, in the order in which they came; what did not count is in `refused`."""

    def __init__(self, public_key: bytes, root: str, site: str, agent: str) -> None:
        self.records: list[Record] = []
        self.refused: list[str] = []
        self.repeated = 0
        self._key = Ed25519PublicKey.from_public_bytes(public_key)
        self._kid = hashlib.sha256(public_key).digest()[:8]
        self._root = root
        self._prefix = f"v1/{site}/{agent}/"
        self._digests: dict[tuple[str, str, int], str] = {}  # (channel, boot, seq) -> digest
        self._lost: set[tuple[str, str, int]] = set()  # declared
        self._lost_from: dict[tuple[str, str], int] = {}  # declared, all from there on: an earlier boot's

    def take(self, topic: str, data: bytes, received_ns: int, *, retained: bool = False) -> Record | None:
        """The record in a message; None when it is refused or a repetition."""
        try:
            record = self._judge(topic, data, received_ns, retained)
        except EvidenceError as error:
            self.refused.append(f"{topic}: {error}")
            return None
        if record is not None:
            self.records.append(record)
        return record

    def of(self, channel: str, **members: object) -> list[Record]:
        """The records of a channel whose body has these members."""
        return [
            record
            for record in self.records
            if record.channel == channel and all(record.body.get(name) == value for name, value in members.items())
        ]

    def missing(self) -> list[str]:
        """The numbers of streams that neither came nor were declared lost; for a listener since the agent's start."""
        highest: dict[tuple[str, str], int] = {}
        for channel, boot, seq in self._digests:
            if channel.startswith(_STREAMS):
                highest[channel, boot] = max(seq, highest.get((channel, boot), 0))
        return [
            f"{channel} {seq} of boot {boot}"
            for (channel, boot), newest in highest.items()
            for seq in range(newest)
            if (channel, boot, seq) not in self._digests and not self._declared(channel, boot, seq)
        ]

    def _judge(self, topic: str, data: bytes, received_ns: int, retained: bool) -> Record | None:
        root, _, address = topic.partition("/")
        if root != self._root or not address.startswith(self._prefix):
            raise EvidenceError(f"not a topic of {self._root}/{self._prefix}")
        channel = address.removeprefix(self._prefix)
        body = _json(open_sign1(data, self._key, self._kid, address))
        digest = hashlib.sha256(data).hexdigest()
        boot, seq = body.get("boot"), body.get("seq")
        if body.get("v") != 1 or not isinstance(boot, str) or not isinstance(seq, int) or seq < 0:
            raise EvidenceError("v, boot or seq is missing")
        known = self._digests.get((channel, boot, seq))
        if known is not None:
            if known != digest:
                raise EvidenceError(f"seq {seq} was already used for other bytes")
            self.repeated += 1
            return None
        self._check_chain(channel, boot, seq, body)
        self._digests[channel, boot, seq] = digest
        if body.get("t") == "gap":
            self._declare(channel, body)
        return Record(channel, body, received_ns, retained, digest)

    def _check_chain(self, channel: str, boot: str, seq: int, body: dict[str, Any]) -> None:
        before = self._digests.get((channel, boot, seq - 1))
        if body.get("t") in ("tele", "gap") and before is not None and body.get("prev") != before[:32]:
            raise EvidenceError(f"seq {seq} names {body.get('prev')} as the one before, which is {before[:32]}")

    def _declare(self, channel: str, body: dict[str, Any]) -> None:
        first, last, boot = body.get("from"), body.get("to"), body.get("of")
        if not isinstance(first, int) or not isinstance(boot, str):
            return
        if isinstance(last, int) and last - first < _GAP_MAX:
            self._lost.update((channel, boot, seq) for seq in range(first, last + 1))
        elif last is None:
            self._lost_from[channel, boot] = first

    def _declared(self, channel: str, boot: str, seq: int) -> bool:
        from_on = self._lost_from.get((channel, boot))
        return (channel, boot, seq) in self._lost or (from_on is not None and seq >= from_on)


def load_public_key(pem: bytes) -> bytes:
    """The 32 raw bytes of an Ed25519 public key in PEM."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise EvidenceError("not an Ed25519 key")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def open_sign1(data: bytes, key: Ed25519PublicKey, kid: bytes, address: str) -> bytes:
    """The payload of an envelope that this key signed for this address."""
    if len(data) > _BYTES_MAX:
        raise EvidenceError(f"{len(data)} bytes")
    reader = _Cbor(data)
    if reader.major() == 6:
        reader.head(6, 18)
    reader.head(4, 4)
    protected = reader.byte_string()
    reader.head(5, 0)
    payload = reader.byte_string()
    signature = reader.byte_string()
    reader.end()
    _check_header(protected, kid)
    try:
        key.verify(signature, to_be_signed(protected, address, payload))
    except InvalidSignature:
        raise EvidenceError("the signature does not verify") from None
    return payload


def to_be_signed(protected: bytes, address: str, payload: bytes) -> bytes:
    """RFC 9052 section 4.4: the Sig_structure, with the address as external_aad."""
    parts = (protected, address.encode(), payload)
    return b"\x84" + _length(0x60, len(_CONTEXT)) + _CONTEXT + b"".join(map(cbor_bytes, parts))


def cbor_bytes(value: bytes) -> bytes:
    """A byte string in its shortest form."""
    return _length(0x40, len(value)) + value


def _check_header(protected: bytes, kid: bytes) -> None:
    reader = _Cbor(protected)
    reader.head(5, 3)
    seen: dict[int, object] = {}
    for _ in range(3):
        label = reader.integer()
        if label in seen:
            raise EvidenceError(f"header {label} is there twice")
        seen[label] = reader.byte_string() if label == 4 else reader.integer()
    reader.end()
    if set(seen) != {1, 3, 4}:
        raise EvidenceError(f"headers {sorted(seen)}")
    if seen[1] not in (-8, -19) or seen[3] != 50:
        raise EvidenceError(f"algorithm {seen[1]}, content type {seen[3]}")
    if seen[4] != kid:
        raise EvidenceError("signed by another key than the enrolled one")


class _Cbor:
    """The little of RFC 8949 that an envelope needs: definite lengths in their shortest form."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def major(self) -> int:
        if self._at >= len(self._data):
            raise EvidenceError("the envelope is cut off")
        return self._data[self._at] >> 5

    def head(self, major: int, argument: int | None = None) -> int:
        """The argument of the next item, which must be of this major type (and have this argument)."""
        found, value = self.major(), self._data[self._at] & 0x1F
        self._at += 1
        if value >= 24:
            size = {24: 1, 25: 2, 26: 4, 27: 8}.get(value)
            if size is None:
                raise EvidenceError("an indefinite or reserved length")
            raw = self._take(size)
            value = int.from_bytes(raw, "big")
            if value < (24, 1 << 8, 1 << 16, 1 << 32)[size.bit_length() - 1]:
                raise EvidenceError("a length not in its shortest form")
        if found != major or (argument is not None and value != argument):
            raise EvidenceError(f"CBOR item {found}:{value} where {major}:{argument} belongs")
        return value

    def integer(self) -> int:
        return self.head(0) if self.major() == 0 else -1 - self.head(1)

    def byte_string(self) -> bytes:
        return self._take(self.head(2))

    def end(self) -> None:
        if self._at != len(self._data):
            raise EvidenceError("bytes behind the envelope")

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise EvidenceError("the envelope is cut off")
        self._at += count
        return taken


def _length(major: int, count: int) -> bytes:
    if count < 24:
        return bytes([major | count])
    size = 1 if count < 1 << 8 else 2 if count < 1 << 16 else 4
    return bytes([major | 23 + size.bit_length()]) + count.to_bytes(size, "big")


def _json(payload: bytes) -> dict[str, Any]:
    try:
        body = json.loads(payload.decode("utf-8"), object_pairs_hook=_members, parse_constant=_not_finite)
    except ValueError as error:
        raise EvidenceError(f"JSON: {error}") from error
    if not isinstance(body, dict):
        raise EvidenceError("the payload is no JSON object")
    return body


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise EvidenceError("a JSON member is there twice")
    return body


def _not_finite(name: str) -> NoReturn:
    raise EvidenceError(f"a number is {name}")
