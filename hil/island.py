"""A rig's generating set and its tie: the operations that make an island of a site, and what follows in its devices.

    island                  the tie opens: the set is alone with the load
    tie                     the tie closes again, as a synchroniser would have it
    genset      deed        "trip", or "start": it takes load after its own time
    set_point   watts       what it makes at nominal frequency, from now on; a secondary control, by hand

On a dead bus the miners are dark, and are fed again with it. GPU hosts are on a supply of their own, with what they
draw; so are meters and PLCs. `tie_open` names an input of a contactor PLC that is 1 while the tie is open, as its
auxiliary contact would show it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from hil.clock import Clock
from hil.field import Field
from hil.fleet import Fleet
from hil.physics.genset import Genset, load_genset
from hil.plant import Plant

_TURN_S = 0.02
_BUS = "bus"  # what feeds a miner, beside "grid" and contactors


class GensetConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A set on the site's own bus. It runs from the beginning, beside the grid."""

    model: str = "diesel"  # of hil/physics/genset.toml
    rated_w: float = 1_000_000.0
    tied_w: float = 0.0  # what it makes beside the grid at nominal frequency, and so its set point on the island
    tie_open: str = ""  # "switchgear.q52g_open": the contactor PLC and its input


def make_genset(config: GensetConfig | None, nominal_hz: float) -> Genset | None:
    """The set that a rig's plant has."""
    if config is None:
        return None
    return Genset(load_genset(config.model), config.rated_w, nominal_hz, config.tied_w)


class Island:
    """The set's and the tie's part of a rig. Without a set it does nothing, and says so when it is told to."""

    def __init__(self, config: GensetConfig | None, plant: Plant, fleet: Fleet, field: Field, clock: Clock) -> None:
        self._tie_open = config.tie_open if config is not None else ""
        self._plant = plant
        self._fleet = fleet
        self._field = field
        self._clock = clock
        self._fed = True
        self.operations: dict[str, Callable[..., Any]] = {
            "island": self.island,
            "tie": self.tie,
            "genset": self.genset,
            "set_point": self.set_point,
        }
        self._show()

    async def run(self) -> None:
        """The plant goes on, for ever."""
        while True:
            self.once()
            await asyncio.sleep(_TURN_S)

    def once(self) -> None:
        """The plant until now, and what of the site's supply that changes."""
        self._plant.advance(self._clock())
        if self._plant.live == self._fed:
            return
        self._fed = self._plant.live
        for endpoint in self._fleet.endpoints.values():
            self._fleet.feed(endpoint, _BUS, fed=self._fed)

    def island(self) -> None:
        """The tie opens now."""
        self._set()
        self._switch(closed=False)

    def tie(self) -> None:
        """The tie closes now."""
        self._set()
        self._switch(closed=True)

    def genset(self, deed: str) -> None:
        """The set is tripped or started."""
        genset = self._set()
        if deed == "trip":
            genset.trip("told")
        elif deed == "start":
            genset.start()
        else:
            raise ValueError(f"a genset can be told to trip or to start, not to {deed!r}")
        self.once()

    def set_point(self, watts: float) -> None:
        """What the set makes at nominal frequency."""
        genset = self._set()
        genset.set_pu = watts / genset.rated_w

    def state(self) -> dict[str, Any]:
        """What is really so; nothing of a rig without a set."""
        genset = self._plant.genset
        if genset is None:
            return {}
        return {
            "tied": self._plant.tied,
            "live": self._plant.live,
            "running": genset.running,
            "tripped": genset.tripped,
            "watts": genset.watts,
            "hertz": genset.hertz,
            "below_min_s": genset.below_min_s,
        }

    def _set(self) -> Genset:
        """The set, as it is now."""
        if self._plant.genset is None:
            raise ValueError("this rig has no generating set; set RigConfig.genset")
        self._plant.advance(self._clock())
        return self._plant.genset

    def _switch(self, *, closed: bool) -> None:
        self._plant.tied = closed
        self._show()
        self.once()

    def _show(self) -> None:
        plc, _, name = self._tie_open.partition(".")
        if plc:
            self._field.input(plc, name, not self._plant.tied)
