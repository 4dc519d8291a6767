"""One poll over the wire: a dialect's requests, each after the answer before."""

import contextlib
from collections.abc import Awaitable, Callable

from drivers.errors import Silent, Unreachable
from drivers.miners.dialect import Heard, Poll, Request, State
from drivers.miners.exchange import Answer, Shot

Ask = Callable[[Shot], Awaitable[Answer]]
_FAILURES: dict[str, type[Silent] | type[Unreachable]] = {"silent": Silent, "unreachable": Unreachable}


async def run_poll(poll: Poll, ask: Ask, clock_ns: Callable[[], int], key: str, host: str, port: int) -> State | None:
    """What a poll comes to; None when a volley ended it, a DeviceError when the miner does not tell a state."""
    failed: Silent | Unreachable | None = None
    heard: Heard | None = None
    with contextlib.closing(poll):
        while True:
            try:
                request = poll.throw(failed) if failed else next(poll) if heard is None else poll.send(heard)
            except StopIteration as done:
                state: State = done.value
                return state
            answer = await ask(shot_of(request, key, host, port))
            if answer.outcome == "preempted":
                return None
            failed = None if answer.outcome == "ok" else _FAILURES[answer.outcome]("", answer.detail)
            heard = Heard(answer.reply, clock_ns())


def shot_of(request: Request, key: str, host: str, port: int) -> Shot:
    """One read of a poll."""
    to = request.port or port
    return Shot(key, host, to, request.raw, hedge=False, framing=request.framing, answer_ns=request.answer_ns)
