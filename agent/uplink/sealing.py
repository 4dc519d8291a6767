"""The envelope of the wire contract (docs/wire.md section 2): COSE_Sign1 (RFC 9052) with Ed25519, and nothing else.

envelope  [18](protected, {}, payload, signature); the tag may be missing
protected exactly three headers: 1 algorithm, 3 content type, 4 kid
kid       the first 8 bytes of SHA-256 of the raw public key; the whole digest is the key's fingerprint
raw key   Ed25519: its 32 bytes. P-256: the uncompressed point, 65 bytes (SEC 1 section 2.3.3)
address   signed along (external_aad), never sent in the envelope: a message moved to another address does not verify

Which algorithms a key may have been used with comes from the key, never from the header: -8 (EdDSA) and -19 (Ed25519,
RFC 9864) for an Ed25519 key, -7 (ES256) and -9 (ESP256) for P-256. We emit -8, which every library verifies.
Envelopes with several signatures (COSE_Sign, tag 98) belong to dual control, which is not built: they are refused.
"""

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from agent.uplink import cbor
from agent.uplink.cbor import CborError, CborReader

SIGN1_TAG: Final = 18
SIGNATURE_BYTES: Final = 64
KID_BYTES: Final = 8
JSON_TYPE: Final = 50  # CoAP content format of application/json
CONTENT_TYPES: Final[frozenset[int | str]] = frozenset({JSON_TYPE, "application/msgpack", "application/json+zlib"})
MESSAGE_BYTES_MAX: Final = 128 * 1024  # any message, wire.md section 8
ALGORITHMS: Final = {"Ed25519": frozenset({-8, -19}), "P-256": frozenset({-7, -9})}
_HEADER_ALGORITHM, _HEADER_CONTENT_TYPE, _HEADER_KID = 1, 3, 4


class SealError(Exception):
    """An envelope is refused; `code` is the wire's word for why (section 6.1), `detail` is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class PublicKey:
    """One key that can verify."""

    def __init__(self, algorithm: str, raw: bytes) -> None:
        self.algorithm = algorithm
        self.raw = raw
        digest = hashlib.sha256(raw).digest()
        self.kid = digest[:KID_BYTES]
        self.fingerprint = f"sha256:{digest.hex()}"
        self._ed25519: Ed25519PublicKey | None = None
        self._p256: EllipticCurvePublicKey | None = None
        try:
            if algorithm == "Ed25519":
                self._ed25519 = Ed25519PublicKey.from_public_bytes(raw)
            elif algorithm == "P-256" and len(raw) == 65:
                self._p256 = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw)
            else:
                raise ValueError(f"{len(raw)} bytes for algorithm {algorithm!r}")
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SealError("bad_sig", f"not a public key: {error}") from error

    def check(self, message: bytes, signature: bytes) -> None:
        """Raises SealError unless the signature (64 bytes) is this key's over the message."""
        try:
            if len(signature) != SIGNATURE_BYTES:
                raise InvalidSignature
            if self._ed25519 is not None:
                self._ed25519.verify(signature, message)
            elif self._p256 is not None:
                half = SIGNATURE_BYTES // 2
                r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
                self._p256.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
        except InvalidSignature as error:
            raise SealError("bad_sig", f"signature of key {self.kid.hex()} does not verify") from error


class Signer:
    """One private key that signs; everything about an envelope that does not change is encoded once."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey("Ed25519", private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        self.kid = self.public.kid
        self._protected = b"".join(
            (
                cbor.head(cbor.MAP, 3),
                cbor.integer(_HEADER_ALGORITHM) + cbor.integer(-8),
                cbor.integer(_HEADER_CONTENT_TYPE) + cbor.integer(JSON_TYPE),
                cbor.integer(_HEADER_KID) + cbor.byte_string(self.kid),
            )
        )
        self._start = b"".join(
            (
                cbor.head(cbor.TAG, SIGN1_TAG),
                cbor.head(cbor.ARRAY, 4),
                cbor.byte_string(self._protected),
                cbor.head(cbor.MAP, 0),
            )
        )

    def seal(self, address: str, payload: bytes) -> bytes:
        """The envelope of a JSON payload, valid only at this address."""
        signature = self._private.sign(to_be_signed(self._protected, address.encode(), payload))
        return self._start + cbor.byte_string(payload) + cbor.byte_string(signature)


class Envelope(Struct, frozen=True):
    """One taken apart and not yet believed."""

    algorithm: int
    content_type: int | str
    kid: bytes
    payload: bytes
    protected: bytes
    signature: bytes

    def verify(self, key: PublicKey, address: str) -> bytes:
        """The payload, once it is certain that this key signed it for this address."""
        if self.kid != key.kid:
            raise SealError("bad_sig", f"kid {self.kid.hex()} is not key {key.kid.hex()}")
        if self.algorithm not in ALGORITHMS[key.algorithm]:
            raise SealError("bad_sig", f"algorithm {self.algorithm} with a key for {key.algorithm}")
        key.check(to_be_signed(self.protected, address.encode(), self.payload), self.signature)
        return self.payload


def to_be_signed(protected: bytes, external: bytes, payload: bytes) -> bytes:
    """RFC 9052 section 4.4: Sig_structure of COSE_Sign1; an empty protected map counts as a zero-length string."""
    if protected == b"\xa0":
        protected = b""
    return b"".join(
        (
            cbor.head(cbor.ARRAY, 4),
            cbor.text_string("Signature1"),
            cbor.byte_string(protected),
            cbor.byte_string(external),
            cbor.byte_string(payload),
        )
    )


def open_envelope(data: bytes, bytes_max: int = MESSAGE_BYTES_MAX) -> Envelope:
    """The parts of an envelope of exactly our shape; anything else raises SealError and nothing else."""
    if len(data) > bytes_max:
        raise SealError("too_big", f"{len(data)} bytes, at most {bytes_max} allowed")
    try:
        return _read_envelope(CborReader(data))
    except CborError as error:
        raise SealError("bad_schema", f"envelope: {error}") from error


def digest(envelope: bytes) -> str:
    """SHA-256 of a whole envelope in hex: how acknowledgements and chains (its first 32 digits) name it."""
    return hashlib.sha256(envelope).hexdigest()


def _read_envelope(reader: CborReader) -> Envelope:
    if reader.next_major() == cbor.TAG and (tag := reader.expect(cbor.TAG)) != SIGN1_TAG:
        raise CborError(f"tag {tag}, expected {SIGN1_TAG}")
    if reader.expect(cbor.ARRAY) != 4:
        raise CborError("not an array of four")
    protected = reader.take_bytes()
    if reader.expect(cbor.MAP) != 0:
        raise CborError("unprotected headers")
    payload = reader.take_bytes()
    signature = reader.take_bytes()
    reader.end()
    if len(signature) != SIGNATURE_BYTES:
        raise CborError(f"signature of {len(signature)} bytes")
    algorithm, content_type, kid = _read_protected(CborReader(protected))
    return Envelope(algorithm, content_type, kid, payload, protected, signature)


def _read_protected(reader: CborReader) -> tuple[int, int | str, bytes]:
    if reader.expect(cbor.MAP) != 3:
        raise CborError("not exactly three protected headers")
    algorithm: int | None = None
    content_type: int | str | None = None
    kid: bytes | None = None
    for _ in range(3):
        label = reader.take_integer_or_text()
        if label == _HEADER_ALGORITHM and algorithm is None:
            algorithm = reader.take_integer()
        elif label == _HEADER_CONTENT_TYPE and content_type is None:
            content_type = reader.take_integer_or_text()
        elif label == _HEADER_KID and kid is None:
            kid = reader.take_bytes()
        else:
            raise CborError(f"header {label!r} is unknown or there twice")
    reader.end()
    if content_type not in CONTENT_TYPES:
        raise CborError(f"content type {content_type!r}")
    if algorithm is None or content_type is None or kid is None or len(kid) != KID_BYTES:
        raise CborError("a protected header is missing or kid is not 8 bytes")
    return algorithm, content_type, kid
