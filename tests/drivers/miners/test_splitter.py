"""Where a reply ends."""

import pytest

from drivers.miners.splitter import ReplySplitter


@pytest.mark.parametrize(
    ("pieces", "reply"),
    [
        ([b'{"a":1}\0'], b'{"a":1}\0'),
        ([b'{"a"', b":1}", b"\0"], b'{"a":1}\0'),
        ([b"\0\0", b'{"a":1}\0'], b'{"a":1}\0'),
        ([b'{"a":1}\0\0\0'], b'{"a":1}\0\0\0'),
        ([b'{"a":1}\0\r\n'], b'{"a":1}'),
        ([b"STATUS=S,Code=1|\0x"], b"STATUS=S,Code=1|"),
        ([b'{"a":"\0b', b'"}\0'], b'{"a":"\0b"}\0'),
    ],
)
def test_a_nul_ends_a_reply_unless_it_is_before_or_inside_it(pieces: list[bytes], reply: bytes) -> None:
    splitter = ReplySplitter(100)

    *before, last = [splitter.feed(piece) for piece in pieces]

    assert before == [None] * (len(pieces) - 1)
    assert last == reply


def test_without_a_nul_the_reply_is_what_came_until_the_end() -> None:
    splitter = ReplySplitter(100)

    assert splitter.feed(b'{"a":1}\n') is None
    assert splitter.held == b'{"a":1}\n'
    assert splitter.looks_whole


def test_nuls_alone_are_no_reply() -> None:
    splitter = ReplySplitter(100)

    assert splitter.feed(b"\0\0") is None
    assert not splitter.begun
    assert not splitter.looks_whole


def test_more_than_a_reply_may_be_is_given_up_at_once() -> None:
    splitter = ReplySplitter(10)

    assert splitter.feed(b"x" * 10) is None
    assert splitter.feed(b"x") == b"x" * 11
