"""From where on an earlier start's records may not have arrived, and telling so until that was delivered.

The journal's key `boot` holds one Marks. It is posted once a minute and at a clean stop: a mark that is too low only
declares as lost what a reader may have nevertheless, never the other way round.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from agent.uplink.needs import Keeper
from agent.uplink.records import Body

UNDECLARED_MAX = 200
_KEY = "boot"

Lost = tuple[str, str, int]  # boot, channel, the first number that may not have arrived


class Marks(Struct, frozen=True):
    """What is kept of one start."""

    boot: str
    complete: bool  # it stopped with everything delivered
    channels: Mapping[str, int]  # channel -> the lowest number that may not have arrived
    undeclared: Sequence[Lost] = ()  # of even earlier starts


class EarlierStarts:
    """What earlier starts left undelivered."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._undeclared: list[Lost] = []  # the broker does not have the record that says so
        self._answered: list[Lost] = []

    def restore(self) -> Body | None:
        """What the birth says of the previous start; None if there was none."""
        kept = self._keeper.kept(_KEY)
        if kept is None:
            return None
        before = msgspec.convert(kept, Marks)
        self._undeclared = list(before.undeclared)
        if not before.complete:
            self._undeclared += [(before.boot, channel, mark) for channel, mark in before.channels.items()]
        del self._undeclared[:-UNDECLARED_MAX]
        streams = {
            channel.removeprefix("tele/"): {"seq": mark - 1}
            for channel, mark in before.channels.items()
            if channel.startswith("tele/")
        }
        return {"boot": before.boot, "streams": streams}

    def take_undeclared(self) -> list[Lost]:
        """What has to be declared now; each is answered once a start, and stays in the journal until then."""
        answered, self._answered = self._answered, list(self._undeclared)
        return [lost for lost in self._undeclared if lost not in answered]

    def declared(self, lost: Lost) -> None:
        """The broker has the record that says so."""
        self._undeclared.remove(lost)

    def post(self, boot: str, channels: Mapping[str, int], *, complete: bool) -> None:
        """This start's marks, durable soon."""
        marks = Marks(boot, complete, channels, self._undeclared)
        self._keeper.post(_KEY, msgspec.to_builtins(marks))
