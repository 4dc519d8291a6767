"""A meter as its manual describes it: which registers hold what, and what a reader must make of them.

What the manual has between our points is filled with a value that no meter means: one read from a wrong place is told
at once.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from drivers.modbus.meter import Proof

Points = Mapping[str, tuple[int, str, float | None]]  # name -> wire address, registers, value in the point's unit

NAN = "7fc0 0000"
NOTHING = "dead"


class Device(Struct, frozen=True):
    """Its points, and the spans of its table that are filled without a hole."""

    points: Points
    table: Literal["holding", "input"] = "holding"
    spans: tuple[tuple[int, int], ...] = ()  # first and last wire address
    filler: str = NAN  # of what is not a point; two registers of a float, or one
    others: tuple[str, ...] = ()  # lines for the server: an identity
    proof: Proof = Proof.UNPROVEN
    registers_max: int = 125  # the longest read that its manual allows

    def registers(self) -> str:
        """What the server is to be told."""
        values = {at: words for at, words, _ in self.points.values()}
        taken = {place for at, words in values.items() for place in range(at, at + len(words.split()))}
        step = len(self.filler.split())
        for first, last in self.spans:
            for at in range(first, last + 1, step):
                if at not in taken:
                    values[at] = self.filler
        lines = [f"{self.table} {at} {words}" for at, words in values.items()]
        return "".join(f"{line}\n" for line in (*lines, *self.others))
