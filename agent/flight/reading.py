"""Reading flights from the disk: one file's head and entries, and a folder's files."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from agent.flight.blocks import Block, Damaged, unpack
from agent.flight.entries import VERSION, Entry, Head, decode_entries, decode_head
from agent.flight.recorder import SUFFIX
from agent.version import VERSION as VERSION_HERE


class Placed(Struct, frozen=True):
    """An entry, and where it is."""

    entry: Entry
    file: str
    offset: int  # of its block
    number: int  # in its block


class Flight:
    """One file. Made, its head is read; `entries` goes through the rest, block by block."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, or Damaged with the byte where it begins."""
        self.path = path
        self._data = path.read_bytes()
        self._blocks = unpack(self._data)
        self.torn_at: int | None = None  # it ends within the block that begins here; known when it was gone through
        first = next(self._blocks, None)
        if first is None:
            raise Damaged(0, "it ends before its first block does: the agent was ended as it began to write it")
        try:
            self.head: Head = decode_head(first.payload)
        except msgspec.MsgspecError as error:
            raise Damaged(0, f"its head is not one that this version knows: {error}") from error
        if self.head.version != VERSION:
            raise Damaged(0, f"it is of format {self.head.version}, and this version reads {VERSION}")
        self._end = first.end

    def blocks(self) -> Iterator[Block]:
        """What comes after the head, once; Damaged where something does not add up."""
        for block in self._blocks:
            self._end = block.end
            yield block
        if self._end < len(self._data):
            self.torn_at = self._end

    def entries(self) -> Iterator[Placed]:
        """Every entry and where it is, once; Damaged where something does not add up."""
        for block in self.blocks():
            try:
                found = decode_entries(block.payload)
            except msgspec.MsgspecError as error:
                why = f"version {self.head.agent_version} recorded it, and version {VERSION_HERE} reads it not: {error}"
                raise Damaged(block.offset, why) from error
            for number, entry in enumerate(found):
                yield Placed(entry, self.path.name, block.offset, number)


def flights_in(folder: Path) -> list[Path]:
    """The flights of a folder, the oldest first."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX))
