"""A consumer's side: what is believed, in which order it comes out, what is owed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.consume.ordering import HELD_MAX, Broken, Ledger, Stream
from agent.consume.verifying import Record, Unverified, Verifier
from tests.uplink.kit import AGENT, AGENT_KEY, BOOT, SITE, STRANGER

TOPIC = f"ballast/v1/{SITE}/{AGENT}/evt"
GOOD = {"v": 1, "t": "evt", "boot": BOOT, "seq": 0, "ts": None, "up": 5, "clk": {"src": "none", "err_ms": None}}


def verifier() -> Verifier:
    return Verifier("ballast", SITE, AGENT, AGENT_KEY.public)


def envelope(body: object = GOOD, address: str = f"v1/{SITE}/{AGENT}/evt") -> bytes:
    return AGENT_KEY.seal(address, json.dumps(body).encode())


def test_a_good_record_comes_out_whole_and_an_unknown_member_is_no_harm() -> None:
    record = verifier().record(TOPIC, envelope({**GOOD, "new": 1}))

    assert (record.channel, record.kind, record.boot, record.seq, record.up, record.ts) == (
        "evt",
        "evt",
        BOOT,
        0,
        5,
        None,
    )
    assert record.body["new"] == 1


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        (TOPIC, b""),
        (TOPIC, STRANGER.seal(f"v1/{SITE}/{AGENT}/evt", json.dumps(GOOD).encode())),
        (TOPIC, envelope(address=f"v1/{SITE}/{AGENT}/ctl")),
        (TOPIC.replace(SITE, "elsewhere"), envelope(address=f"v1/elsewhere/{AGENT}/evt")),
        (TOPIC.replace("ballast", "other"), envelope()),
        (TOPIC + "/x", envelope()),
        (TOPIC, envelope({**GOOD, "seq": "0"})),
        (TOPIC, envelope({"v": 1})),
        (TOPIC, envelope([1])),
    ],
)
def test_what_proves_nothing_is_refused(topic: str, data: bytes) -> None:
    with pytest.raises(Unverified):
        verifier().record(topic, data)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_unverified_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Unverified):
        verifier().record(TOPIC, data)


def record(seq: int, channel: str = "tele/main", boot: str = BOOT, kind: str = "tele", **body: Any) -> Record:
    """Chained as an agent would: each digest is its number, each prev the number before."""
    prev = f"{seq - 1:064d}"[:32] if seq else None
    return Record(channel, kind, boot, seq, seq, None, {"prev": prev, **body}, f"{seq:064d}")


def gap(seq: int, first: int, last: int | None, boot: str = BOOT) -> Record:
    """Declares numbers of BOOT lost."""
    body: dict[str, Any] = {"of": BOOT, "from": first, "to": last, "why": "restart"}
    return record(seq, boot=boot, kind="gap", **body)


def numbers(records: list[Record]) -> list[int]:
    return [one.seq for one in records]


@given(st.permutations(range(12)), st.lists(st.integers(0, 11), max_size=10))
def test_whatever_the_order_and_the_doubles_each_comes_out_once_in_order(order: list[int], doubles: list[int]) -> None:
    stream = Stream()
    stream.take(record(0, boot="0" * 16))  # an earlier start, so that this one is expected from its beginning
    came = [one for seq in order + doubles for one in stream.take(record(seq))]

    assert numbers(came) == list(range(12))
    assert stream.missing() == {}


def test_a_reader_that_joins_late_begins_where_it_is() -> None:
    stream = Stream()

    assert numbers(stream.take(record(40))) == [40]
    assert stream.missing() == {}


def test_what_is_missing_is_owed_until_a_gap_declares_it() -> None:
    stream = Stream()
    stream.take(record(0))
    assert stream.take(record(4)) == []
    assert stream.missing() == {(BOOT, "tele/main"): [(1, 3)]}

    assert numbers(stream.take(gap(5, 1, 3))) == [4, 5]
    assert stream.missing() == {}


def test_a_restart_declares_everything_from_its_mark_that_did_not_come() -> None:
    stream = Stream()
    for seq in (0, 1, 3):
        stream.take(record(seq))

    came = stream.take(gap(0, 1, None, boot="f" * 16))

    assert [(one.boot, one.seq) for one in came] == [("f" * 16, 0), (BOOT, 3)]
    assert stream.missing() == {}


def test_an_undeclared_hole_is_not_waited_for_for_ever() -> None:
    stream = Stream()
    stream.take(record(0))
    came = [one for seq in range(2, HELD_MAX + 3) for one in stream.take(record(seq))]

    assert numbers(came) == list(range(2, HELD_MAX + 3))


def test_of_states_only_the_newest_counts_and_nothing_is_owed() -> None:
    stream = Stream()

    assert numbers(stream.take(record(3, "ctl", kind="ctl"))) == [3]
    assert stream.take(record(2, "ctl", kind="ctl")) == []
    assert numbers(stream.take(record(9, "ctl", kind="ctl"))) == [9]
    assert stream.missing() == {}


def test_two_different_pasts_are_noticed() -> None:
    ledger = Ledger()
    ledger.note(record(0))

    with pytest.raises(Broken):
        ledger.note(record(1, prev="0" * 31 + "7"))
