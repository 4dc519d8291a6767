"""Who commands a soak's site from outside: good commands, and every way in which one can be bad.

What a bad one deserves (wire contract, section 6): a rejection's code, or "silence" where the signer is not known to
have signed this for this address. A retained one is not among them: a broker clears the flag towards a subscriber that
is online (section 6).
"""

import time
from pathlib import Path

from msgspec import Struct

from hil.issuer import Issuer, Key, Sealed, keyring
from hil.soak.site import AGENT, ROOT, SITE

SPOILT = {
    "unsigned": "silence",
    "stranger": "silence",
    "elsewhere": "silence",
    "expired": "expired",
    "early": "not_yet",
    "no role": "bad_role",
    "wrong scope": "scope",
    "wrong epoch": "epoch",
    "unknown member": "bad_schema",
}
_LONG_MS = 3_600_000  # a command may wait at a broker that is away


class Deserving(Struct, frozen=True):
    """A command, and what is to come of it: "accepted", a code, "silence" or "anything"."""

    sealed: Sealed
    deserves: str


class Commanders:
    """Dispatch, a viewer who may command nothing, and a stranger whom the keyring does not know."""

    def __init__(self, folder: Path) -> None:
        roles = {"dispatch": ("curtail", "restore"), "viewer": ("sink",), "stranger": ()}
        self._issuers = {name: Issuer(name, Key(), SITE, AGENT, ROOT, held) for name, held in roles.items()}
        known = [self._issuers["dispatch"], self._issuers["viewer"]]
        (folder / "keyring.json").write_text(keyring(known), encoding="utf-8")

    def limit(self, kw: float, lease_s: float, epoch: int, spoilt: str = "") -> Deserving:
        """limit.set for the whole site; `spoilt` names what is wrong with it."""
        issuer = self._issuers[{"no role": "viewer", "stranger": "stranger"}.get(spoilt, "dispatch")]
        now_ms = int(time.time() * 1000)
        changes: dict[str, object] = {
            "need": {"apply_ms": 1000, "verify_ms": 20_000, "tol_kw": 10},
            "exp": {"ts": now_ms + (-60_000 if spoilt == "expired" else _LONG_MS)},
        }
        spoils: dict[str, dict[str, object]] = {
            "early": {"nbf": now_ms + 600_000},
            "wrong scope": {"scope": "nowhere"},
            "unknown member": {"force": True},
        }
        changes |= spoils.get(spoilt, {})
        sealed = issuer.limit(round(kw, 1), round(lease_s * 1000), epoch=epoch + (spoilt == "wrong epoch"), **changes)
        if spoilt == "elsewhere":
            sealed = issuer.seal(sealed.body, signed_for=f"v1/elsewhere/{AGENT}/cmd/{issuer.name}")
        if spoilt == "unsigned":
            sealed = Sealed(sealed.id, sealed.topic, sealed.data[:-64] + bytes(64), sealed.body)
        return Deserving(sealed, SPOILT.get(spoilt, "accepted"))

    def release(self, of: str, epoch: int) -> Deserving:
        """limit.release of one of dispatch's; whether it comes in time is not always the outside's to know."""
        return Deserving(self._issuers["dispatch"].release(of, epoch=epoch), "anything")
