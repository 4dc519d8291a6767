"""A replica that serves a language model: its watts, by what it does for whom.

Terms: *prefill* reads a prompt, all of its tokens at once, and is bound by arithmetic; *decode* makes the answer's
tokens one after the other for a whole *batch* of requests together, and is bound by memory. A *request* arrives with so
many prompt tokens and so many to generate.

Theory. Requests wait in line. A replica reads the next prompt as soon as there is one and room in the batch, at its
prompt rate and at the most watts that were measured of it; in the time that is left it decodes, at the watts and
tokens a second that were measured for the batch it has (straight lines over the logarithm of the batch; below the
smallest one measured each request gets the same tokens a second as there); else it idles. So load goes from nothing to
its peak within a step, and the energy of a token falls with the batch.

A power limit, or a locked clock, slows both: of the watts above idle the square root is left of the speed (power by the
square of the clock, as in hil/gpu/fake_nvml.c; published: 22 % less peak for 10 % less performance, POLCA).

The measured watts of a batch include the prompts of those requests, short ones; here prompts come on top. Left out:
caches of prefixes, chunks of prompts mixed into decoding, memory that runs full, transfer between GPUs, and what
temperature does to leakage.

`prompt_tokens`, `generated_tokens` and the joules of each phase are what was really done: a truth to judge attributions
by.
"""

import csv
import heapq
import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from hil.physics.parameters import pick

_TRACES = Path(__file__).parent.parent / "traces"
_CONVERSATION = _TRACES / "azure-llm-2023-conv-10min.csv"
_CONVERSATION_S = 600.0
MEASURED = _TRACES / "mlenergy-v3-llm-energy-extract.csv"
_STEP_S = 0.01
_SLOWEST_PU = 0.05


class Request(Struct, frozen=True):
    """One request of a trace."""

    at_s: float
    prompt_tokens: int
    generated_tokens: int


class Measured(Struct, frozen=True):
    """One measured batch of a whole replica."""

    batch: float
    watts: float
    tokens_per_s: float


class Served(Struct, frozen=True):
    """A model on its GPUs."""

    model: str
    gpu: str
    gpus: int
    idle_w: float
    prompt_tok_per_s: float
    measured: tuple[Measured, ...] = ()

    @property
    def resting_w(self) -> float:
        """Of the whole replica, without any request."""
        return self.idle_w * self.gpus

    @property
    def prefill_w(self) -> float:
        """Of the whole replica while it reads a prompt."""
        return max(one.watts for one in self.measured)

    def decoding(self, batch: int) -> tuple[float, float]:
        """Watts and tokens a second with this batch."""
        at = min(max(1, bisect_left(self.measured, float(batch), key=lambda one: one.batch)), len(self.measured) - 1)
        low, high = self.measured[at - 1], self.measured[at]
        part = math.log(min(batch, high.batch) / low.batch) / math.log(high.batch / low.batch)
        watts = low.watts + (high.watts - low.watts) * part
        if batch < low.batch:
            return watts, low.tokens_per_s * batch / low.batch
        return watts, low.tokens_per_s + (high.tokens_per_s - low.tokens_per_s) * part


def load_served(name: str) -> Served:
    """A model of inference.toml with what was measured of it."""
    known = pick("inference", Served, name)
    with MEASURED.open(encoding="ascii", newline="") as file:
        rows = [
            Measured(float(row["avg_batch"]), float(row["avg_power_w"]), float(row["out_tok_s"]))
            for row in csv.DictReader(file)
            if (row["model"], row["gpu"], int(row["num_gpus"])) == (known.model, known.gpu, known.gpus)
        ]
    measured = tuple(sorted(rows, key=lambda one: one.batch))
    return Served(known.model, known.gpu, known.gpus, known.idle_w, known.prompt_tok_per_s, measured)


def load_conversation() -> tuple[Request, ...]:
    """Ten recorded minutes of a conversation service."""
    with _CONVERSATION.open(encoding="ascii", newline="") as file:
        return tuple(
            Request(int(row["at_ms"]) / 1000, int(row["prompt_tokens"]), int(row["generated_tokens"]))
            for row in csv.DictReader(file)
        )


def taken(requests: Sequence[Request], share: float, seed: str) -> tuple[Request, ...]:
    """A share of a recording's requests, begun somewhere in it and going round: one replica's part, by its seed."""
    chance = random.Random(seed)
    begins_s = chance.uniform(0.0, _CONVERSATION_S)
    kept = [one for one in requests if chance.random() < share]
    turned = [Request((one.at_s - begins_s) % _CONVERSATION_S, one.prompt_tokens, one.generated_tokens) for one in kept]
    return tuple(sorted(turned, key=lambda one: one.at_s))


class Replica:
    """One replica and its line of requests, which come again every `period_s`."""

    def __init__(self, served: Served, requests: Sequence[Request], period_s: float = _CONVERSATION_S) -> None:
        self.served = served
        self.limit_w = math.inf  # of the whole replica
        self.clock_pu = 1.0
        self.prompt_tokens = 0.0
        self.generated_tokens = 0.0
        self.prefill_j = self.decode_j = self.idle_j = 0.0
        self._requests = requests
        self._period_s = period_s
        self._now_s = 0.0
        self._arrived = 0  # of all rounds
        self._waiting: deque[list[float]] = deque()  # prompt tokens left, tokens to generate
        self._running: list[float] = []  # a heap: at how many tokens each, of those made since the start, one is done
        self._each = 0.0  # tokens that each running request has been given, since the start

    @property
    def waiting(self) -> int:
        """Requests whose prompt is not read yet."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """The batch."""
        return len(self._running)

    def advance(self, seconds: float) -> float:
        """So much later; the mean watts of the whole replica in that time."""
        before_j = self.prefill_j + self.decode_j + self.idle_j
        for _ in range(max(1, round(seconds / _STEP_S))):
            self._step(seconds / max(1, round(seconds / _STEP_S)))
        return (self.prefill_j + self.decode_j + self.idle_j - before_j) / seconds

    def _step(self, step_s: float) -> None:
        self._arrive()
        left_s = self._prefill(step_s)
        if self._running and left_s > 0.0:
            self._decode(left_s)
        else:
            self.idle_j += self.served.resting_w * left_s
        self._now_s += step_s

    def _arrive(self) -> None:
        while self._requests:
            rounds, at = divmod(self._arrived, len(self._requests))
            request = self._requests[at]
            if request.at_s + rounds * self._period_s > self._now_s:
                return
            self._waiting.append([request.prompt_tokens, request.generated_tokens])
            self._arrived += 1

    def _prefill(self, step_s: float) -> float:
        """Reads prompts; what is left of the step."""
        left_s = step_s
        room = self.served.measured[-1].batch
        watts, speed = self._throttled(self.served.prefill_w)
        while self._waiting and len(self._running) < room and left_s > 0.0:
            prompt = self._waiting[0]
            takes_s = min(left_s, prompt[0] / (self.served.prompt_tok_per_s * speed))
            read = takes_s * self.served.prompt_tok_per_s * speed
            prompt[0] -= read
            self.prompt_tokens += read
            self.prefill_j += watts * takes_s
            left_s -= takes_s
            if prompt[0] <= 1e-6:
                self._waiting.popleft()
                heapq.heappush(self._running, self._each + prompt[1])
        return left_s

    def _decode(self, left_s: float) -> None:
        watts, tokens_per_s = self.served.decoding(len(self._running))
        watts, speed = self._throttled(watts)
        self._each += tokens_per_s * speed * left_s / len(self._running)
        self.generated_tokens += tokens_per_s * speed * left_s
        self.decode_j += watts * left_s
        while self._running and self._running[0] <= self._each:
            self.generated_tokens -= self._each - heapq.heappop(self._running)  # what it was given beyond its end

    def _throttled(self, watts: float) -> tuple[float, float]:
        """Watts and share of the speed that its limit and clock leave."""
        rests_w = self.served.resting_w
        above_w = watts - rests_w
        allowed = math.sqrt(max(0.0, self.limit_w - rests_w) / above_w) if self.limit_w < watts else 1.0
        speed = max(_SLOWEST_PU, min(self.clock_pu, allowed))
        return rests_w + above_w * speed * speed, speed
