"""The envelope: foreign vectors for the primitive layer, our own corpus for the strict shape (wire.md section 12)."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from agent.uplink import cbor
from agent.uplink.sealing import MESSAGE_BYTES_MAX, PublicKey, SealError, open_envelope, to_be_signed
from tests.uplink.kit import AGENT_KEY, STRANGER

VECTORS = Path(__file__).parent.parent / "vectors"
ADDRESS = "v1/granbury-07/ctl-1/evt"
PAYLOAD = b'{"v":1}'


def wycheproof() -> Iterator[Any]:
    for group in json.loads((VECTORS / "wycheproof/ed25519_test.json").read_text())["testGroups"]:
        for case in group["tests"]:
            yield pytest.param(group["publicKey"]["pk"], case, id=f"tc{case['tcId']}")


@pytest.mark.parametrize(("public", "case"), list(wycheproof()))
def test_wycheproof_ed25519(public: str, case: dict[str, Any]) -> None:
    assert case["result"] in ("valid", "invalid")
    try:
        PublicKey("Ed25519", bytes.fromhex(public)).check(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        verified = True
    except SealError:
        verified = False

    assert verified == (case["result"] == "valid")


def cose(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((VECTORS / f"cose/{name}.json").read_text())
    return case


def foreign_parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Protected headers, payload and signature of any COSE_Sign1 in the examples, whatever its unprotected headers."""
    reader = cbor.CborReader(data)
    if reader.next_major() == cbor.TAG:
        assert reader.expect(cbor.TAG) == 18
    assert reader.expect(cbor.ARRAY) == 4
    protected = reader.take_bytes()
    for _ in range(reader.expect(cbor.MAP)):
        reader.take_integer()
        if reader.next_major() == cbor.BYTES:
            reader.take_bytes()
        else:
            reader.take_integer_or_text()
    payload, signature = reader.take_bytes(), reader.take_bytes()
    reader.end()
    return protected, payload, signature


def foreign_key(case: dict[str, Any]) -> PublicKey:
    key = case["input"]["sign0"]["key"]
    if key["kty"] == "OKP":
        return PublicKey("Ed25519", bytes.fromhex(key["x_hex"]))
    x, y = (base64.urlsafe_b64decode(key[name] + "=") for name in ("x", "y"))
    return PublicKey("P-256", b"\x04" + x + y)


def verify_foreign(case: dict[str, Any]) -> bytes:
    protected, payload, signature = foreign_parts(bytes.fromhex(case["output"]["cbor"]))
    external = bytes.fromhex(case["input"]["sign0"].get("external", ""))
    message = to_be_signed(protected, external, payload)
    foreign_key(case).check(message, signature)
    return message


@pytest.mark.parametrize(
    "name",
    [
        "eddsa-examples/eddsa-sig-01",
        "sign1-tests/sign-pass-01",
        "sign1-tests/sign-pass-02",
        "sign1-tests/sign-pass-03",
    ],
)
def test_the_cose_examples_that_must_verify(name: str) -> None:
    case = cose(name)

    assert verify_foreign(case) == bytes.fromhex(case["intermediates"]["ToBeSign_hex"])


@pytest.mark.parametrize("number", ["02", "03", "04", "06", "07"])
def test_the_cose_examples_whose_signature_must_not_verify(number: str) -> None:
    with pytest.raises(SealError):
        verify_foreign(cose(f"sign1-tests/sign-fail-{number}"))


def test_the_cose_example_whose_tag_alone_is_wrong() -> None:
    case = cose("sign1-tests/sign-fail-01")

    with pytest.raises(AssertionError):
        verify_foreign(case)
    with pytest.raises(SealError, match="tag 998"):
        open_envelope(bytes.fromhex(case["output"]["cbor"]))


@pytest.mark.parametrize("path", sorted(VECTORS.glob("cose/*/*.json")), ids=lambda path: path.stem)
def test_every_cose_example_has_other_headers_than_ours_and_is_refused_as_an_envelope(path: Path) -> None:
    with pytest.raises(SealError):
        open_envelope(bytes.fromhex(json.loads(path.read_text())["output"]["cbor"]))


def test_what_was_sealed_opens_at_its_address() -> None:
    data = AGENT_KEY.seal(ADDRESS, PAYLOAD)

    assert open_envelope(data).verify(AGENT_KEY.public, ADDRESS) == PAYLOAD
    assert len(data) == len(PAYLOAD) + 88 - 1


def test_the_tag_may_be_missing() -> None:
    data = AGENT_KEY.seal(ADDRESS, PAYLOAD)[1:]

    assert open_envelope(data).verify(AGENT_KEY.public, ADDRESS) == PAYLOAD


def test_another_address_does_not_verify() -> None:
    envelope = open_envelope(AGENT_KEY.seal(ADDRESS, PAYLOAD))

    with pytest.raises(SealError, match="bad_sig"):
        envelope.verify(AGENT_KEY.public, "v1/granbury-07/ctl-2/evt")


def test_another_key_does_not_verify() -> None:
    envelope = open_envelope(AGENT_KEY.seal(ADDRESS, PAYLOAD))

    with pytest.raises(SealError, match="kid"):
        envelope.verify(STRANGER.public, ADDRESS)


# The shape, part by part, so that each part can be made wrong.


def protected(
    algorithm: bytes = cbor.integer(-8),
    content: bytes = cbor.integer(50),
    kid: bytes = cbor.byte_string(AGENT_KEY.kid),
    extra: bytes = b"",
) -> bytes:
    pairs = cbor.integer(1) + algorithm + cbor.integer(3) + content + cbor.integer(4) + kid
    return cbor.head(cbor.MAP, 4 if extra else 3) + pairs + extra


def shape(
    tag: bytes = cbor.head(cbor.TAG, 18),
    array: bytes = cbor.head(cbor.ARRAY, 4),
    headers: bytes | None = None,
    unprotected: bytes = b"\xa0",
    payload: bytes = cbor.byte_string(PAYLOAD),
    signature: bytes | None = None,
    after: bytes = b"",
) -> bytes:
    headers = protected() if headers is None else headers
    if signature is None:
        signature = AGENT_KEY._private.sign(to_be_signed(headers, ADDRESS.encode(), PAYLOAD))
    return tag + array + cbor.byte_string(headers) + unprotected + payload + cbor.byte_string(signature) + after


@pytest.mark.parametrize(
    "data",
    [
        shape(),
        shape(tag=b""),
        shape(headers=protected(algorithm=cbor.integer(-19))),
        shape(headers=protected(content=cbor.text_string("application/msgpack"))),
    ],
    ids=["tagged", "untagged", "RFC 9864's algorithm", "MessagePack"],
)
def test_every_allowed_shape_verifies(data: bytes) -> None:
    assert open_envelope(data).verify(AGENT_KEY.public, ADDRESS) == PAYLOAD


@pytest.mark.parametrize(
    "data",
    [
        shape(tag=cbor.head(cbor.TAG, 98)),
        shape(tag=b"\xd8\x12"),
        shape(tag=cbor.head(cbor.TAG, 18) * 2),
        shape(array=cbor.head(cbor.ARRAY, 5)),
        shape(array=b"\x9f"),
        shape(array=b"\x98\x04"),
        shape(headers=b""),
        shape(headers=b"\xa0"),
        shape(headers=protected(extra=cbor.integer(2) + cbor.head(cbor.ARRAY, 0))),
        shape(headers=protected(extra=cbor.integer(1) + cbor.integer(-8))),
        shape(headers=protected()[:-9]),
        shape(headers=protected() + b"\0"),
        shape(headers=b"\xbf" + protected()[1:] + b"\xff"),
        shape(headers=b"\xb8\x03" + protected()[1:]),
        shape(headers=protected(algorithm=b"\x38\x07")),
        shape(headers=protected(algorithm=cbor.text_string("EdDSA"))),
        shape(headers=protected(content=cbor.integer(51))),
        shape(headers=protected(content=b"\x19\x00\x32")),
        shape(headers=protected(content=cbor.text_string("text/plain"))),
        shape(headers=protected(content=b"\x61\xff")),
        shape(headers=protected(kid=cbor.byte_string(AGENT_KEY.kid[:7]))),
        shape(headers=protected(kid=cbor.byte_string(AGENT_KEY.kid + b"\0"))),
        shape(unprotected=b"\xa1" + cbor.integer(4) + cbor.byte_string(AGENT_KEY.kid)),
        shape(unprotected=b"\xbf\xff"),
        shape(payload=b"\xf6"),
        shape(payload=cbor.text_string(PAYLOAD.decode())),
        shape(payload=b"\x58\x07" + PAYLOAD),
        shape(payload=b"\x5f" + cbor.byte_string(PAYLOAD) + b"\xff"),
        shape(signature=b"\0" * 63),
        shape(signature=b"\0" * 65),
        shape(after=b"\0"),
        shape()[:-1],
        b"",
    ],
)
def test_every_other_shape_is_refused(data: bytes) -> None:
    with pytest.raises(SealError, match="bad_schema"):
        open_envelope(data)


@pytest.mark.parametrize("algorithm", [-7, -9, -8 + 2**20, 0])
def test_the_algorithm_comes_from_the_key_and_not_from_the_header(algorithm: int) -> None:
    envelope = open_envelope(shape(headers=protected(algorithm=cbor.integer(algorithm))))

    with pytest.raises(SealError, match="algorithm"):
        envelope.verify(AGENT_KEY.public, ADDRESS)


@pytest.mark.parametrize("algorithm", [-7, -9])
def test_a_p256_key_verifies_es256_and_esp256(algorithm: int) -> None:
    private = generate_private_key(SECP256R1())
    key = PublicKey("P-256", private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    headers = protected(algorithm=cbor.integer(algorithm), kid=cbor.byte_string(key.kid))
    der = private.sign(to_be_signed(headers, ADDRESS.encode(), PAYLOAD), ECDSA(SHA256()))
    signature = b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(der))

    assert open_envelope(shape(headers=headers, signature=signature)).verify(key, ADDRESS) == PAYLOAD
    with pytest.raises(SealError, match="bad_sig"):
        open_envelope(shape(headers=headers, signature=signature[::-1])).verify(key, ADDRESS)


def test_an_envelope_above_the_limit_is_not_even_read() -> None:
    with pytest.raises(SealError, match="too_big"):
        open_envelope(AGENT_KEY.seal(ADDRESS, b"x" * MESSAGE_BYTES_MAX))


@pytest.mark.parametrize("raw", [b"", b"\0" * 31, b"\4" + b"\0" * 64])
def test_what_is_no_public_key_is_refused(raw: bytes) -> None:
    for algorithm in ("Ed25519", "P-256", "Ed448"):
        with pytest.raises(SealError):
            PublicKey(algorithm, raw)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_and_raise_nothing_else(data: bytes) -> None:
    with pytest.raises(SealError):
        open_envelope(data).verify(AGENT_KEY.public, ADDRESS)


@given(st.data())
def test_a_good_envelope_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    good = bytearray(AGENT_KEY.seal(ADDRESS, PAYLOAD))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SealError):
        open_envelope(bytes(good)).verify(AGENT_KEY.public, ADDRESS)
