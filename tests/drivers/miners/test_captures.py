"""Recorded replies, whole and one byte at a time; and every reply of the larger collection, when it is there."""

from pathlib import Path

import pytest

from drivers.errors import Garbled
from drivers.miners.cgminer import Reply, decode_reply
from drivers.miners.splitter import ReplySplitter
from tests.drivers.miners.captures import KEPT, SHARED, api_replies, replies

# What is no reply of this protocol, by the end of its path: bodies of HTTP interfaces that are no object.
_OTHER = (
    "actions_locate.json",
    "braiins-bos-25.07/pools.json",
    "braiins-bos-26.04/pools.json",
    "epic-powerplay/temps.json",
    "vnish-1.2.7-s21pro/web-autotune-presets.json",
)
_EMPTY = "notallowed-summary.json"  # a refused address is told nothing
_MENDED = {  # strict JSON, or text with all its ends, does not do for these
    "antminer-s9-hiveon/stats.json": 1,
    "antminer-s9-vnish-3.8.6/stats.json": 1,
    "bfgminer-5.5.0-local/plus-only.json": 1,
    "cgminer-4.11.1-local/plus-only.json": 1,
}


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _fed(raw: bytes, size: int) -> bytes:
    splitter = ReplySplitter(1 << 20)
    for at in range(0, len(raw), size):
        whole = splitter.feed(raw[at : at + size])
        if whole is not None:
            assert at + size >= len(raw), "ended before its end"
            return whole
    return splitter.held


@pytest.mark.parametrize("path", api_replies(KEPT), ids=_name)
def test_a_recorded_reply_reads_the_same_whole_and_byte_by_byte(path: Path) -> None:
    raw = path.read_bytes()

    whole, dripped = _fed(raw, len(raw) or 1), _fed(raw, 1)

    assert whole == dripped == raw
    if path.name == _EMPTY:
        with pytest.raises(Garbled, match="empty"):
            decode_reply(whole)
        return
    reply = decode_reply(whole)
    assert reply.repairs == _MENDED.get(_name(path), 0)
    assert reply.status is not None or reply.joined or path.name == "plus-only.json"


@pytest.mark.parametrize("folder", ["cgminer-4.11.1-local", "bfgminer-5.5.0-local"])
def test_recordings_have_the_length_that_was_received(folder: str) -> None:
    rows = [line.split("\t") for line in (KEPT / folder / "requests.tsv").read_text("utf-8").splitlines()[1:]]

    for name, _, length in rows:
        assert len((KEPT / folder / name).read_bytes()) == int(length), name


@pytest.mark.parametrize("path", [path for path in api_replies(KEPT) if path.name != _EMPTY], ids=_name)
def test_a_reply_that_is_cut_anywhere_never_gives_other_values_than_the_whole_one(path: Path) -> None:
    raw = path.read_bytes().rstrip(b"\0\n ")
    whole = _values(decode_reply(path.read_bytes()))

    for end in range(1, len(raw), 1 + len(raw) // 200):
        try:
            cut = decode_reply(raw[:end])
        except Garbled:
            continue
        assert path.suffix == ".txt" or raw[:1] != b"{", "JSON that is cut must be garbled"
        assert _values(cut) <= whole, f"cut at {end}"


def _values(reply: Reply) -> set[tuple[str, str, str]]:
    """Every value with its place, without the program's name, which is told as empty when it is missing."""
    found = {
        (name, key, str(value)) for name, rows in reply.sections.items() for row in rows for key, value in row.items()
    }
    for name, joined in reply.joined.items():
        found |= {(f"{name}/{place}", key, value) for place, key, value in _values(joined)}
    return found


def test_every_reply_of_the_shared_collection_is_read_or_known_to_be_something_else() -> None:
    unread = []
    for path in replies(SHARED) if SHARED.is_dir() else []:
        try:
            decode_reply(path.read_bytes())
        except Garbled as fault:
            if path.name != _EMPTY and not _name(path).endswith(_OTHER):
                unread.append(f"{_name(path)}: {fault.detail}")

    assert unread == []
