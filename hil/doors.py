"""The sockets of a stand-in whose firmware is in hil/dialects: several ports, requests of any framing, connections side
by side.

Each connection is read until its request is whole, answered, and closed. The first port is `port` of the rig's group
where it has one of its own, the second `control_port`; all others are the real ones.
"""

import socket
from collections.abc import Callable
from functools import partial

from hil.clock import Clock
from hil.dialects import SPEAKERS
from hil.fleet import BACKLOG, Endpoint, MinerFault, send_some
from hil.miner import Miner

_REQUEST_MAX = 1 << 16
_LATE_S = 3.0


class Doors(Endpoint):
    """One miner's sockets."""

    def __init__(
        self, miner: Miner, dialect: str, port: int, answer_s: float, moved: Callable[[Miner], None], clock: Clock
    ) -> None:
        super().__init__(miner, dialect, port, answer_s, moved, clock)
        self.speaker = SPEAKERS[dialect](miner)
        self.port = port or self.speaker.ports[0]
        self.control_port = 0  # 0: the real one
        self._doors: list[socket.socket] = []
        self._open: dict[socket.socket, bytearray] = {}

    def listens_on(self, place: int) -> int:
        """The port that stands for the n-th of the firmware's."""
        return (self.port, self.control_port or self.speaker.ports[-1], *self.speaker.ports[2:])[place]

    def open(self) -> None:
        for place, real in enumerate(self.speaker.ports):
            door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.setblocking(False)
            at = (self.miner.address, self.listens_on(place))
            try:
                door.bind(at)
            except OSError as error:
                door.close()
                self.close()
                raise OSError(error.errno, f"{at[0]}:{at[1]}: {error.strerror}") from error
            door.listen(BACKLOG)
            self._doors.append(door)
            self._loop.add_reader(door, self._come, door, real)

    def close(self) -> None:
        for door in self._doors:
            self._loop.remove_reader(door)
            door.close()
        self._doors.clear()
        for connection in list(self._open):
            self._leave(connection, reset=True)

    def set_fault(self, fault: MinerFault) -> None:
        self.close()
        self.fault = fault
        self.speaker.denied = fault is MinerFault.DENIED
        self.speaker.malformed = fault is MinerFault.MALFORMED
        if fault is MinerFault.SESSION_LOST:
            self.speaker.forget()
        if fault is not MinerFault.REFUSE and not self.miner.dark:
            self.open()
        if fault is MinerFault.NEVER_ACCEPTS:
            for door in self._doors:
                self._loop.remove_reader(door)

    def _come(self, door: socket.socket, port: int) -> None:
        try:
            connection, _ = door.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        connection.setblocking(False)
        self._open[connection] = bytearray()
        if self.fault is not MinerFault.NEVER_READS:
            self._loop.add_reader(connection, self._hear, connection, port)

    def _hear(self, connection: socket.socket, port: int) -> None:
        try:
            data = connection.recv(_REQUEST_MAX)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        held = self._open[connection]
        held += data
        if not data or len(held) > _REQUEST_MAX:
            self._leave(connection)
            return
        request = bytes(held)
        if not self.speaker.whole(port, request):
            return
        self._loop.remove_reader(connection)
        self._stamp(request, port)
        if self.fault is MinerFault.RESET:
            self._leave(connection, reset=True)
            return
        if self.fault is MinerFault.NEVER_ANSWERS:
            return
        is_verb = self.speaker.told_step(port, request) is not None
        after_s = self.answer_s
        if is_verb:
            after_s += _LATE_S if self.fault is MinerFault.LATE else self.speaker.late_s
        reply = partial(self._reply, connection, port, request)
        if after_s:
            self._loop.call_later(after_s, reply)
        else:
            reply()

    def _stamp(self, request: bytes, port: int) -> None:
        read_ns = self._clock()
        if request in self.requests or len(self.requests) < 1000:
            self.requests[request] += 1
        if self.speaker.is_write(port, request):
            self.writes.append((read_ns, request))
        step = self.speaker.told_step(port, request)
        if step is not None:
            self.told.append((read_ns, step))

    def _reply(self, connection: socket.socket, port: int, request: bytes) -> None:
        if connection not in self._open or self.miner.dark:
            return
        answer = self.speaker.answer(port, request, self._clock())
        self._moved(self.miner)
        if self.fault is MinerFault.TRICKLE:
            self._drip(connection, answer)
            return
        if self.fault is MinerFault.GARBLED:
            answer = answer[: len(answer) // 2]
        if self.fault is not MinerFault.MUTE:
            send_some(connection, answer)
        self._leave(connection)

    def _drip(self, connection: socket.socket, rest: bytes) -> None:
        if connection not in self._open:
            return
        if not rest or not send_some(connection, rest[:1]):
            self._leave(connection)
            return
        self._loop.call_later(1.0, self._drip, connection, rest[1:])

    def _leave(self, connection: socket.socket, *, reset: bool = False) -> None:
        del self._open[connection]
        self._end(connection, reset=reset)
