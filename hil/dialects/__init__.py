"""Stand-in firmware of the families that are more than the cgminer API: one file each, without its sockets.

A *speaker* is one miner's firmware. It says on which ports it listens (the first is where it is read), whether what
has come on one is a whole request, and what goes back; hil/doors.py gives it its sockets.
"""

from collections.abc import Callable

from hil.dialects.speaker import Speaker
from hil.dialects.whatsminer import Whatsminer
from hil.dialects.whatsminer_v3 import WhatsminerV3
from hil.miner import Miner

SPEAKERS: dict[str, Callable[[Miner], Speaker]] = {
    "whatsminer": Whatsminer,
    "whatsminer-v3": WhatsminerV3,
}
