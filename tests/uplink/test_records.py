"""Reading strictly, addresses, and the limits of section 8."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.uplink import records
from agent.uplink.records import RecordError, address_of, read_json
from agent.uplink.ulid import new_ulid


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"a": "x" * 1024}, {"a": "x" * 1025}),
        ({"a": "é" * 512}, {"a": "é" * 513}),
        ({"a": [0] * 10_000}, {"a": [0] * 10_001}),
        ({str(number): 0 for number in range(256)}, {str(number): 0 for number in range(257)}),
        ({"a": [[[[[[[0]]]]]]]}, {"a": [[[[[[[[0]]]]]]]]}),
        ({"a": 2**63 - 1}, {"a": 2**63}),
        ({"x" * 1024: 0}, {"x" * 1025: 0}),
    ],
    ids=["string", "string in bytes", "array", "members", "depth", "integer", "key"],
)
def test_each_limit_holds_exactly(good: dict[str, object], bad: dict[str, object]) -> None:
    assert read_json(json.dumps(good).encode()) == good
    with pytest.raises(RecordError):
        read_json(json.dumps(bad).encode())


def test_a_payload_above_its_size_is_refused() -> None:
    with pytest.raises(RecordError, match="too_big"):
        read_json(b'{"a":1}', 6)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_an_object_or_refused_and_nothing_else(data: bytes) -> None:
    try:
        found = read_json(data)
    except RecordError:
        return
    assert isinstance(found, dict)


@pytest.mark.parametrize("channel", ["conn", "schema", "schema/3", "tele/main", "evt", "ctl", "ack/x", "cmd/dispatch"])
def test_every_channel_of_ours_is_an_address(channel: str) -> None:
    assert str(address_of(f"a/b/v1/site/ctl-1/{channel}", "a/b")) == f"v1/site/ctl-1/{channel}"


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "ballast",
        "ballast/v2/site/agent/evt",
        "ballast/v1/Site/agent/evt",
        "ballast/v1/site/_every/evt",
        "ballast/v1/_all/agent/evt",
        "ballast/v1/site/agent/evt/more",
        "ballast/v1/site/agent/cmd",
        "ballast/v1/site/agent/cmd/X",
        "ballast/v1/site/agent/schema/0",
        "other/v1/site/agent/evt",
        f"ballast/v1/{'s' * 33}/agent/evt",
    ],
)
def test_every_other_topic_is_refused(topic: str) -> None:
    with pytest.raises(RecordError, match="bad_addr"):
        address_of(topic, "ballast")


def test_text_is_clipped_between_characters() -> None:
    assert records.clipped("é" * 600) == "é" * 512


def test_ulids_are_26_characters_that_sort_by_time() -> None:
    first, second = new_ulid(1_790_000_000_000), new_ulid(1_790_000_000_001)

    assert len(first) == 26
    assert first < second
