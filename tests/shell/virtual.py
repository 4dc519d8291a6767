"""What the shell's pure tests stand on: virtual time, and stand-ins for what the pollers and the volley talk to.

Every stand-in writes down what it was told, with the time in ms since the start, in one list of its own.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from agent.core.image import Outcome
from drivers.errors import DeviceError, Garbled
from drivers.miners.client import Answer, Shot
from drivers.miners.dialect import Conversation, DialectStep, Poll, Request, Seen, State, Verdict, read_all
from drivers.modbus.meter import BlockRead
from tests.sim.clock import VirtualClock
from tests.sim.loop import VirtualLoop

MS = 1_000_000


def run(story: Callable[[VirtualClock], Awaitable[None]]) -> None:
    """Run the story on a virtual loop; what it leaves running is cancelled."""
    loop = VirtualLoop()

    async def all_of_it() -> None:
        try:
            await story(VirtualClock(loop))
        finally:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    try:
        loop.run_until_complete(all_of_it())
    finally:
        loop.close()


class Since:
    """Milliseconds since it was made."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._begin_ns = clock.monotonic_ns()

    def ms(self) -> float:
        return (self._clock.monotonic_ns() - self._begin_ns) / MS


class Ears:
    """The board's ears."""

    def __init__(self, clock: VirtualClock) -> None:
        self._since = Since(clock)
        self.heard: list[tuple[object, ...]] = []

    def meter_read(self, meter_id: str, block: BlockRead, fast: bool) -> None:
        self.heard.append((self._since.ms(), "fast" if fast else "slow", meter_id))

    def meter_failed(self, meter_id: str, error: DeviceError) -> None:
        self.heard.append((self._since.ms(), type(error).__name__, meter_id))

    def load_read(self, load_id: str, state: State, taken_ns: int) -> None:
        self.heard.append((self._since.ms(), "read", load_id, state.step))

    def load_failed(self, load_id: str, outcome: Outcome, detail: str) -> None:
        self.heard.append((self._since.ms(), "failed", load_id, outcome))

    def write_sent(self, load_id: str, step: str, sent_ns: int) -> None:
        self.heard.append((self._since.ms(), "sent", load_id, step))

    def write_answered(self, load_id: str, step: str, outcome: Outcome, answered_ns: int, detail: str) -> None:
        self.heard.append((self._since.ms(), "answered", load_id, step, outcome))

    def kinds(self) -> list[object]:
        return [told[1] for told in self.heard]


class WordDialect:
    """A family whose requests and replies are plain words, with a NUL or without: "set off", "ok", "state on".

    "busy" is a refusal that passes.
    """

    name = "word"
    port = 4028
    steps = (DialectStep("off", None, 1_000), DialectStep("on", 1.0, 1_000))
    verb_good_ns: int | None = None
    polls = 1
    needs_poll = False  # whether a verb needs what a poll has learned
    verbs = 1

    def poll(self, seen: Seen | None, now_ns: int) -> Poll:
        return read_all((b"state",) * self.polls, self.decode_state)

    def decode_state(self, replies: Sequence[bytes], now_ns: int) -> State:
        word, step = replies[-1].decode().strip("\0").split()
        if word != "state":
            raise Garbled("", word)
        return State(step if step != "?" else None, None, False, None, None, seen=Seen(heard_ns=now_ns))

    def set_requests(self, step: str, seen: Seen | None, now_ns: int) -> tuple[Request, ...]:
        if self.needs_poll and seen is None:
            return ()
        made = f" {now_ns // MS}" if self.verb_good_ns else ""
        return (Request(f"set {step}{made}".encode()),) * self.verbs

    def conversation(self, step: str) -> Conversation | None:
        return None

    def decode_answer(self, step: str, reply: bytes, seen: Seen | None = None) -> Verdict:
        word = reply.decode().strip("\0")
        return Verdict("refused" if word == "busy" else word, f"said {word}", passes=word == "busy")


class Wire:
    """The exchanger: answers when it is told to, or by itself with what it was given to answer."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._since = Since(clock)
        self.firing = False
        self.fired: list[tuple[float, Shot]] = []
        self.asked: list[tuple[float, str]] = []
        self.asking = 0
        self.asking_max = 0
        self.answers: deque[tuple[Shot, Callable[[Answer], None]]] = deque()  # shots not answered yet
        self.left = False
        self.takes_s = 0.001
        self.says: Callable[[Shot], tuple[str, bytes]] = lambda shot: ("ok", b"state on")

    def fire(self, shots: Sequence[Shot], done: Callable[[Answer], None]) -> None:
        for shot in shots:
            self.fired.append((self._since.ms(), shot))
            self.answers.append((shot, done))

    def answer(self, outcome: str, reply: bytes = b"") -> None:
        """Answer the oldest shot that has no answer."""
        shot, done = self.answers.popleft()
        now_ns = self._clock.monotonic_ns()
        sent_ns = None if outcome == "unreachable" else now_ns
        done(Answer(shot.key, outcome, reply, now_ns, sent_ns, now_ns if outcome == "ok" else None, shot.part))

    async def leave(self) -> None:
        self.left = True

    def requests(self) -> list[tuple[str, bytes]]:
        return [(shot.key, shot.request) for _, shot in self.fired]

    async def ask(self, shot: Shot) -> Answer:
        self.asked.append((self._since.ms(), shot.key))
        self.asking += 1
        self.asking_max = max(self.asking_max, self.asking)
        now_ns = self._clock.monotonic_ns()
        await asyncio.sleep(self.takes_s)
        self.asking -= 1
        outcome, reply = self.says(shot)
        return Answer(shot.key, outcome, reply, now_ns, now_ns, self._clock.monotonic_ns())
