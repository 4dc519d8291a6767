"""Commands as a scenario sends them: good ones, and each way of being bad that the contract names (docs/wire.md)."""

import time
from collections.abc import Callable
from typing import Any

from hil.issuer import ROLES, Issuer, Key, Sealed, keyring
from hil.scenario.verbs import Send
from hil.site_toml import AGENT, ROOT, SITE

_DAY_MS = 86_400_000
_SIGNATURE_BYTES = 64


class Issuers:
    """Those whom the agent's keyring knows: dispatch and desk may lower and give back, viewer may command nothing."""

    def __init__(self) -> None:
        self._named = {
            name: Issuer(name, Key(), SITE, AGENT, ROOT, roles)
            for name, roles in (("dispatch", ROLES), ("desk", ROLES), ("viewer", ("sink",)))
        }

    def __getitem__(self, name: str) -> Issuer:
        return self._named[name]

    def keyring(self) -> str:
        """The file."""
        return keyring(self._named.values())

    def marker(self, epoch: int) -> Sealed:
        """A dry command: when it is answered, everything that was sent before was judged."""
        return self._named["dispatch"].limit(1.0, 1_000, epoch=epoch, dry=True)

    def release(self, command: str, epoch: int) -> Sealed:
        """Ends a limit of dispatch's."""
        return self._named["dispatch"].release(command, epoch=epoch)

    def seal(self, wanted: Send, epoch: int) -> Sealed:
        """The command, spoilt as wanted."""
        issuer = self._named[wanted.issuer]
        if wanted.spoil == "stranger":
            seq, issuer = issuer.seq, Issuer(wanted.issuer, Key(), SITE, AGENT, ROOT)
            issuer.seq = seq
        need = {"apply_ms": 1000, "verify_ms": round(wanted.verify_s * 1000), "tol_kw": 1}
        good = issuer.limit(wanted.kw, round(wanted.lease_s * 1000), epoch=epoch, need=need, dry=wanted.dry)
        return _SPOILT.get(wanted.spoil, _as_it_is)(issuer, good)


def _as_it_is(_: Issuer, good: Sealed) -> Sealed:
    return good


def _unsigned(_: Issuer, good: Sealed) -> Sealed:
    return Sealed(good.id, good.topic, good.data[:-_SIGNATURE_BYTES] + bytes(_SIGNATURE_BYTES), good.body)


def _for_another_agent(issuer: Issuer, good: Sealed) -> Sealed:
    return issuer.seal(good.body, signed_for=f"v1/{SITE}/ctl-2/cmd/{issuer.name}")


def _on_another_channel(issuer: Issuer, good: Sealed) -> Sealed:
    address = f"v1/{SITE}/{AGENT}/cmd/desk"
    return issuer.seal(good.body, signed_for=address, sent_to=address)


def _with(**changes: Any) -> Callable[[Issuer, Sealed], Sealed]:
    return lambda issuer, good: issuer.seal(good.body | changes)


def _at(ms: int, key: str) -> Callable[[Issuer, Sealed], Sealed]:
    def spoil(issuer: Issuer, good: Sealed) -> Sealed:
        at = int(time.time() * 1000) + ms
        return issuer.seal(good.body | ({"exp": {"ts": at}} if key == "exp" else {key: at}))

    return spoil


_SPOILT: dict[str, Callable[[Issuer, Sealed], Sealed]] = {
    "unsigned": _unsigned,
    "other_agent": _for_another_agent,
    "other_channel": _on_another_channel,
    "replayed": _with(seq=0),
    "expired": _at(-1_000, "exp"),
    "early": _at(30_000, "nbf"),
    "too_long": _at(2 * _DAY_MS, "exp"),
    "other_boot": _with(exp={"boot": "0" * 16, "up": 10**9}),
    "other_epoch": _with(epoch=1),
    "no_such_circuit": _with(scope="nowhere"),
    "unknown_member": _with(force=True),
    "unknown_op": _with(op="limit.raise"),
}
