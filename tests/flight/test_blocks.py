"""The file: every byte is under a sum, and what a crash leaves is told from what somebody changed."""

from pathlib import Path
from random import Random

import pytest

from agent.flight.blocks import Block, Damaged, pack, unpack
from agent.flight.reading import Flight
from tests.flight.flown import decided, paths

PAYLOADS = [b"head", b"x" * 5_000, bytes(range(256))]
DATA = b"".join(map(pack, PAYLOADS))


def test_what_was_packed_comes_out_with_where_it_lies() -> None:
    blocks = list(unpack(DATA))

    assert blocks[0] == Block(0, len(pack(b"head")), b"head")
    assert [block.payload for block in blocks] == PAYLOADS
    assert [block.offset for block in blocks] == [0, blocks[0].end, blocks[1].end]
    assert blocks[-1].end == len(DATA)


def test_every_flipped_byte_is_refused_with_the_block_that_it_is_in() -> None:
    begins = [block.offset for block in unpack(DATA)]

    for at in range(len(DATA)):
        spoilt = bytearray(DATA)
        spoilt[at] ^= 1 << at % 8
        with pytest.raises(Damaged) as refused:
            list(unpack(bytes(spoilt)))

        assert refused.value.offset == max(offset for offset in begins if offset <= at)
        assert str(refused.value).startswith(f"byte {refused.value.offset}: ")


def test_a_file_that_ends_anywhere_gives_the_blocks_that_are_whole() -> None:
    for length in range(len(DATA)):
        whole = [block for block in unpack(DATA) if block.end <= length]

        assert list(unpack(DATA[:length])) == whole


def test_a_block_that_unpacks_into_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.flight.blocks.UNPACKED_MAX", 1_000)

    with pytest.raises(Damaged, match="larger than"):
        list(unpack(pack(bytes(10_000))))


def test_a_flight_with_a_flipped_byte_is_refused(flights: Path, tmp_path: Path) -> None:
    data = bytearray(paths(flights)[0].read_bytes())
    at = Random(1).randrange(len(data))
    data[at] ^= 0x10
    spoilt = tmp_path / "000001-spoilt.flight"
    spoilt.write_bytes(data)

    with pytest.raises(Damaged):
        decided(spoilt)


def test_a_flight_that_was_being_written_is_replayed_up_to_there(flights: Path, tmp_path: Path) -> None:
    whole = paths(flights)[0]
    cut = tmp_path / whole.name
    cut.write_bytes(whole.read_bytes()[:-1])

    flight = Flight(cut)
    blocks = list(flight.blocks())

    assert flight.torn_at == blocks[-1].end
    assert decided(cut).differences == []
    assert 0 < decided(cut).decisions < decided(whole).decisions


def test_what_is_no_flight_is_refused_at_its_first_byte(tmp_path: Path) -> None:
    other = tmp_path / "site.toml"
    other.write_text("[site]\n")

    with pytest.raises(Damaged, match=r"byte 0: this is not a flight"):
        Flight(other)


def test_a_file_without_its_first_block_is_no_flight_yet(tmp_path: Path) -> None:
    other = tmp_path / "000001-undated.flight"
    other.write_bytes(pack(b"head")[:7])

    with pytest.raises(Damaged, match="it ends before its first block does"):
        Flight(other)
