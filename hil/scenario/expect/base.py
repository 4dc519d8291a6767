"""What every expectation is: a table of a scenario file that judges what was seen.

A window goes from the moment `after` to the moment `until`, or to `within_s` after `after` where that is given and
earlier. A moment that never came (an earlier wait failed) makes the expectation fail, saying so.
"""

from typing import ClassVar

from msgspec import Struct

from hil.scenario.seen import Seen, expand


class Judged(Struct, frozen=True):
    """The verdict on one expectation."""

    ok: bool
    expected: str
    seen: str


class Expect(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="that"):
    """One [[expect]]."""

    sights: ClassVar[tuple[str, ...]] = ()  # what has to be visible (hil/rig_protocols.py)

    text: str = ""  # in the report, instead of the kind's own words
    after: str = "start"
    until: str = "end"
    within_s: float | None = None

    def judge(self, seen: Seen) -> Judged:
        """What it comes to."""
        raise NotImplementedError

    def window(self, seen: Seen) -> tuple[float, float]:
        """Where it looks, in seconds."""
        begin_s, end_s = seen.moment(self.after), seen.moment(self.until)
        return begin_s, end_s if self.within_s is None else min(end_s, begin_s + self.within_s)

    def where(self) -> str:
        """The window in words."""
        if self.within_s is not None:
            return f"within {self.within_s:g} s of {self.after}"
        return f"from {self.after} to {self.until}" if (self.after, self.until) != ("start", "end") else "throughout"


def addresses(names: tuple[str, ...], seen: Seen) -> frozenset[str]:
    """The loads that names stand for."""
    return frozenset(address for name in names for address in expand(name, seen.loads))
