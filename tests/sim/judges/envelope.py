"""An envelope as a stranger reads it: COSE_Sign1 (RFC 9052) over JSON, by the wire contract's section 2, with no code
of the agent's.

Only what the contract allows is read: deterministic CBOR of four items, protected header {1: alg, 3: content type, 4:
kid}, an empty unprotected one, an attached payload, a signature of 64 bytes.
"""

import hashlib
import json
import zlib
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519_ALGORITHMS = (-8, -19)


class Unsound(Exception):
    """Not an envelope of this key at this address."""


def open_envelope(envelope: bytes, address: str, key: bytes) -> dict[str, Any]:
    """The JSON inside, once everything about its shape and signature holds."""
    items, rest = _item(envelope[1:] if envelope[:1] == b"\xd2" else envelope)
    if rest or not isinstance(items, list) or len(items) != 4:
        raise Unsound("not an array of four items")
    protected, unprotected, payload, signature = items
    if unprotected != {} or not all(isinstance(part, bytes) for part in (protected, payload, signature)):
        raise Unsound("not protected, {}, payload, signature")
    header, rest = _item(protected)
    if rest or not isinstance(header, dict) or sorted(map(str, header)) != ["1", "3", "4"]:
        raise Unsound("a protected header other than alg, content type, kid")
    if header[1] not in ED25519_ALGORITHMS or header[4] != hashlib.sha256(key).digest()[:8]:
        raise Unsound("another algorithm or kid")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, _signed(protected, address, payload))
    except InvalidSignature:
        raise Unsound("the signature does not verify") from None
    if header[3] == "application/json+zlib":
        payload = zlib.decompress(payload)
    elif header[3] != 50:
        raise Unsound(f"content type {header[3]!r}")
    body = json.loads(payload, parse_constant=_no_constant)
    if not isinstance(body, dict):
        raise Unsound("not an object")
    return body


def seal(body: dict[str, Any], address: str, key: Ed25519PrivateKey) -> bytes:
    """What an issuer sends: the same envelope, made here and not by the agent's code."""
    raw = key.public_key().public_bytes_raw()
    protected = b"\xa3\x01\x27\x03\x18\x32\x04\x48" + hashlib.sha256(raw).digest()[:8]
    payload = json.dumps(body, separators=(",", ":")).encode()
    signature = key.sign(_signed(protected, address, payload))
    return b"\xd2\x84" + _bytes(protected) + b"\xa0" + _bytes(payload) + _bytes(signature)


def _signed(protected: bytes, address: str, payload: bytes) -> bytes:
    """Sig_structure: ["Signature1", protected, external_aad, payload] (RFC 9052, 4.4)."""
    return b"\x84\x6aSignature1" + _bytes(protected) + _bytes(address.encode()) + _bytes(payload)


def _bytes(data: bytes) -> bytes:
    return _head(2, len(data)) + data


def _head(major: int, number: int) -> bytes:
    for bits, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 24:
            return bytes([major << 5 | number])
        if number < 1 << 8 * size:
            return bytes([major << 5 | bits]) + number.to_bytes(size, "big")
    raise ValueError(number)


def _item(data: bytes) -> tuple[Any, bytes]:
    """One CBOR item and what follows it; unsigned, negative, bytes, text, arrays and maps, in their shortest form."""
    if not data:
        raise Unsound("ends inside an item")
    major, short = data[0] >> 5, data[0] & 31
    data = data[1:]
    if short < 24:
        number = short
    elif short < 28:
        size = 1 << (short - 24)
        number, data = int.from_bytes(data[:size], "big"), data[size:]
    else:
        raise Unsound("indefinite length")
    if major in (0, 1):
        return (number if major == 0 else -1 - number), data
    if major in (2, 3):
        if len(data) < number:
            raise Unsound("ends inside a string")
        return (data[:number] if major == 2 else data[:number].decode()), data[number:]
    if major == 4:
        items = []
        for _ in range(number):
            item, data = _item(data)
            items.append(item)
        return items, data
    if major == 5:
        pairs = {}
        for _ in range(number):
            key, data = _item(data)
            value, data = _item(data)
            if key in pairs:
                raise Unsound("a key twice")
            pairs[key] = value
        return pairs, data
    raise Unsound(f"CBOR major type {major}")


def _no_constant(name: str) -> Any:
    raise Unsound(f"{name} is no JSON number")
