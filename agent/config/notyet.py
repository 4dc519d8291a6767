"""What the format of site.toml has and this version does not do yet: refused by name, never ignored.

One list, in one place; it only shrinks. A key stands as TABLE.KEY. Some keys protect the site: their mend says what
taking them out means.
"""

from typing import Final

TABLES: Final[tuple[str, ...]] = ()

KEYS: Final[tuple[str, ...]] = ()

RULE_KINDS: Final = (
    "over_frequency",
    "droop",
    "rocof",
    "voltage",
    "adopt_relay",
    "meter_loss",
    "price",
    "follow",
    "heat",
)

VALUES: Final = {
    "rule.kind": RULE_KINDS,
    "rule.release": ("recall",),
}

BEGINNINGS: Final = {
    "gpus.at": ("tls://",),
}

_MENDS: Final = {
    "gpus.at": "run the agent on the GPUs' own host, and write unix:/run/ballast/gpud.sock",
    "rule.release": "write { above_hz = …, for_s = … }",
}


def mend_not_yet(place: str, value: object) -> str | None:
    """How to do without what stands at a place ("rule.kind"), when it is known but not supported yet; else None."""
    known = place in TABLES or place in KEYS
    if isinstance(value, str):
        known |= value in VALUES.get(place, ()) or value.startswith(BEGINNINGS.get(place, ()))
    if not known:
        return None
    if place == "rule.kind":
        return "take the rule out, knowing that nothing does its work meanwhile"
    if place in TABLES:
        return _MENDS.get(place, "take the table out")
    return _MENDS.get(place, "take it out")
