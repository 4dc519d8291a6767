"""Every family's polls and verbs over replies that are torn: a state or a DeviceError, a verdict, never anything else.

python -m tests.drivers.miners.test_torn SECONDS [SEED]     goes on for longer, with other seeds
"""

import math
import random
import sys
import time

import pytest

from drivers.errors import DeviceError
from hil.dialects import SPEAKERS
from tests.drivers.miners.test_stand_ins import Bench

_BITS: tuple[bytes, ...] = (
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"null",
    b"true",
    b"false",
    b"nan",
    b"-1e999",
    b"9" * 40,
    b"\0",
)
_BITS += (b"\xff", b"{}", b"[]", b'""', b"\r\n\r\n", b"HTTP/1.1 401 x\r\n", b"'", rb"\u00")
TORN = 150


def torn(reply: bytes, chance: random.Random) -> bytes:
    """A reply with some of its bytes lost, doubled, replaced or cut off."""
    raw = bytearray(reply)
    for _ in range(chance.randint(1, 4)):
        if not raw:
            break
        at = chance.randrange(len(raw))
        kind = chance.randrange(4)
        if kind == 0:
            raw[at : at + chance.randint(0, 8)] = chance.choice(_BITS)
        elif kind == 1:
            del raw[at : at + chance.randint(1, 30)]
        elif kind == 2:
            raw[at] = chance.randrange(256)
        else:
            begin = chance.randrange(len(raw))
            raw[at:at] = raw[begin : begin + chance.randint(1, 40)]
    return bytes(raw[: chance.randint(0, len(raw))]) if chance.random() < 0.1 else bytes(raw)


def play(family: str, seed: int) -> None:
    """One poll and both verbs, with a share of the replies torn."""
    chance = random.Random(f"{family}:{seed}")
    bench = Bench(family, unverified=True)
    if chance.random() < 0.5:
        bench.poll()
    share = chance.random()
    bench.spoil = lambda reply: torn(reply, chance) if chance.random() < share else reply
    try:
        state = bench.poll()
    except DeviceError:
        state = None
    if state is not None:
        assert state.step in (None, "off", "on")
        for told in (state.watts, state.hash_rate_ths, state.temperature_c):
            assert told is None or math.isfinite(told)
    for step in ("off", "on"):
        for request in bench.dialect.set_requests(step, bench.seen, bench.now_ns):
            verdict = bench.dialect.decode_answer(step, bench.hear(request), bench.seen)
            assert verdict.outcome in ("ok", "refused", "garbled")


@pytest.mark.parametrize("family", sorted(SPEAKERS))
def test_torn_replies_make_a_state_or_an_error_and_nothing_else(family: str) -> None:
    for seed in range(TORN):
        play(family, seed)


def main(seconds: float, seed: int) -> None:
    """Until the time is over; the seed of what failed is in the error."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for family in sorted(SPEAKERS):
            try:
                play(family, seed)
            except Exception as error:
                raise RuntimeError(f"{family}, seed {seed}") from error
        seed += 1
    print(f"{seed} seeds of each of {len(SPEAKERS)} families")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else TORN)
