"""Stand-in firmware of the families that are more than the cgminer API: one file each, without its sockets.

A *speaker* is one miner's firmware. It says on which ports it listens (the first is where it is read), whether what
has come on one is a whole request, and what goes back; hil/doors.py gives it its sockets.
"""

from collections.abc import Callable

from hil.dialects.antminer import Antminer, Hiveon
from hil.dialects.auradine import Auradine
from hil.dialects.bitaxe import Bitaxe
from hil.dialects.braiins import Braiins
from hil.dialects.epic import Epic
from hil.dialects.mara import Mara
from hil.dialects.speaker import Speaker
from hil.dialects.vnish import Vnish
from hil.dialects.whatsminer import Whatsminer
from hil.dialects.whatsminer_v3 import WhatsminerV3
from hil.miner import Miner

SPEAKERS: dict[str, Callable[[Miner], Speaker]] = {
    "antminer": Antminer,
    "auradine": Auradine,
    "bitaxe": Bitaxe,
    "braiins": Braiins,
    "epic": Epic,
    "hiveon": Hiveon,
    "mara": Mara,
    "vnish": Vnish,
    "whatsminer": Whatsminer,
    "whatsminer-v3": WhatsminerV3,
}
