"""A poll driven by hand: what a dialect asks, one request after the other, and what it makes of the answers."""

from collections.abc import Callable, Sequence

from drivers.errors import DeviceError, Silent
from drivers.miners.dialect import Dialect, Heard, Request, Seen, State

Answers = Callable[[Request], bytes | DeviceError]


def polled(
    dialect: Dialect, answers: Answers | Sequence[bytes | DeviceError], seen: Seen | None = None, now_ns: int = 0
) -> tuple[State, list[Request]]:
    """The state that a poll comes to, and what was asked; an answer that is an error was never heard."""
    asked: list[Request] = []
    in_order = None if callable(answers) else iter(answers)
    poll = dialect.poll(seen, now_ns)
    try:
        request = next(poll)
        while True:
            asked.append(request)
            assert len(asked) < 20, "it asks without an end"
            answer = next(in_order, Silent("", "no answer")) if in_order is not None else answers(request)  # type: ignore[operator]
            request = poll.throw(answer) if isinstance(answer, DeviceError) else poll.send(Heard(answer, now_ns))
    except StopIteration as done:
        state: State = done.value
        return state, asked


def asked_of(
    dialect: Dialect, answers: Answers | Sequence[bytes | DeviceError], seen: Seen | None = None
) -> list[bytes]:
    """The bytes of what a poll asks."""
    return [request.raw for request in polled(dialect, answers, seen)[1]]
