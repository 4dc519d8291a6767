"""Every miner family that site.toml may name.

A new family is one codec file with its captures, its quirks beside it, and one row here. `auto` is no family: it
identifies and proposes (identify.py), and never writes before the operator has pinned one.
"""

from typing import cast

from msgspec import structs

from drivers.miners.antminer import AntminerDialect
from drivers.miners.auradine import AuradineDialect
from drivers.miners.avalon import AvalonDialect
from drivers.miners.bitaxe import BitaxeDialect
from drivers.miners.braiins import BraiinsDialect
from drivers.miners.devices import DeviceDialect
from drivers.miners.dialect import Account, Dialect, Guarded
from drivers.miners.epic import EpicDialect
from drivers.miners.generic import GenericDialect
from drivers.miners.luxos import LuxosDialect
from drivers.miners.mara import MaraDialect
from drivers.miners.vnish import VnishDialect
from drivers.miners.whatsminer import WhatsminerDialect
from drivers.miners.whatsminer_v3 import WhatsminerV3Dialect

FAMILIES: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        AntminerDialect(),
        AuradineDialect(),
        GenericDialect(name="auto", proposes=True),
        AvalonDialect(),
        DeviceDialect("bfgminer"),
        BitaxeDialect(),
        BraiinsDialect(),
        DeviceDialect("cgminer"),
        EpicDialect(),
        AntminerDialect(name="hiveon", proven=False),
        LuxosDialect(),
        MaraDialect(),
        GenericDialect(),
        VnishDialect(),
        WhatsminerDialect(),
        WhatsminerV3Dialect(),
    )
}

API_PORT = 4028


def speak(family: str, account: Account, control_port: int | None = None) -> Dialect:
    """The family's dialect for miners that are entered with this account."""
    dialect = FAMILIES[family]
    if not isinstance(dialect, Guarded):
        return dialect
    spoken = structs.replace(dialect, account=account, control_port=control_port or dialect.control_port)
    return cast(Dialect, spoken)
