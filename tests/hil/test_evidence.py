"""The second implementation of the envelope: what it takes and, above all, what it refuses."""

import hashlib
import json
from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hil.evidence import Evidence

_ROOT, _SITE, _AGENT = "ballast", "demo", "ctl-1"
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PUBLIC = _KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
_KID = hashlib.sha256(_PUBLIC).digest()[:8]
_PROTECTED = bytes.fromhex("a3 01 27 03 1832 04 48") + _KID


def _bytes(value: bytes) -> bytes:
    head = bytes([0x40 | len(value)]) if len(value) < 24 else b"\x58" + bytes([len(value)])
    return (head if len(value) < 256 else b"\x59" + len(value).to_bytes(2, "big")) + value


def _seal(
    payload: bytes,
    *,
    channel: str = "evt",
    protected: bytes = _PROTECTED,
    key: Ed25519PrivateKey = _KEY,
    tag: bytes = b"\xd2",
) -> bytes:
    address = f"v1/{_SITE}/{_AGENT}/{channel}".encode()
    signed = b"\x84\x6aSignature1" + _bytes(protected) + _bytes(address) + _bytes(payload)
    return tag + b"\x84" + _bytes(protected) + b"\xa0" + _bytes(payload) + _bytes(key.sign(signed))


def _body(seq: int, **members: object) -> bytes:
    return json.dumps({"v": 1, "t": "evt", "boot": "00" * 8, "seq": seq, **members}).encode()


def _evidence() -> Evidence:
    return Evidence(_PUBLIC, _ROOT, _SITE, _AGENT)


def _topic(channel: str = "evt") -> str:
    return f"{_ROOT}/v1/{_SITE}/{_AGENT}/{channel}"


def test_a_record_signed_for_its_address_counts() -> None:
    evidence = _evidence()

    record = evidence.take(_topic(), _seal(_body(0, k="begin")), 7)

    assert record is not None
    assert record.body["k"] == "begin"
    assert evidence.of("evt", k="begin") == [record]
    assert evidence.refused == []


def test_no_single_bit_can_be_changed() -> None:
    sealed = _seal(_body(0))

    for bit in range(8 * len(sealed)):
        tampered = bytearray(sealed)
        tampered[bit // 8] ^= 1 << bit % 8
        assert _evidence().take(_topic(), bytes(tampered), 0) is None


@pytest.mark.parametrize(
    ("why", "data"),
    [
        ("another key", _seal(_body(0), key=Ed25519PrivateKey.from_private_bytes(bytes(32)))),
        ("another address", _seal(_body(0), channel="ctl")),
        ("bytes behind it", _seal(_body(0)) + b"\x00"),
        ("cut off", _seal(_body(0))[:-1]),
        ("another tag", _seal(_body(0), tag=b"\xd8\x62")),
        ("a header twice", _seal(_body(0), protected=bytes.fromhex("a3 01 27 01 27 04 48") + _KID)),
        ("a header more", _seal(_body(0), protected=bytes.fromhex("a4 01 27 03 1832 04 48") + _KID + b"\x05\x00")),
        ("a longer form of a length", _seal(_body(0), protected=bytes.fromhex("a3 01 27 03 190032 04 48") + _KID)),
        ("a JSON member twice", _seal(b'{"v":1,"boot":"0","seq":0,"seq":0}')),
        ("not a number", _seal(b'{"v":1,"boot":"0","seq":0,"kw":NaN}')),
        ("no sequence", _seal(b'{"v":1,"boot":"0"}')),
        ("no JSON", _seal(b"\xff")),
        ("empty", b""),
    ],
)
def test_what_is_not_exactly_right_is_refused(why: str, data: bytes) -> None:
    evidence = _evidence()

    assert evidence.take(_topic(), data, 0) is None
    assert len(evidence.refused) == 1


def test_a_hole_in_a_stream_is_missing_until_it_comes_or_a_signed_gap_declares_it() -> None:
    evidence = _evidence()
    for seq in (0, 2, 5):
        evidence.take(_topic(), _seal(_body(seq)), 0)
    assert [text.split()[1] for text in evidence.missing()] == ["1", "3", "4"]

    evidence.take(_topic(), _seal(_body(6, t="gap", **{"from": 3, "to": 4, "of": "00" * 8, "prev": None})), 0)
    assert len(evidence.missing()) == 3  # its chain is broken: it does not count

    prev = hashlib.sha256(_seal(_body(5))).hexdigest()[:32]
    evidence.take(_topic(), _seal(_body(6, t="gap", **{"from": 3, "to": 4, "of": "00" * 8, "prev": prev})), 0)
    evidence.take(_topic(), _seal(_body(1)), 0)
    assert evidence.missing() == []


def test_a_state_may_skip_numbers() -> None:
    evidence = _evidence()
    for seq in (0, 3):
        evidence.take(_topic("ctl"), _seal(_body(seq), channel="ctl"), 0)

    assert evidence.missing() == []
    assert len(evidence.records) == 2


def test_a_death_counts_though_it_was_numbered_before_its_birth() -> None:
    evidence = _evidence()
    numbers = (1, 0, 3, 2)  # birth, its death, and again

    for number in numbers:
        evidence.take(_topic("conn"), _seal(_body(number, t="conn"), channel="conn"), 0)

    assert [record.body["seq"] for record in evidence.records] == list(numbers)


def test_the_same_bytes_twice_are_one_record_and_other_bytes_are_refused() -> None:
    evidence = _evidence()
    sealed = _seal(_body(0))
    evidence.take(_topic(), sealed, 0)

    assert evidence.take(_topic(), sealed, 0) is None
    assert evidence.repeated == 1
    assert evidence.refused == []
    assert evidence.take(_topic(), _seal(_body(0, why="otherwise")), 0) is None
    assert "already used" in evidence.refused[0]


@pytest.mark.parametrize(("broken", "counts"), [(False, True), (True, False)])
def test_a_batch_must_name_the_one_before(broken: bool, counts: bool) -> None:
    def batch(seq: int, prev: str | None) -> Mapping[str, object]:
        return {"v": 1, "t": "tele", "boot": "00" * 8, "seq": seq, "prev": prev}

    evidence = _evidence()
    first = _seal(json.dumps(batch(0, None)).encode(), channel="tele/main")
    evidence.take(_topic("tele/main"), first, 0)
    prev = "00" * 16 if broken else hashlib.sha256(first).hexdigest()[:32]

    second = evidence.take(_topic("tele/main"), _seal(json.dumps(batch(1, prev)).encode(), channel="tele/main"), 0)

    assert (second is not None) is counts
