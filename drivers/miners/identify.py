"""Which family a miner's answer to `version` points to. It suggests; the operator pins the family in site.toml.

Old VNish and Hiveon call themselves Antminer, so what is answered here is enough to read a miner, never to write to it.
The order is the reference's, section 12.
"""

import re

from drivers.errors import Garbled
from drivers.miners.cgminer import Reply, decode_reply

UNKNOWN = "unknown"

_SIGNS = (
    ("braiins", r"BOSMINER|BOSER"),
    ("whatsminer", r"BTMINER|BITMICRO|WHATSMINER"),
    ("luxos", r"LUXMINER|\bLUXOS"),
    ("hiveon", r"HIVEON"),
    ("mara", r"KAONSU"),
    ("avalon", r"AVALON"),
    ("auradine", r"GCMINER|FLUXOS"),
    ("vnish", r"VNISH"),
    ("antminer", r"ANTMINER"),
    ("bfgminer", r"BFGMINER"),
)
_MODEL_OF_AVALON = re.compile(r"MM\d", re.IGNORECASE)


def identify(raw: bytes) -> str:
    """The family that a reply to `version` points to, "unknown" when it is none that we know."""
    if raw.startswith(b"HTTP/"):
        return "epic"
    try:
        reply = decode_reply(raw)
    except Garbled:
        return UNKNOWN
    said = _said(reply)
    for family, sign in _SIGNS:
        if re.search(sign, said):
            return family
    version = reply.sections.get("VERSION", ({},))
    if version and _MODEL_OF_AVALON.search(str(version[0].get("HWTYPE", ""))):
        return "avalon"
    if reply.status is not None and reply.status.letter == "E" and reply.status.code == 0:
        return "vnish"  # it refuses even `version`, with code 0
    return "cgminer" if version and "CGMiner" in version[0] else UNKNOWN


def _said(reply: Reply) -> str:
    status = "" if reply.status is None else f"{reply.status.description} {reply.status.words}"
    fields = (f"{key} {value}" for section in reply.sections.values() for row in section for key, value in row.items())
    return " ".join((status, *fields)).upper()
