"""Envelopes by hand: the rig's own verifier opens good ones, and spoilt ones are bad as they say."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hil.evidence import EvidenceError, open_sign1
from hil.issuer import Issuer, Key, Sealed, keyring
from hil.scenario.spoiling import Issuers
from hil.scenario.verbs import Send
from hil.site_toml import AGENT, ROOT, SITE

ADDRESS = f"v1/{SITE}/{AGENT}/cmd/dispatch"


def opened(sealed: Sealed, key: Key, address: str = ADDRESS) -> dict[str, object]:
    body: dict[str, object] = json.loads(
        open_sign1(sealed.data, Ed25519PublicKey.from_public_bytes(key.raw), key.kid, address)
    )
    return body


def test_a_command_opens_with_its_issuers_key_at_its_address_alone() -> None:
    key = Key()
    command = Issuer("dispatch", key, SITE, AGENT, ROOT).limit(30.0, 1_000, epoch=7)

    assert opened(command, key)["args"] == {"kw": 30.0}
    assert command.topic == f"{ROOT}/{ADDRESS}"
    with pytest.raises(EvidenceError):
        opened(command, key, f"v1/{SITE}/ctl-2/cmd/dispatch")
    with pytest.raises(EvidenceError):
        opened(command, Key())


def test_commands_count_up_and_their_names_differ() -> None:
    issuer = Issuer("dispatch", Key(), SITE, AGENT, ROOT)

    first, second = issuer.limit(1.0, 1, epoch=1), issuer.release("01X", epoch=1)

    assert (first.body["seq"], second.body["seq"]) == (1, 2)
    assert first.id != second.id
    assert second.body["args"] == {"id": "01X"}


def test_a_keyring_names_each_issuer_once_with_its_roles() -> None:
    issuers = [Issuer(name, Key(), SITE, AGENT, ROOT) for name in ("dispatch", "desk")]

    entries = json.loads(keyring(issuers))["keys"]

    assert [entry["iss"] for entry in entries] == ["dispatch", "desk"]
    assert {role for entry in entries for role in entry["roles"]} == {"curtail", "restore"}


@pytest.mark.parametrize(
    ("spoil", "key", "value"),
    [
        ("replayed", "seq", 0),
        ("other_epoch", "epoch", 1),
        ("no_such_circuit", "scope", "nowhere"),
        ("unknown_member", "force", True),
        ("unknown_op", "op", "limit.raise"),
        ("other_boot", "exp", {"boot": "0" * 16, "up": 10**9}),
    ],
)
def test_a_spoilt_body_is_signed_as_well_as_a_good_one(spoil: str, key: str, value: object) -> None:
    issuers = Issuers()

    command = issuers.seal(Send(kw=1.0, lease_s=1.0, spoil=spoil), epoch=7)  # type: ignore[arg-type]

    assert opened(command, issuers["dispatch"].key)[key] == value


@pytest.mark.parametrize("spoil", ["unsigned", "stranger", "other_agent"])
def test_a_spoilt_signature_does_not_verify(spoil: str) -> None:
    issuers = Issuers()

    command = issuers.seal(Send(kw=1.0, lease_s=1.0, spoil=spoil), epoch=7)  # type: ignore[arg-type]

    with pytest.raises(EvidenceError):
        opened(command, issuers["dispatch"].key)
