"""Key files and the keyring file: what is made can be read, what is wrong is refused with its mend."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from agent.uplink.keyfiles import KeyFileError, load_public, load_signer, make_key, public_path
from agent.uplink.keyring import KeyringError, entry_for, load_keyring, read_keyring
from tests.uplink.kit import DISPATCH, OTHER


def test_a_key_that_was_made_is_read_back_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "agent.pem"
    made = make_key(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert load_signer(path).kid == made.kid
    assert load_public(public_path(path)).fingerprint == made.public.fingerprint


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "agent.pem"
    make_key(path)
    before = path.read_bytes()

    with pytest.raises(KeyFileError, match="already"):
        make_key(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o602])
def test_a_key_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "agent.pem"
    make_key(path)
    path.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        load_signer(path)


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "agent.pem"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)

    with pytest.raises(KeyFileError):
        load_signer(path)
    with pytest.raises(KeyFileError):
        load_public(path)


def ring(**changes: Any) -> bytes:
    body = {"v": 1, "t": "keys", "ver": 7, "keys": [entry()], **changes}
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


def entry(**changes: Any) -> dict[str, Any]:
    return {**entry_for(DISPATCH.public, "dispatch", ("curtail",), ("site",)), **changes}


def test_a_good_keyring_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    path.write_bytes(ring())
    path.chmod(0o644)

    found = load_keyring(path)

    assert found is not None
    assert found.ver == 7
    assert found.keys[DISPATCH.kid].roles == {"curtail"}


def test_no_file_is_no_keyring(tmp_path: Path) -> None:
    assert load_keyring(tmp_path / "keyring.json") is None


def test_a_keyring_that_anyone_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    path.write_bytes(ring())
    path.chmod(0o646)

    with pytest.raises(KeyringError, match="chmod"):
        load_keyring(path)


def test_a_revoked_key_is_not_in_the_keyring() -> None:
    other = entry_for(OTHER.public, "other", ("curtail",), ("site",))

    found = read_keyring(ring(keys=[entry(), other], revoked=[DISPATCH.kid.hex()]))

    assert set(found.keys) == {OTHER.kid}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        ring(ver=None),
        ring(t="key"),
        ring(more=1),
        ring(keys=[entry(), entry()]),
        ring(keys=[entry(kid=OTHER.kid.hex())]),
        ring(keys=[entry(pub="AAAA")]),
        ring(keys=[entry(pub="*")]),
        ring(keys=[entry(alg="RS256")]),
        ring(keys=[entry(roles=["emperor"])]),
        ring(keys=[entry(roles=[])]),
        ring(keys=[entry(scope=[])]),
        ring(keys=[entry(iss="Dispatch!")]),
        ring(keys=[entry(nbf="yesterday")]),
        ring(keys=[entry(colour="red")]),
        ring(keys=[entry()] * 65),
        ring(revoked=["nonsense"]),
        ring(threshold={"restore": 2}),
        b'{"t":"keys","ver":1,"ver":2,"keys":[]}',
    ],
)
def test_a_keyring_with_a_fault_is_refused_whole(data: bytes) -> None:
    with pytest.raises(KeyringError):
        read_keyring(data)
