"""Conversations: what is said to a miner that takes a verb only within a session. Decides; client.py does the rest.

    opening -> session -> verb -> answer          and, when all verbs are out: the request that ends the session
       |                   |
       +-- another session -+-- session lost      again from the opening, after a pause, 5 times at most

A miner has one session at a time, and one that nobody ends locks everybody out for a minute. So each that was opened is
ended once its verb is answered or given up, and if the miner is told something newer meanwhile:

    its opening is out         the newer shot waits for that answer; a second opening would be turned away
    its session is open        the newer shot's verb goes into it at once
    its session is being ended the newer shot opens one, behind that

What was opened but whose answer was lost cannot be ended: its name is not known. It lapses.

Pauses: whoever else holds the session says one or two verbs in it, round trips of some ms to some 100 ms on real boards
(reference, sections 1.1 and 6); together they are as long as one silent miner is waited for. No jitter: who is turned
away has nobody to collide with but the one who then goes first.
"""

from collections import deque
from collections.abc import Sequence

from drivers.miners.exchange import Exchange, Shot, Waiting

AGAIN_S = (0.05, 0.1, 0.2, 0.4, 0.8)
_LEAVING = " leaving"  # no load's name has a blank in it


class Talks:
    """The conversations of one Exchanger."""

    def __init__(self) -> None:
        self.following: deque[Exchange] = deque()  # to be begun now
        self.leaving: dict[str, Exchange] = {}  # by load: over, and their sessions are still open

    def goes_on(self, exchange: Exchange, reply: bytes) -> Exchange | None:
        """What follows this answer: the verb, or the opening once more; None when the reply is the final answer."""
        talk = exchange.shot.talk
        assert talk is not None
        after = Exchange(exchange.shot, exchange.volley, None)
        after.opened_ns, after.tries = exchange.opened_ns, exchange.tries
        if exchange.session is None and _enter(after, reply):
            return after
        if exchange.tries < len(AGAIN_S) and talk.again(reply):
            self.leave(exchange)  # it is told to be lost; if it is not, it must not stay open
            after.tries += 1
            return after
        return None

    def leave(self, exchange: Exchange) -> None:
        """It is over; if its session is open, that has to be ended."""
        if exchange.session is not None:
            self.leaving[exchange.shot.key] = exchange

    def take_over(self, shot: Shot, volley: Waiting, older: Sequence[Exchange]) -> Exchange:
        """What a newer shot begins with: an older one's opening that is out, or its session, or an opening."""
        held = self.leaving.pop(shot.key, None)
        for exchange in older:
            if exchange.session is not None:
                held = exchange
            elif exchange.handles:
                exchange.shot, exchange.volley, exchange.tries = shot, volley, 0
                return exchange
        newest = Exchange(shot, volley, None)
        if held is not None:
            _enter(newest, held.welcome)
            held.session = None
        return newest

    def partings(self, most: int) -> list[Shot]:
        """The requests that end sessions which nobody needs any more."""
        shots: list[Shot] = []
        while self.leaving and len(shots) < most:
            key, exchange = next(iter(self.leaving.items()))
            del self.leaving[key]
            assert exchange.session is not None
            shot = exchange.shot
            shots.append(Shot(key + _LEAVING, shot.host, shot.port, exchange.session.close))
        return shots


def talking(exchange: Exchange) -> bool:
    """Whether a session is open, being opened or being ended by it."""
    return exchange.shot.talk is not None or exchange.shot.key.endswith(_LEAVING)


def _enter(exchange: Exchange, welcome: bytes) -> bool:
    """Have it say its verb in the session that this answer gave; False when it gave none."""
    assert exchange.shot.talk is not None
    session = exchange.shot.talk.opened(welcome)
    if session is None:
        return False
    exchange.session, exchange.welcome, exchange.request = session, welcome, session.verb
    return True
