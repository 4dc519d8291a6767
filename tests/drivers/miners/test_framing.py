"""Where HTTP replies and length-prefixed frames end: whole, byte by byte, cut, and when they are nonsense."""

import pytest

from drivers.errors import Garbled
from drivers.miners.dialect import Framing
from drivers.miners.framing import HEAD_BYTES_MAX, splitter
from drivers.miners.http import HttpReply, decode_http, json_object

BODY = b'{"a":1}'
SIZED = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 7\r\n\r\n" + BODY
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n" + BODY[:3] + b"\r\n4;x=y\r\n" + BODY[3:]
CHUNKED += b"\r\n0\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED
BARE_LINES = b"HTTP/1.0 200 OK\ncontent-length: 7\n\n" + BODY


def _fed(raw: bytes, size: int, framing: Framing = Framing.HTTP) -> bytes | None:
    cutter = splitter(framing, 1 << 16)
    for at in range(0, len(raw), size):
        whole = cutter.feed(raw[at : at + size])
        if whole is not None:
            return whole
    return None


@pytest.mark.parametrize("raw", [SIZED, CHUNKED, INTERIM, BARE_LINES])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_reply_ends_where_it_says_however_it_is_delivered(raw: bytes, size: int) -> None:
    whole = _fed(raw, size)

    assert whole is not None
    assert json_object(decode_http(whole)) == ({"a": 1}, 0)


@pytest.mark.parametrize("size", [1, 1000])
def test_a_reply_without_a_body_ends_with_its_head(size: int) -> None:
    whole = _fed(EMPTY, size)

    assert whole is not None
    assert decode_http(whole) == HttpReply(204, "", b"")


@pytest.mark.parametrize("raw", [SIZED, CHUNKED])
def test_what_is_cut_anywhere_is_no_reply(raw: bytes) -> None:
    for end in range(1, len(raw) - 2):
        cutter = splitter(Framing.HTTP, 1 << 16)
        assert cutter.feed(raw[:end]) is None
        assert not cutter.looks_whole
        if raw is SIZED:
            with pytest.raises(Garbled):
                decode_http(cutter.held)


def test_a_body_without_a_length_ends_with_the_connection_or_looks_whole() -> None:
    cutter, cut = splitter(Framing.HTTP, 1 << 16), splitter(Framing.HTTP, 1 << 16)

    assert cutter.feed(b"HTTP/1.0 200 OK\r\n\r\n" + BODY) is None
    assert cut.feed(b"HTTP/1.0 200 OK\r\n\r\n" + BODY[:-1]) is None

    assert cutter.looks_whole
    assert not cut.looks_whole
    assert decode_http(cutter.held).body == BODY


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"z" * 200,
        b"x" * (HEAD_BYTES_MAX + 1),
    ],
)
def test_what_never_ends_is_handed_on_as_nonsense(raw: bytes) -> None:
    assert _fed(raw, 1000) is not None


def test_what_is_no_http_is_garbled_with_its_words() -> None:
    for raw in (b"", b"Socket connect failed: Connection refused\n", b'{"STATUS":"E"}'):
        with pytest.raises(Garbled, match="not an HTTP reply"):
            decode_http(raw)
    with pytest.raises(Garbled, match="no JSON: HTTP 401: <html> no"):
        json_object(HttpReply(401, "", b"<html>\n no"))
    with pytest.raises(Garbled, match="an array"):
        json_object(HttpReply(200, "", b"[1]"))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_frame_ends_after_as_many_bytes_as_it_says(size: int) -> None:
    raw = len(BODY).to_bytes(4, "little") + BODY

    assert _fed(raw + b"more", size, Framing.LENGTH) == BODY
    assert _fed(raw[:-1], size, Framing.LENGTH) is None


def test_a_frame_that_is_longer_than_any_is_handed_on_at_once() -> None:
    assert _fed(b"HTTP/1.1 400 Bad Request\r\n\r\n", 1000, Framing.LENGTH) == b"HTTP/1.1 400 Bad Request\r\n\r\n"


def test_a_header_is_found_whatever_its_letters_and_however_often() -> None:
    reply = decode_http(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nwww-authenticate: Digest x=1\r\n\r\n")

    assert reply.header("WWW-Authenticate") == ["Basic", "Digest x=1"]
