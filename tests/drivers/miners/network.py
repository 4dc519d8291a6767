"""A Dial whose hosts are scripts, on a loop of virtual time: what an Exchanger does, at exact instants."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from drivers.dial import NoRoom, Ready
from drivers.errors import Unreachable
from drivers.miners.client import Answer, Exchanger, Limits, Shot
from tests.sim.loop import VirtualLoop

MS = 1_000_000
FIRST_HANDLE = 3


class Script(Struct, frozen=True):
    """What a host does with one connection. Times in ms from the open; None: never."""

    connects: float | None = 1.0
    answers: float | None = 2.0
    reply: bytes = b'{"ok":1}\0'
    breaks: float | None = None  # reset by the host
    refused: bool = False  # at once, by this machine


class Link:
    """One connection, as the network saw it."""

    def __init__(self, host: str, at_ns: int, script: Script) -> None:
        self.host = host
        self.at_ns = at_ns
        self.script = script
        self.request = b""
        self.connected = self.broken = False
        self.inbox: list[bytes] = []
        self.read = self.write = False
        self.closed_ns: int | None = None
        self.reset = False


class ScriptedDial:
    """Dial over scripts: `plays` says which one the n-th connection to a host follows."""

    def __init__(self, loop: VirtualLoop, plays: Callable[[str, int], Script]) -> None:
        self._loop = loop
        self._plays = plays
        self._callback: Callable[[], None] = lambda: None
        self._live: dict[int, Link] = {}
        self.links: list[Link] = []
        self.room = 1 << 30

    def to(self, host: str) -> list[Link]:
        return [link for link in self.links if link.host == host]

    def open(self, host: str, port: int) -> int:
        if len(self._live) >= self.room:
            raise NoRoom("full")
        script = self._plays(host, len(self.to(host)))
        if script.refused:
            raise Unreachable(host, "no route")
        handle = next(number for number in range(FIRST_HANDLE, 1 << 30) if number not in self._live)
        link = self._live[handle] = Link(host, self._loop.now_ns, script)
        self.links.append(link)
        link.connected = script.connects == 0  # as over loopback
        if script.connects:
            self._later(script.connects, lambda: setattr(link, "connected", True))
        if script.answers is not None:
            self._later(script.answers, lambda: link.inbox.append(script.reply))
        if script.breaks is not None:
            self._later(script.breaks, lambda: setattr(link, "broken", True))
        return handle

    def watch(self, handle: int, *, read: bool, write: bool) -> None:
        self._live[handle].read, self._live[handle].write = read, write
        self._loop.call_soon(self._stir)

    def poll(self) -> list[Ready]:
        found = []
        for handle, link in self._live.items():
            readable, writable = link.read and bool(link.inbox), link.write and link.connected
            if readable or writable or link.broken:
                found.append(Ready(handle, readable, writable, link.broken))
        return found

    def error(self, handle: int) -> str | None:
        return "broken" if self._live[handle].broken else None

    def send(self, handle: int, data: bytes) -> int:
        link = self._live[handle]
        if link.broken:
            raise ConnectionResetError(104, "Connection reset by peer")
        if not link.connected:
            return 0
        link.request += data
        return len(data)

    def receive(self, handle: int, size: int) -> bytes | None:
        link = self._live[handle]
        if link.inbox:
            return link.inbox.pop(0)
        if link.broken:
            raise ConnectionResetError(104, "Connection reset by peer")
        return None

    def close(self, handle: int, *, reset: bool = False) -> None:
        link = self._live.pop(handle)
        link.closed_ns, link.reset = self._loop.now_ns, reset

    def on_ready(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    @property
    def open_now(self) -> int:
        return len(self._live)

    def _later(self, delay_ms: float, happen: Callable[[], None]) -> None:
        def happened() -> None:
            happen()
            self._stir()

        self._loop.call_later(delay_ms / 1000, happened)

    def _stir(self) -> None:
        if self.poll():
            self._callback()


def play(story: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    """Run one test's story to its end under virtual time."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(story(loop))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


OK = Script()
LOST = Script(connects=None, answers=None)
MUTE = Script(answers=None)


def shot(host: str, *, hedge: bool = True, request: bytes = b"off", part: int = 0) -> Shot:
    return Shot(host, host, 4028, request, hedge, part)


class Scene:
    """An exchanger, its network, and what came back when."""

    def __init__(self, loop: VirtualLoop, plays: Callable[[str, int], Script], limits: Limits | None = None) -> None:
        self.loop = loop
        self.dial = ScriptedDial(loop, plays)
        self.exchanger = Exchanger(self.dial, lambda: loop.now_ns, limits or Limits())
        self.began_ns = loop.now_ns
        self.answers: list[tuple[float, Answer]] = []

    def done(self, answer: Answer) -> None:
        self.answers.append(((self.loop.now_ns - self.began_ns) / MS, answer))

    def opened_ms(self, host: str) -> list[float]:
        return [(link.at_ns - self.began_ns) / MS for link in self.dial.to(host)]
