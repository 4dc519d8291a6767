"""Whoever commands from outside: hil's issuers, on the topics' usual root, their keys in files."""

from pathlib import Path

from hil.issuer import Issuer as AnyIssuer
from hil.issuer import Key, Sealed, keyring
from tests.e2e.agent.broker import ROOT

__all__ = ["Issuer", "Sealed", "keyring"]


class Issuer(AnyIssuer):
    """One key of the keyring (or of none)."""

    def __init__(self, name: str, pem: Path, site: str, agent: str, roles: tuple[str, ...]) -> None:
        super().__init__(name, Key(pem), site, agent, ROOT, roles)
