"""Many stand-in miners in one process: a listening socket each, served as the original's one API thread does.

The original accepts one connection, waits for one `recv`, answers, closes, and only then accepts the next; a client
that connects and stays quiet blocks all others (ckolivas/cgminer, api.c). So each miner here serves one connection at a
time; further ones wait in its backlog of 100.

Faults (MinerFault):

    never_accepts  the kernel completes connections into the backlog, nobody takes them
    never_reads    every connection is accepted, nothing is read
    never_answers  requests are read (and stamped) and nothing is done or answered
    trickle        the answer comes at a byte a second; the verb was done
    mute           the verb is done, the connection closed without an answer
    garbled        the verb is done, the answer is cut in the middle
    reset          each request is answered by a TCP reset and not done
    refuse         nobody listens
    hang_logon     a session is opened and who asked for it never hears of it (LuxOS alone, and so are the rest)
    hang_curtail   curtail is obeyed and never answered
    session_held   somebody else has the session and keeps it
    session_lost   the next session is gone when it is first used; once
    denied         curtail is refused within its session

And of the firmware in hil/dialects (doors.py):

    session_lost   every token, session and nonce that it gave is forgotten, once
    denied         verbs are refused
    malformed      its reports have the fault that the family's real ones have
    late           its verbs are done and answered 3 s after they came

Stamps are CLOCK_MONOTONIC: `told` has, for each curtailing ("off") or waking ("on") verb, when its last byte was read.
"""

import asyncio
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from enum import StrEnum

from hil.clock import Clock
from hil.miner import Lie, Miner
from hil.miner_replies import REQUEST_MAX, is_write, reply, told_step

BACKLOG = 100  # cgminer's listen()
_HELD_MAX = 64  # connections a hung miner keeps before it lets the oldest go
_WRITES_KEPT = 1_000
_REQUESTS_KEPT = 1_000  # distinct requests counted


class MinerFault(StrEnum):
    """What is wrong with a miner's API."""

    NONE = "none"
    NEVER_ACCEPTS = "never_accepts"
    NEVER_READS = "never_reads"
    NEVER_ANSWERS = "never_answers"
    TRICKLE = "trickle"
    MUTE = "mute"
    GARBLED = "garbled"
    RESET = "reset"
    REFUSE = "refuse"
    HANG_LOGON = "hang_logon"
    HANG_CURTAIL = "hang_curtail"
    SESSION_HELD = "session_held"
    SESSION_LOST = "session_lost"
    DENIED = "denied"
    MALFORMED = "malformed"
    LATE = "late"


_HANGS = {MinerFault.HANG_LOGON: b'"logon"', MinerFault.HANG_CURTAIL: b'"curtail"'}


class Endpoint:
    """One miner's API. `answer_s` is how long its board takes to answer."""

    def __init__(
        self, miner: Miner, dialect: str, port: int, answer_s: float, moved: Callable[[Miner], None], clock: Clock
    ) -> None:
        self.miner = miner
        self.dialect = dialect
        self.port = port
        self.fault = MinerFault.NONE
        self.told: deque[tuple[int, str]] = deque(maxlen=_WRITES_KEPT)  # when a verb was whole, and its step
        self.writes: deque[tuple[int, bytes]] = deque(maxlen=_WRITES_KEPT)
        self.requests: Counter[bytes] = Counter()
        self.unfed: set[str] = set()  # what of that which feeds it doesn't
        self.answer_s = answer_s
        self._moved = moved
        self._clock = clock
        self._listening: socket.socket | None = None
        self._serving: socket.socket | None = None
        self._held: list[socket.socket] = []

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def open(self) -> None:
        """Listens on the miner's own address."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setblocking(False)
        try:
            listening.bind((self.miner.address, self.port))
        except OSError as error:
            listening.close()
            raise OSError(error.errno, f"{self.miner.address}:{self.port}: {error.strerror}") from error
        listening.listen(BACKLOG)
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Nobody listens; what is open is reset."""
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        for endpoint in [*self._held, *([self._serving] if self._serving else [])]:
            self._end(endpoint, reset=True)
        self._held.clear()
        self._serving = None

    def set_fault(self, fault: MinerFault) -> None:
        """From now on this is wrong; NONE mends it. Connections of before are reset."""
        self.close()
        self.fault = fault
        session = self.miner.session
        session.locked = fault is MinerFault.SESSION_HELD
        session.forgets = fault is MinerFault.SESSION_LOST
        session.refuses = fault is MinerFault.DENIED
        if fault is not MinerFault.REFUSE and not self.miner.dark:
            self.open()
        if fault is MinerFault.NEVER_ACCEPTS and self._listening is not None:
            self._loop.remove_reader(self._listening)

    def clear(self) -> None:
        """Forgets stamps and requests."""
        self.told.clear()
        self.writes.clear()
        self.requests.clear()

    def _accept(self) -> None:
        while self._listening is not None and self._serving is None:
            try:
                accepted, _ = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            accepted.setblocking(False)
            if self.fault is MinerFault.NEVER_READS:
                self._hold(accepted)
                continue
            self._serving = accepted
            self._loop.remove_reader(self._listening)
            self._loop.add_reader(accepted, self._read, accepted)
            self._read(accepted)  # the request is often there already

    def _read(self, endpoint: socket.socket) -> None:
        try:
            request = endpoint.recv(REQUEST_MAX)
        except BlockingIOError:
            return
        except ConnectionError:
            request = b""
        read_ns = self._clock()
        self._loop.remove_reader(endpoint)
        if not request:
            self._next(endpoint)
            return
        self._note(request, read_ns)
        if self.fault is MinerFault.RESET:
            self._next(endpoint, reset=True)
        elif self.fault is MinerFault.NEVER_ANSWERS:
            self._hold(endpoint)
            self._resume()
        elif self.answer_s:
            self._loop.call_later(self.answer_s, self._answer, endpoint, request)
        else:
            self._answer(endpoint, request)

    def _note(self, request: bytes, read_ns: int) -> None:
        if request in self.requests or len(self.requests) < _REQUESTS_KEPT:
            self.requests[request] += 1
        if is_write(request):
            self.writes.append((read_ns, request))
            step = told_step(request)
            if step is not None:
                self.told.append((read_ns, step))

    def _answer(self, endpoint: socket.socket, request: bytes) -> None:
        if endpoint is not self._serving:
            return  # reset meanwhile
        answer = reply(self.miner, self.dialect, request, self._clock())
        self._moved(self.miner)
        if self.fault in _HANGS and _HANGS[self.fault] in request:
            self._hold(endpoint)
            self._resume()
            return
        if self.fault is MinerFault.TRICKLE:
            self._hold(endpoint)
            self._trickle(endpoint, answer)
            self._resume()
            return
        if self.fault is MinerFault.GARBLED:
            answer = answer[: len(answer) // 2]
        if self.fault is not MinerFault.MUTE:
            send_some(endpoint, answer)
        self._next(endpoint)

    def _trickle(self, endpoint: socket.socket, rest: bytes) -> None:
        if endpoint not in self._held:
            return
        if not rest or not send_some(endpoint, rest[:1]):
            self._held.remove(endpoint)
            self._end(endpoint)
            return
        self._loop.call_later(1.0, self._trickle, endpoint, rest[1:])

    def _hold(self, endpoint: socket.socket) -> None:
        self._held.append(endpoint)
        if len(self._held) > _HELD_MAX:
            self._end(self._held.pop(0), reset=True)

    def _next(self, endpoint: socket.socket, *, reset: bool = False) -> None:
        """Done with this connection: close it and take the next one."""
        self._end(endpoint, reset=reset)
        self._resume()

    def _resume(self) -> None:
        self._serving = None
        if self._listening is not None:
            self._loop.add_reader(self._listening, self._accept)

    def _end(self, endpoint: socket.socket, *, reset: bool = False) -> None:
        self._loop.remove_reader(endpoint)
        if reset:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        endpoint.close()


class Fleet:
    """All miners of a rig, and the sum of what they draw."""

    def __init__(self, clock: Clock = time.monotonic_ns) -> None:
        self._clock = clock
        self.endpoints: dict[str, Endpoint] = {}
        self._steady_w: dict[str, float] = {}
        self._sum_w = 0.0
        self._moving: set[Miner] = set()

    def add(
        self, miner: Miner, dialect: str, port: int, answer_s: float = 0.0, *, make: type[Endpoint] = Endpoint
    ) -> None:
        """One more miner; open it with `open`."""
        self.endpoints[miner.address] = make(miner, dialect, port, answer_s, self.watch, self._clock)
        self._steady_w[miner.address] = miner.watts(0)
        self._sum_w += miner.watts(0)

    def open(self) -> None:
        """Every miner listens."""
        for endpoint in self.endpoints.values():
            endpoint.open()

    def close(self) -> None:
        """None does."""
        for endpoint in self.endpoints.values():
            endpoint.close()

    def watts(self, now_ns: int) -> float:
        """What all of them really draw. Only those in motion are asked; the rest is a running sum."""
        for miner in list(self._moving):
            if miner.due is not None and miner.due[0] <= now_ns:
                due_ns, on = miner.due
                miner.due = None
                miner.told(on, due_ns)
            watts = miner.watts(now_ns)
            self._sum_w += watts - self._steady_w[miner.address]
            self._steady_w[miner.address] = watts
            if miner.due is None and not miner.moving(now_ns):
                self._moving.discard(miner)
        return self._sum_w

    def watch(self, miner: Miner) -> None:
        """Its watts may be about to move."""
        self._moving.add(miner)

    def select(self, addresses: Iterable[str] | None) -> list[Endpoint]:
        """These miners, all when None; KeyError names one that does not exist."""
        return list(self.endpoints.values()) if addresses is None else [self.endpoints[name] for name in addresses]

    def move(self, endpoint: Endpoint, on: bool, now_ns: int) -> None:
        """It goes on or off by itself, told by nobody; its read-back follows."""
        endpoint.miner.told_on = on
        endpoint.miner.move(on, now_ns)
        self.watch(endpoint.miner)

    def percent(self, percent: float, miners: Iterable[str] | None = None) -> None:
        """These go to this part of their rated watts, told by nobody on the wire."""
        for endpoint in self.select(miners):
            endpoint.miner.told_percent(percent, self._clock())
            self.watch(endpoint.miner)

    def set_lie(self, endpoint: Endpoint, lie: Lie) -> None:
        """Whether it does what it acknowledges from now on."""
        endpoint.miner.lie = lie

    def feed(self, endpoint: Endpoint, by: str, *, fed: bool) -> None:
        """What feeds it ("grid", a contactor) does or doesn't; one that doesn't is enough for it to be dark."""
        if fed:
            endpoint.unfed.discard(by)
        else:
            endpoint.unfed.add(by)
        dark = bool(endpoint.unfed)
        if dark == endpoint.miner.dark:
            return
        if dark:
            endpoint.miner.lose_supply()
            endpoint.close()
        else:
            endpoint.miner.regain_supply(self._clock())
            endpoint.set_fault(endpoint.fault)
        self.watch(endpoint.miner)

    def set_dark(self, endpoint: Endpoint, dark: bool) -> None:
        """The grid's supply goes or comes back; a miner without supply draws nothing and answers nobody."""
        self.feed(endpoint, "grid", fed=not dark)


def send_some(endpoint: socket.socket, data: bytes) -> bool:
    """One send; a reader that does not read gets what fits, as from the original."""
    try:
        endpoint.send(data)
    except (BlockingIOError, ConnectionError):
        return False
    return True
