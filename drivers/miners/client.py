"""The exchange of one request for one reply with miners, by the thousand: what volleys and polls are made of.

*Shot*      one request to one miner. *Answer*: what came of it.
*fire*      a volley: every shot out as soon as this machine can open connections.
*ask*       one shot of a poll; gives way to a shot fired at the same miner.

The protocol (cgminer API, and with it all of port 4028) is one connection per request: connect, write the whole request
at once, read to NUL or end of file, close. HTTP and Whatsminer's 4433 are spoken the same way; only where a reply ends
differs (framing.py). The servers are single threaded and wait without a timeout for whoever has
connected: a connection that sends nothing, or one forgotten, locks everybody else out. Hence nothing is opened before
it is needed, the request goes out as soon as the socket takes it, and whatever is given up is closed by reset, so that
the miner wastes no time on it. A request that its kernel has taken it may still read: older ones before newer ones.

How a volley goes
-----------------
    fire -> 64 opens, each followed by a try to send (over loopback the connect is done by then)
         -> back to the loop -> send where the socket takes it by now -> the next 64 -> ... -> all are begun
         -> listen -> read, close and tell until each is answered or given up

Opening in slices keeps the loop free (64 opens take 2-3 ms). Everybody is told before anybody is listened to: reading
and closing 1,000 answers takes 15 ms that the last miner would wait for; until then the kernel holds them. Time limits
are equal for all shots of a kind, so first-in-first-out queues serve instead of timers.

Hedging: a shot that allows it (lowering ones: the verb may be read more than once) is repeated on a new connection
every 30 ms while nothing has been answered, on four connections at most; the first whole answer wins and the others
are reset. Nothing is repeated while first connections are still to be opened, what the kernel already holds is read
first, and repeats.py says who is late rather than slow.

Where a family takes a verb only within a session, a shot is a conversation: opening, verb, end of the session, each on
a connection of its own. The answer to the opening is read as soon as all shots are begun, and the verb's connection is
then begun before anything else is; sessions are ended when nothing else is left to do. talks.py has the rules.

Newest wins: firing at a key ends every exchange with that key that an earlier fire() or ask() began. `done` is not
called for those, the newer shot speaks for the load. Shots of one fire() with the same key and different `part` go side
by side: cgminer serves 100 connections at once in 10-25 ms, and a lost SYN from there on, so keep parts x 4 below that.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from drivers.dial import Dial
from drivers.miners.exchange import Answer, Exchange, Limits, Shot, Waiting
from drivers.miners.lines import Lines
from drivers.miners.talks import AGAIN_S, Talks, talking

__all__ = ["Answer", "Exchanger", "Limits", "Shot"]

_LIMITS = Limits()
_SLICE = 64
_SLICE_NS = 2_500_000  # or as many as begin in this time, on a slow machine
_LISTEN = 512  # 1 us each
_PARTINGS = 16  # sessions ended in one turn of the loop: a volley may come at any time, and waits no longer for them
_LEAVE_AGAIN_S = 0.02
_BUSY = 64  # this many connections ready at once: we are behind ourselves, so nothing is repeated
_NO_ROOM = "this machine has no descriptor or port left"
_NO_ROOM_S = 0.005
_TICK_S_MIN = 0.002  # what is due and may not be done yet is looked at again after this


class Exchanger(Lines):
    """Fires and asks over one Dial, which is then its alone. Make it inside the running loop."""

    def __init__(self, dial: Dial, clock_ns: Callable[[], int], limits: Limits = _LIMITS) -> None:
        super().__init__(dial, clock_ns, limits)
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Waiting] = deque()
        self._number = 0
        self._newest: dict[str, int] = {}  # key -> the newest fire() that has shots for it, until they are over
        self._lanes: dict[str, list[Exchange]] = {}  # key -> fired exchanges that are out
        self._asked: dict[str, Exchange] = {}
        self._finished: deque[tuple[Exchange, Answer]] = deque()
        self._fired = 0  # shots since nothing was out
        self._talks = Talks()
        self._going_on: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        dial.on_ready(self._ready)

    @property
    def firing(self) -> bool:
        """True while shots are still to be opened or may yet be repeated: polls give way."""
        return self._opening or self._repeats.pending

    @property
    def _opening(self) -> bool:
        return self._more_to_begin or bool(self._unheard)

    @property
    def _more_to_begin(self) -> bool:
        return bool(self._waiting or self._talks.following)

    def fire(self, shots: Sequence[Shot], done: Callable[[Answer], None]) -> None:
        """Put every shot on the wire; `done` is called from the loop, once for each that no newer fire() replaced.

        The first slice is out when this returns; `shots` must not be changed afterwards.
        """
        self._number += 1
        for shot in shots:
            self._newest[shot.key] = self._number
        self._fired += len(shots)
        self._waiting.append(Waiting(shots, done, self._number))
        if self._going_on is None:
            self._open_slice()

    async def ask(self, shot: Shot) -> Answer:
        """One shot of a poll, never repeated once connected; closed at once when cancelled or pre-empted by fire()."""
        exchange = Exchange(shot, None, self._loop.create_future())
        if shot.key in self._newest:
            return exchange.answer("preempted", b"", "a volley is out to it", None)
        older = self._asked.get(shot.key)
        if older is not None:
            self._finish(older, "preempted", b"", "asked again")
        self._asked[shot.key] = exchange
        if not self._begin(exchange):
            del self._asked[shot.key]
            return exchange.answer("preempted", b"", _NO_ROOM, None)
        self._deliver()
        self._arm()
        assert exchange.future is not None
        try:
            return await exchange.future
        finally:
            if not exchange.over:
                self._end(exchange)

    async def leave(self) -> None:
        """Return once no session is open: the conversations that are out come to their end, and all are ended."""
        # Looked at again and again, at a stop alone; an event would burden every volley.
        while self._talking():  # noqa: ASYNC110
            await asyncio.sleep(_LEAVE_AGAIN_S)

    def _talking(self) -> bool:
        lanes = self._lanes.values()
        return bool(self._talks.leaving) or any(talking(exchange) for lane in lanes for exchange in lane)

    def close(self) -> None:
        """End everything by reset; nothing is called for what was out."""
        self._waiting.clear()
        for exchange in [exchange for lane in self._lanes.values() for exchange in lane] + list(self._asked.values()):
            self._end(exchange)
            if exchange.future is not None:
                exchange.future.cancel()
        self._talks = Talks()
        for handle in self._going_on, self._timer:
            if handle is not None:
                handle.cancel()

    def _open_slice(self) -> None:
        """Begin the next 64 shots, then give the loop back (it services what is ready) and go on from there."""
        room = True
        left = _SLICE
        until_ns = self._clock_ns() + _SLICE_NS
        while self._waiting and left and room:
            volley = self._waiting[0]
            shots, number = volley.shots, volley.number
            while volley.at < len(shots) and left:
                shot = shots[volley.at]
                if self._newest.get(shot.key, number) == number and not self._begin_fired(shot, volley):
                    room = False
                    break
                volley.at += 1
                left -= 1
                if not left % 8 and self._clock_ns() > until_ns:
                    left = 0
            if volley.at == len(shots):
                self._waiting.popleft()
        if not self._waiting:
            for key in [key for key in self._newest if key not in self._lanes]:
                del self._newest[key]
        self._come_back(room)

    def _follow_slice(self) -> None:
        """Begin the next 64 of those that go on after an answer."""
        following = self._talks.following
        room = True
        left = _SLICE
        until_ns = self._clock_ns() + _SLICE_NS
        while following and left and room:
            exchange = following.popleft()
            if not exchange.over and not self._begin(exchange):
                following.appendleft(exchange)
                room = False
            left -= 1
            if not left % 8 and self._clock_ns() > until_ns:
                left = 0
        self._come_back(room)

    def _come_back(self, room: bool) -> None:
        if room:
            self._going_on = self._loop.call_soon(self._go_on)
        else:
            self._listen(len(self._unheard))  # answers make room
            self._going_on = self._loop.call_later(_NO_ROOM_S, self._go_on)
        self._arm()

    def _go_on(self) -> None:
        self._going_on = None
        if self._waiting:
            self._open_slice()
        elif self._talks.following:
            self._follow_slice()
        elif self._unheard:
            self._listen(_LISTEN)
            self._going_on = self._loop.call_soon(self._go_on)
        elif self._talks.leaving:
            self._waiting.append(Waiting(self._talks.partings(_PARTINGS), _nobody, 0))
            self._open_slice()
        else:
            self._arm()
        self._deliver()

    def _awake(self) -> None:
        if self._going_on is None:
            self._going_on = self._loop.call_soon(self._go_on)

    def _begin_fired(self, shot: Shot, volley: Waiting) -> bool:
        asked = self._asked.get(shot.key)
        if asked is not None:
            self._finish(asked, "preempted", b"", "a shot was fired at it")
        older = [exchange for exchange in self._lanes.get(shot.key, ()) if exchange.volley is not volley]
        exchange = Exchange(shot, volley, None) if shot.talk is None else self._talks.take_over(shot, volley, older)
        if exchange.handles:
            return True
        for replaced in older:
            self._end(replaced)
        lane = self._lanes.setdefault(shot.key, [])
        lane.append(exchange)
        if self._begin(exchange):
            return True
        self._talks.leave(exchange)
        lane.remove(exchange)
        if not lane:
            del self._lanes[shot.key]
        return False

    def _ready(self) -> None:
        self._service()
        self._deliver()

    def _answered(self, exchange: Exchange, reply: bytes) -> None:
        after = None if exchange.shot.talk is None else self._talks.goes_on(exchange, reply)
        if after is None:
            self._finish(exchange, "ok", reply, "")
        else:
            self._replace(exchange, after)

    def _replace(self, exchange: Exchange, after: Exchange) -> None:
        """A conversation goes on: at once, or after a pause when it has to begin anew."""
        exchange.over = True
        self._reset(exchange)
        lane = self._lanes[exchange.shot.key]
        lane[lane.index(exchange)] = after
        if after.tries > exchange.tries:
            self._loop.call_later(AGAIN_S[exchange.tries], self._follow, after)
            self._awake()
        else:
            self._follow(after)

    def _follow(self, exchange: Exchange) -> None:
        if not exchange.over:
            self._talks.following.append(exchange)
            self._awake()

    def _finish(self, exchange: Exchange, outcome: str, reply: bytes, detail: str) -> None:
        if outcome == "silent" and exchange.opening:
            outcome, reply, detail, exchange.sent_ns = "unreachable", b"", f"no session: {detail}", None
        answered_ns = self._clock_ns() if outcome == "ok" else None
        self._finished.append((exchange, exchange.answer(outcome, reply, detail, answered_ns)))
        self._end(exchange)

    def _end(self, exchange: Exchange) -> None:
        """Reset what it still has open and forget it."""
        exchange.over = True
        self._reset(exchange)
        key = exchange.shot.key
        if exchange.session is not None:
            self._talks.leave(exchange)
            self._awake()
        if exchange.volley is None:
            if self._asked.get(key) is exchange:
                del self._asked[key]
            return
        lane = self._lanes[key]
        lane.remove(exchange)
        if not lane:
            del self._lanes[key]

    def _deliver(self) -> None:
        """Tell those who wait; they may fire() and ask() from within."""
        finished = self._finished
        while finished:
            exchange, answer = finished.popleft()
            volley = exchange.volley
            if volley is None:
                assert exchange.future is not None
                if not exchange.future.done():
                    exchange.future.set_result(answer)
                continue
            if self._newest.get(answer.key, volley.number) != volley.number:
                continue
            if answer.key not in self._lanes and not self._waiting:
                self._newest.pop(answer.key, None)
            volley.done(answer)
        if not self._lanes and not self._waiting:
            self._fired = 0
            self._newest.clear()

    def _arm(self) -> None:
        """Have _tick called when the first of the three queues is due; no timer while they are empty."""
        dues = (
            self._connects.due_ns,
            *(() if self._unheard else (deadlines.due_ns for deadlines in self._deadlines.values())),
            0 if self._opening else self._repeats.due_ns,
        )
        due_ns = min((due_ns for due_ns in dues if due_ns), default=0)
        if self._timer is not None:
            if due_ns and self._timer_ns <= due_ns:
                return
            self._timer.cancel()
            self._timer = None
        if due_ns:
            self._timer_ns = due_ns
            delay_s = max(_TICK_S_MIN, (due_ns - self._clock_ns()) / 1e9)
            self._timer = self._loop.call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        behind = self._service() >= _BUSY
        now_ns = self._clock_ns()
        while (connecting := self._connects.take(now_ns)) is not None:
            self._connect_late(connecting)
        if not behind and not self._unheard:  # else its answer may be in the kernel
            if not self._more_to_begin:
                self._repeat_late(now_ns)
            for answer_ns, deadlines in self._deadlines.items():
                while (exchange := deadlines.take(now_ns)) is not None:
                    if exchange.newest_ns + answer_ns <= now_ns:
                        self._give_up(exchange)
        self._deliver()
        self._arm()

    def _repeat_late(self, now_ns: int) -> None:
        for _ in range(_SLICE):
            late = self._repeats.next(now_ns, self._fired)
            if late is None:
                return
            older = late.handles[:] if late.opening else ()
            if not self._begin(late):
                return
            self._repeats.repeated(now_ns)
            if len(late.handles) > len(older):
                for handle in older:  # nothing was written on it, so this was never a second opening
                    self._cut(late, handle)

    def _connect_late(self, exchange: Exchange) -> None:
        """A poll without a connection in time: once more, in case its SYN was lost, then no more."""
        if exchange.wrote:
            return
        if exchange.begun > 1:
            self._finish(exchange, "unreachable", b"", "no connection in time, twice")
            return
        self._reset(exchange)
        if not self._begin(exchange):
            self._finish(exchange, "preempted", b"", _NO_ROOM)

    def _give_up(self, exchange: Exchange) -> None:
        replies = [self._connections[handle].reply for handle in exchange.handles]
        best = max(replies, key=lambda reply: (reply.looks_whole, len(reply.held)))
        if best.looks_whole:
            self._finish(exchange, "ok", best.held, "")
        elif exchange.wrote:
            self._finish(exchange, "silent", best.held, "no whole answer" if best.begun else "no answer")
        else:
            self._finish(exchange, "unreachable", b"", "no connection in time")


def _nobody(answer: Answer) -> None:
    """Who ended a session does not wait to hear that it is: it would have lapsed."""
