"""How a bug is planted: one name in one module is replaced, so that a rename breaks the planting and not silently the
judge.
"""

import importlib
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from tests.sim.site import Site
from tests.sim.world import World

Day = Callable[[World], Awaitable[None]]


class Planted(Struct, frozen=True):
    """One bug."""

    name: str
    judge: str
    places: tuple[tuple[str, Callable[[Any], Any]], ...]  # "module:name" or "module:Class.name", what takes its place
    day: Day
    site: Site = Site()


def find(place: str) -> tuple[Any, str]:
    """Who holds the name, and the name."""
    module, _, path = place.partition(":")
    holder = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        holder = getattr(holder, part)
    return holder, name


def always(value: Any) -> Callable[[Any], Any]:
    """Takes the place of a function and says the same to everything."""
    return lambda _: lambda *_args, **_options: value
