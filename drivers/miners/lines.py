"""The connections of an Exchanger: begun, fed, read and ended. What an answer means, and what is begun when: client.py.

A connection belongs to one exchange; an exchange has none, one, or several when it was repeated. The request goes out
in one piece as soon as the socket takes it, a reply is read to its end, and what is given up is closed by reset.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from drivers.dial import Dial, NoRoom
from drivers.errors import Unreachable
from drivers.miners.exchange import Connection, Due, Exchange, Limits
from drivers.miners.repeats import Repeats

_READ_BYTES = 16_384


class Lines(ABC):
    """One Dial's connections, by exchange."""

    def __init__(self, dial: Dial, clock_ns: Callable[[], int], limits: Limits) -> None:
        self._dial = dial
        self._clock_ns = clock_ns
        self._limits = limits
        self._connections: dict[int, Connection] = {}
        self._unheard: deque[tuple[int, Connection]] = deque()  # sent while others were still to be begun
        self._repeats = Repeats(limits)
        self._connects = Due()
        self._deadlines: dict[int, Due] = {limits.answer_ns: Due()}  # by how long an answer may take

    @property
    @abstractmethod
    def _more_to_begin(self) -> bool:
        """Whether there are exchanges still to be begun: answers wait for them."""

    @abstractmethod
    def _answered(self, exchange: Exchange, reply: bytes) -> None:
        """A whole answer came."""

    @abstractmethod
    def _finish(self, exchange: Exchange, outcome: str, reply: bytes, detail: str) -> None:
        """It is over, and this came of it."""

    def _begin(self, exchange: Exchange) -> bool:
        """Open a connection for it and send if the socket takes it; False when the machine has no room for one more."""
        limits, shot = self._limits, exchange.shot
        if len(self._connections) >= limits.open_max:
            return False
        now_ns = self._clock_ns()
        if not exchange.opened_ns:
            exchange.opened_ns = now_ns
        try:
            handle = self._dial.open(shot.host, shot.port)
        except NoRoom:
            return False
        except Unreachable as failure:
            exchange.begun += 1
            self._lost(exchange, failure.detail)
            return True
        exchange.begun += 1
        exchange.newest_ns = now_ns
        exchange.handles.append(handle)
        self._connections[handle] = connection = Connection(exchange, now_ns, limits.reply_bytes_max)
        answer_ns = shot.answer_ns or limits.answer_ns
        deadlines = self._deadlines.get(answer_ns)
        if deadlines is None:
            deadlines = self._deadlines[answer_ns] = Due()
        deadlines.add(now_ns + answer_ns, exchange)
        if exchange.volley is None:
            self._connects.add(now_ns + limits.connect_ns, exchange)
        else:
            self._repeats.begun(exchange, now_ns)
        self._send(handle, connection, watched=False)
        return True

    def _send(self, handle: int, connection: Connection, *, watched: bool = True) -> None:
        exchange = connection.exchange
        request = exchange.request
        try:
            taken = self._dial.send(handle, request[connection.taken :] if connection.taken else request)
        except OSError as failure:
            self._drop(handle, failure.strerror or str(failure))
            return
        connection.taken += taken
        if taken:
            exchange.wrote = True
        whole = connection.taken == len(request)
        if whole and exchange.sent_ns is None:
            exchange.sent_ns = self._clock_ns()
        if whole and not watched and exchange.volley is not None and self._more_to_begin:
            self._unheard.append((handle, connection))
        else:
            self._dial.watch(handle, read=whole, write=not whole)

    def _listen(self, most: int) -> None:
        """Have poll() tell of answers to what has been sent."""
        for _ in range(min(most, len(self._unheard))):
            handle, connection = self._unheard.popleft()
            if self._connections.get(handle) is connection:
                self._dial.watch(handle, read=True, write=False)

    def _service(self) -> int:
        """Take what is ready, and say how much that was. Opens nothing and calls nobody: the list must stay true."""
        ready_now = self._dial.poll()
        for ready in ready_now:
            connection = self._connections.get(ready.handle)
            if connection is not None and (ready.readable or ready.failed):
                self._receive(ready.handle, connection)
            elif connection is not None and ready.writable:
                self._send(ready.handle, connection)
        return len(ready_now)

    def _receive(self, handle: int, connection: Connection) -> None:
        why = "closed without an answer"
        try:
            data = self._dial.receive(handle, _READ_BYTES)
        except OSError as failure:
            # A reset after the whole reply is how cgminer answers a long request; what was read counts.
            data, why = b"", failure.strerror or str(failure)
        if data is None:
            return
        reply = connection.reply.feed(data) if data else connection.reply.held
        if reply:
            self._repeats.answered(connection.opened_ns, self._clock_ns())
            self._answered(self._close(handle), reply)
        elif not data:
            self._drop(handle, why)
        elif connection.reply.begun:
            connection.exchange.answering = True

    def _drop(self, handle: int, why: str) -> None:
        """A connection has ended without an answer; the exchange goes on while it has others."""
        self._lost(self._close(handle), why)

    def _close(self, handle: int) -> Exchange:
        exchange = self._connections.pop(handle).exchange
        exchange.handles.remove(handle)
        self._dial.close(handle)
        return exchange

    def _lost(self, exchange: Exchange, why: str) -> None:
        exchange.detail = why
        if not exchange.handles:
            self._finish(exchange, "silent" if exchange.wrote else "unreachable", b"", why)

    def _reset(self, exchange: Exchange) -> None:
        for handle in exchange.handles[:]:
            self._cut(exchange, handle)

    def _cut(self, exchange: Exchange, handle: int) -> None:
        exchange.handles.remove(handle)
        del self._connections[handle]
        self._dial.close(handle, reset=True)
