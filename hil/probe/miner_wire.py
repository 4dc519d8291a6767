"""One question to a miner and what came back, on a connection of its own, with every instant.

The cgminer API (shared by most families, port 4028) takes one request, answers and closes; most end the answer with a
NUL before that. Its one thread waits for whoever is connected, so nothing is opened before it is needed and nothing is
left open.
"""

import time

from msgspec import Struct

from hil.probe.dump import Dump
from hil.probe.failures import HungUp, Silent
from hil.probe.place import Place
from hil.probe.wire import Wire

_REPLY_MAX = 1 << 20  # the largest known is about 30 kB
_AFTER_NUL_S = 0.5  # how long the end of the connection may take after the end of the answer


class Said(Struct, frozen=True):
    """One exchange."""

    reply: bytes
    ending: str  # how it ended: "NUL, closed"  "closed"  "newline, closed"  "NUL, kept open"  "reset"  "no end"
    connect_ms: float
    begun_ns: int  # before the request's first byte was handed over
    asked_ns: int  # after its last one was
    answered_ns: int  # the reply's last byte was there

    @property
    def ms(self) -> float:
        """From the request's first byte to the reply's last one."""
        return (self.answered_ns - self.begun_ns) / 1e6

    @property
    def body(self) -> bytes:
        """The reply without what ends it."""
        return self.reply.rstrip(b"\0\n")


class MinerLink:
    """Where the miner is, and how long it is waited for."""

    def __init__(self, place: Place, dump: Dump, timeout_s: float) -> None:
        self.place = place
        self.timeout_s = timeout_s
        self._dump = dump

    def open(self) -> Wire:
        """A connection; for whoever sends piece by piece, or nothing."""
        return Wire(self.place)

    def ask(self, request: bytes, file: str = "") -> Said:
        """One request; `file` keeps the reply in the dump under that name."""
        start_ns = time.monotonic_ns()
        with self.open() as wire:
            connect_ms = (time.monotonic_ns() - start_ns) / 1e6
            return self.finish(wire, request, connect_ms, file)

    def finish(self, wire: Wire, request: bytes, connect_ms: float = 0.0, file: str = "") -> Said:
        """Sends on a connection that is there, and takes the answer."""
        begun_ns = time.monotonic_ns()
        asked_ns = wire.send(request)
        reply, ending, answered_ns = self._take(wire, asked_ns)
        if file:
            self._dump.reply(file, request, reply)
        return Said(reply, ending, connect_ms, begun_ns, asked_ns, answered_ns)

    def must(self, said: Said) -> Said:
        """The same, or the failure that an empty reply is."""
        if said.reply:
            return said
        if said.ending == "no end":
            what = f"{self.place} took the request and did not answer for {self.timeout_s:g} s"
            raise Silent(what, "another client may hold its one connection; else restart its miner, or raise --timeout")
        raise HungUp(
            f"{self.place} closed the connection without a word", "its API's list of allowed addresses lacks ours"
        )

    def _take(self, wire: Wire, asked_ns: int) -> tuple[bytes, str, int]:
        reply, answered_ns = b"", asked_ns
        until_ns = asked_ns + round(self.timeout_s * 1e9)
        while len(reply) < _REPLY_MAX:
            try:
                data = wire.receive(until_ns)
            except HungUp as end:
                reset = isinstance(end.__cause__, ConnectionResetError)
                return reply, "reset" if reset else f"{_last(reply)}closed", answered_ns
            if not data:
                return reply, f"{_last(reply)}kept open" if reply.endswith(b"\0") else "no end", answered_ns
            reply += data
            answered_ns = time.monotonic_ns()
            if reply.endswith(b"\0"):
                until_ns = min(until_ns, answered_ns + round(_AFTER_NUL_S * 1e9))
        return reply, "no end", answered_ns


def _last(reply: bytes) -> str:
    return "NUL, " if reply.endswith(b"\0") else "newline, " if reply.endswith(b"\n") else ""


def json_request(command: str, parameter: str | None = None) -> bytes:
    """As the API wants it: no terminator."""
    if parameter is None:
        return f'{{"command":"{command}"}}'.encode()
    return f'{{"command":"{command}","parameter":"{parameter}"}}'.encode()
