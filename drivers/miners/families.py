"""Every miner family that site.toml may name: those that are built, and those that are not yet.

A new family is one codec file with its captures, its quirks beside it, and one row here. `auto` is no family: it
identifies and proposes (identify.py), and never writes before the operator has pinned one.
"""

from drivers.miners.avalon import AvalonDialect
from drivers.miners.devices import DeviceDialect
from drivers.miners.dialect import Dialect
from drivers.miners.luxos import LuxosDialect

FAMILIES: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (AvalonDialect(), DeviceDialect("bfgminer"), DeviceDialect("cgminer"), LuxosDialect())
}

NOT_YET = (
    "antminer",
    "auradine",
    "auto",
    "bitaxe",
    "braiins",
    "epic",
    "hiveon",
    "mara",
    "vnish",
    "whatsminer",
)
