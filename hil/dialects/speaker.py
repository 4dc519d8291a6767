"""What all stand-in firmware has: ports, requests that are whole or not, answers, and what can be wrong with it.

Ways to be wrong that firmware itself has, beside those of the sockets (hil/doors.py):

    denied       verbs are refused, for a reason that has nothing to do with tokens
    malformed    reports have the fault that this family's real ones have (each file says which)
    forget()     every token, session and nonce that it gave is forgotten, once
"""

import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from hil.miner import Miner

Body = dict[str, Any]


class Speaker(ABC):
    """One miner's firmware."""

    ports: ClassVar[tuple[int, ...]]  # the real ones; the first is where it is read
    password: ClassVar[str] = ""  # the vendor's
    late_s: ClassVar[float] = 0.0  # what an answer to a verb takes where the family is slow

    def __init__(self, miner: Miner) -> None:
        self.miner = miner
        self.denied = False
        self.malformed = False

    @abstractmethod
    def whole(self, port: int, held: bytes) -> bool:
        """Whether this is a whole request to one of `ports`."""

    @abstractmethod
    def answer(self, port: int, request: bytes, now_ns: int) -> bytes:
        """What goes back."""

    @abstractmethod
    def told_step(self, port: int, request: bytes) -> str | None:
        """ "off" or "on" when the request is a verb that asks for it."""

    def is_write(self, port: int, request: bytes) -> bool:
        """Whether this request is anything but a report or a logon: what an observing agent must never send."""
        return self.told_step(port, request) is not None

    @abstractmethod
    def forget(self) -> None:
        """Tokens, sessions and nonces are gone."""


def compact(value: object) -> bytes:
    """JSON as firmware writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


def parsed(raw: bytes) -> Body:
    """The object in these bytes, an empty one when there is none."""
    try:
        value = json.loads(raw.rstrip(b"\0"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
