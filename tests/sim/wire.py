"""The dial seam: a network of virtual hosts, and everything that was ever said on it.

A Host is what stands behind an address. A Talk is one connection as an outsider with a clock on every cable would log
it: when the SYN left, what was asked, when the last byte of it reached the host, what came back and when the agent
had read it. Judges know talks, never the agent's words.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from itertools import count
from random import Random
from typing import Protocol

from drivers.dial import Ready
from tests.sim.life import Life
from tests.sim.loop import NS_PER_S, VirtualLoop
from tests.sim.weather import SYN_AGAIN_S, Weather, connect_delay_s, one_way_s, segment_delay_s

NOTIFY_S = 20e-6  # from an event in the kernel to the loop's callback
SYN_PATIENCE_S = 60.0  # a kernel gives up after about two minutes; every deadline of ours is shorter


class Talk:
    """One connection from SYN to close. Times are the loop's; None: it did not come to that."""

    def __init__(self, host: str, port: int, life: int, opened_ns: int) -> None:
        self.host = host
        self.port = port
        self.life = life
        self.opened_ns = opened_ns
        self.request = b""
        self.sent_ns: int | None = None  # the agent handed the newest byte to its kernel
        self.heard_ns: int | None = None  # the host's kernel had the newest byte
        self.reply = b""  # what the agent has read
        self.read_ns: int | None = None  # when it read the newest of it
        self.ended_ns: int | None = None  # the agent read the end (or the reset)
        self.closed_ns: int | None = None  # the agent closed


class Host(Protocol):
    """What stands behind an address."""

    def knocked(self) -> str:
        """What a SYN meets: "accept", "refuse", or "void" (nothing comes back)."""
        ...

    def accepted(self, peer: "Peer") -> None: ...

    def received(self, peer: "Peer", data: bytes) -> None: ...

    def left(self, peer: "Peer") -> None:
        """The agent closed or reset."""
        ...


class Network:
    """The hosts, the weather between them and the agent, and the log."""

    def __init__(self, loop: VirtualLoop, random: Random, weather: Weather) -> None:
        self.loop = loop
        self.random = random
        self.weather = weather
        self.hosts: dict[tuple[str, int], Host] = {}
        self.talks: list[Talk] = []
        self._context = copy_context()  # the world's: what the wire does happens whether or not the agent lives
        self._digest = hashlib.sha256()

    def at(self, at_ns: int, happen: Callable[[], None]) -> None:
        """The wire's own doing, later."""
        self.loop.call_at(at_ns / NS_PER_S, happen, context=self._context)

    def after(self, delay_s: float, happen: Callable[[], None]) -> None:
        self.at(self.loop.now_ns + round(delay_s * NS_PER_S), happen)

    def log(self, what: str, data: bytes = b"") -> None:
        self._digest.update(f"{self.loop.now_ns} {what} ".encode() + data + b"\n")

    def digest(self) -> str:
        """The same for the same seed, or the run was not deterministic."""
        return self._digest.hexdigest()


class Connection:
    """The agent's end: what its kernel would know."""

    def __init__(self, handle: int, talk: Talk) -> None:
        self.handle = handle
        self.talk = talk
        self.state = "connecting"  # connecting, open, failed, reset, closed
        self.why: str | None = None
        self.inbox: deque[bytes] = deque()
        self.ended = False
        self.watched = self.read = self.write = False
        self.peer: Peer | None = None
        self.arrives_ns = 0  # what the agent sends arrives in order, its close last

    def ready(self) -> Ready | None:
        failed = self.state in ("failed", "reset")
        readable = self.read and (bool(self.inbox) or self.ended or failed)
        writable = self.write and (self.state == "open" or failed)
        if not self.watched or not (failed or readable or writable):
            return None
        return Ready(handle=self.handle, readable=readable, writable=writable, failed=failed)


class Peer:
    """The host's end."""

    def __init__(self, network: Network, connection: Connection, stir: Callable[[], None]) -> None:
        self._network = network
        self._connection = connection
        self._stir = stir
        self._arrives_ns = 0  # bytes arrive in order: nothing overtakes
        self.closed = False  # by either side

    def send(self, data: bytes) -> None:
        pieces = [data]
        if len(data) > 1 and self._network.random.random() < self._network.weather.split:
            at = self._network.random.randrange(1, len(data))
            pieces = [data[:at], data[at:]]
        for piece in pieces:
            self._deliver(piece)

    def close(self, *, reset: bool = False) -> None:
        if not self.closed:
            self.closed = True
            self._later(self._broken if reset else self._finished)

    def _deliver(self, data: bytes) -> None:
        def arrive() -> None:
            if self._connection.state == "open":
                self._connection.inbox.append(data)
                self._stir()

        self._later(arrive)

    def _finished(self) -> None:
        self._connection.ended = True
        self._stir()

    def _broken(self) -> None:
        if self._connection.state == "open":
            self._connection.state, self._connection.why = "reset", "Connection reset by peer"
            self._stir()

    def _later(self, happen: Callable[[], None]) -> None:
        network = self._network
        delay_ns = round(segment_delay_s(network.weather, network.random) * NS_PER_S)
        self._arrives_ns = max(self._arrives_ns + 1, network.loop.now_ns + delay_ns)
        network.at(self._arrives_ns, happen)


class VirtualDial:
    """What drivers/dial.py's Dial promises, on the virtual network. One for each life; a dead one says nothing more."""

    def __init__(self, network: Network, life: Life) -> None:
        self._network = network
        self._life = life
        self._connections: dict[int, Connection] = {}
        self._callback: Callable[[], None] | None = None
        self._context = copy_context()
        self._stirred = False

    def open(self, host: str, port: int) -> int:
        network = self._network
        handle = next(number for number in count(3) if number not in self._connections)  # small, and used again
        talk = Talk(host, port, self._life.number, network.loop.now_ns)
        connection = self._connections[handle] = Connection(handle, talk)
        if self._life.alive:
            network.talks.append(talk)
            network.log(f"open {host}:{port} #{handle}")
            network.after(connect_delay_s(network.weather, network.random), lambda: self._syn(connection, SYN_AGAIN_S))
        return handle

    def watch(self, handle: int, *, read: bool, write: bool) -> None:
        connection = self._connections[handle]
        connection.watched, connection.read, connection.write = True, read, write
        self._stir()

    def poll(self) -> list[Ready]:
        if not self._life.alive:
            return []
        return [ready for connection in self._connections.values() if (ready := connection.ready()) is not None]

    def error(self, handle: int) -> str | None:
        return self._connections[handle].why

    def send(self, handle: int, data: bytes) -> int:
        connection = self._connections[handle]
        self._raise_broken(connection)
        if connection.state != "open" or not self._life.alive:
            return 0
        network, talk, peer = self._network, connection.talk, connection.peer
        assert peer is not None
        talk.request += data
        talk.sent_ns = network.loop.now_ns
        network.log(f"out {talk.host}:{talk.port} #{handle}", data)
        self._outward(
            connection, segment_delay_s(network.weather, network.random), lambda: self._heard(talk, peer, bytes(data))
        )
        return len(data)

    def receive(self, handle: int, size: int) -> bytes | None:
        connection = self._connections[handle]
        talk = connection.talk
        if connection.inbox:
            data = connection.inbox.popleft()
            if len(data) > size:
                connection.inbox.appendleft(data[size:])
                data = data[:size]
            talk.reply += data
            talk.read_ns = self._network.loop.now_ns
            self._network.log(f"in {talk.host}:{talk.port} #{handle}", data)
            return data
        if connection.ended or connection.state in ("failed", "reset"):
            talk.ended_ns = self._network.loop.now_ns
        self._raise_broken(connection)
        return b"" if connection.ended else None

    def close(self, handle: int, *, reset: bool = False) -> None:
        self._let_go(self._connections.pop(handle), "reset" if reset else "close")

    def on_ready(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._context = copy_context()

    def die(self) -> None:
        """The process is gone: its kernel closes what it had open."""
        for connection in self._connections.values():
            self._let_go(connection, "die")

    def _let_go(self, connection: Connection, how: str) -> None:
        talk, peer = connection.talk, connection.peer
        if talk.closed_ns is None:
            talk.closed_ns = self._network.loop.now_ns
            self._network.log(f"{how} {talk.host}:{talk.port} #{connection.handle}")
        connection.state = "closed"
        if peer is not None and not peer.closed:
            self._outward(
                connection, one_way_s(self._network.weather, self._network.random), lambda: self._left(talk, peer)
            )

    def _left(self, talk: Talk, peer: Peer) -> None:
        if not peer.closed:
            peer.closed = True
            self._network.hosts[talk.host, talk.port].left(peer)

    def _syn(self, connection: Connection, again_s: float) -> None:
        if connection.state != "connecting":
            return
        network, talk = self._network, connection.talk
        host = network.hosts.get((talk.host, talk.port))
        meets = "void" if host is None else host.knocked()
        back_s = one_way_s(network.weather, network.random)
        if meets == "refuse":
            network.after(back_s, lambda: self._answered(connection, "failed"))
        elif meets == "accept" and host is not None:
            connection.peer = Peer(network, connection, self._stir)
            host.accepted(connection.peer)
            network.after(back_s, lambda: self._answered(connection, "open"))
        elif again_s < SYN_PATIENCE_S:
            network.after(again_s, lambda: self._syn(connection, again_s * 2))

    def _answered(self, connection: Connection, state: str) -> None:
        if connection.state == "connecting":
            connection.state = state
            connection.why = "Connection refused" if state == "failed" else None
            self._stir()

    def _heard(self, talk: Talk, peer: Peer, data: bytes) -> None:
        talk.heard_ns = self._network.loop.now_ns
        self._network.hosts[talk.host, talk.port].received(peer, data)

    def _raise_broken(self, connection: Connection) -> None:
        if connection.state == "failed":
            raise ConnectionRefusedError(connection.why)
        if connection.state == "reset":
            raise ConnectionResetError(connection.why)

    def _stir(self) -> None:
        """Level-triggered, as epoll is: while anything is ready, the callback is called again and again."""
        if self._stirred or self._callback is None or not self._life.alive or not self.poll():
            return
        self._stirred = True
        self._network.loop.call_later(NOTIFY_S, self._notify, context=self._context)

    def _notify(self) -> None:
        self._stirred = False
        if self._callback is not None and self._life.alive:
            self._callback()
            self._stir()

    def _outward(self, connection: Connection, delay_s: float, happen: Callable[[], None]) -> None:
        loop = self._network.loop
        connection.arrives_ns = max(connection.arrives_ns + 1, loop.now_ns + round(delay_s * NS_PER_S))
        self._network.at(connection.arrives_ns, happen)
