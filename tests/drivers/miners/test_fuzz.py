"""Whatever comes: Garbled or a value, never another error, and never a number that is none."""

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DeviceError, Garbled
from drivers.miners.cgminer import decode_json, decode_reply
from drivers.miners.dialect import Account, Framing, Secret
from drivers.miners.families import FAMILIES, speak
from drivers.miners.identify import identify
from drivers.miners.splitter import ReplySplitter
from drivers.miners.tolerant import Value, mend
from tests.drivers.miners.captures import kept
from tests.drivers.miners.polled import Answers, polled

_RECORDED = st.sampled_from(
    [
        kept("bfgminer-5.5.0-local/devs.json"),
        kept("bfgminer-5.5.0-local/summary_and_devs.txt"),
        kept("cgminer-4.11.1-local/pools-escaped.json"),
        kept("avalon-q-25052801/litestats.json"),
        kept("luxos-s19kpro-2025.4.8/config.json"),
        b'{"SESSION":[{"SessionID":"yJN2nlj1"}],"STATUS":[{"Code":316,"Msg":"Session created","STATUS":"S","When":1}]}',
    ]
)
_SHAPED = st.text(alphabet='{}[]",:|=\\ \n\0-+.eE019nainfSTATUSCode', max_size=80).map(str.encode)
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@st.composite
def _torn(draw: st.DrawFn) -> bytes:
    """A recorded reply with some bytes lost, doubled or replaced."""
    raw = bytearray(draw(_RECORDED))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw) - 1))
        raw[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(raw[: draw(st.integers(0, len(raw)))])


def _answering(raw: bytes) -> Answers:
    """The same to everything, as a body where HTTP is spoken."""
    return lambda request: b"HTTP/1.1 200 OK\r\n\r\n" + raw if request.framing is Framing.HTTP else raw


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200) | _SHAPED | _torn())
def test_no_bytes_make_anything_but_a_reply_or_garbled(raw: bytes) -> None:
    identify(raw)
    for name in FAMILIES:
        dialect = speak(name, Account(password=Secret("x"), unverified=True))
        assert dialect.decode_answer("off", raw).outcome in ("ok", "refused", "garbled")
        talk = dialect.conversation("off")
        if talk is not None and (session := talk.opened(raw)) is not None:
            assert max(len(session.verb), len(session.close)) < 200
        try:
            state, _ = polled(dialect, _answering(raw))
        except DeviceError:
            continue
        for told in (state.watts, state.hash_rate_ths, state.temperature_c):
            assert told is None or math.isfinite(told)
        for step in ("off", "on"):
            for request in dialect.set_requests(step, state.seen, now_ns=2):
                assert len(request.raw) < 8192


@settings(max_examples=300, deadline=None)
@given(_SHAPED)
def test_what_is_read_holds_finite_numbers_alone(raw: bytes) -> None:
    try:
        value, _ = decode_json(raw.decode())
    except Garbled:
        return

    assert _finite(value)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=6), _PLAIN, max_size=5))
def test_faultless_json_needs_no_mend(value: dict[str, object]) -> None:
    text = json.dumps(value)

    assert mend(text) == (value, 0)


@settings(max_examples=200, deadline=None)
@given(_RECORDED, st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_a_reply_is_the_same_however_it_is_delivered(raw: bytes, sizes: list[int]) -> None:
    splitter = ReplySplitter(1 << 20)
    at, whole = 0, None
    while at < len(raw) and whole is None:
        size = sizes[at % len(sizes)]
        whole, at = splitter.feed(raw[at : at + size]), at + size

    assert decode_reply(whole or splitter.held) == decode_reply(raw)


def _finite(value: Value) -> bool:
    if isinstance(value, dict):
        return all(_finite(member) for member in value.values())
    if isinstance(value, list):
        return all(_finite(member) for member in value)
    return not isinstance(value, float) or math.isfinite(value)
