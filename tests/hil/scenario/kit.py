"""A small course of things as it could have been seen, for judges to be tried on."""

from typing import Any

from hil.scenario.seen import Refresh, Sample, Seen, SeenRecord

LOADS = ("127.1.0.1", "127.1.0.2", "127.1.0.3")
NAMES = {"all": LOADS, "a": LOADS, "east": LOADS[:2], "west": LOADS[2:]}
FULL_W, LOAD_W = 16_000.0, 3_000.0


def seen(**changes: Any) -> Seen:
    """Two loads are told off at 1.1 s, two on at 5.1 and 6.1 s; each falls and rises at once."""
    told = {
        LOADS[0]: ((1.1, "off"), (5.1, "on")),
        LOADS[1]: ((1.12, "off"), (6.1, "on")),
        LOADS[2]: (),
    }
    whole: dict[str, Any] = {
        "end_s": 10.0,
        "moments": {"drop": 1.0, "recovery": 5.0},
        "loads": NAMES,
        "refreshes": tuple(refresh(number / 10) for number in range(-10, 100)),
        "samples": tuple(sample(number / 10) for number in range(100)),
        "told": told,
        "load_kw": LOAD_W / 1000,
    }
    return Seen(**whole | changes)


def watts(at_s: float) -> float:
    """What the site draws."""
    down = (1.1 <= at_s < 5.1) + (1.12 <= at_s < 6.1)
    return FULL_W - down * LOAD_W


def refresh(at_s: float) -> Refresh:
    """One of the meter's; served 10 ms later."""
    return Refresh(at_s, at_s + 0.01, watts(at_s), 49.3 if 1.0 <= at_s < 5.0 else 50.0)


def sample(at_s: float, **changes: Any) -> Sample:
    """What was so, and what the agent said."""
    on = tuple(load for load, (off_s, on_s) in zip(LOADS, ((1.1, 5.1), (1.12, 6.1), (99, 99)), strict=True)
               if not off_s <= at_s < on_s)  # fmt: skip
    whole: dict[str, Any] = {
        "at_s": at_s,
        "watts": watts(at_s),
        "hertz": 50.0,
        "on": on,
        "mode": "HOLDING" if 1.2 <= at_s < 5.0 else "NORMAL",
        "hi_kw": 10.0 if 1.2 <= at_s < 5.0 else 20.0,
        "response_kw": 0.0 if 1.2 <= at_s < 5.0 else 6.0,
        "contactors": {"a-east": not 2.0 <= at_s < 4.0},
        "limits_w": (350.0, 350.0) if 2.0 <= at_s < 4.0 else (700.0, 700.0),
        "tanks": {"tank-a": {"level_pct": 90.0 if at_s < 8 else 79.0}},
    }
    return Sample(**whole | changes)


def event(at_s: float, kind: str, seq: int = 0, **body: Any) -> SeenRecord:
    """An event record."""
    whole = {"t": "evt", "boot": "b1", "seq": seq, "k": kind, "rule": "ufr", "why": "because", "ev": "e1"}
    return SeenRecord(at_s, "evt", whole | body)


def ack(digest: str, number: int, state: str, code: str | None = None) -> SeenRecord:
    """A status of a command."""
    body = {"t": "ack", "boot": "b1", "seq": number, "cmd": digest, "n": number, "st": state, "code": code}
    return SeenRecord(2.0, "ack/dispatch", body)


def ctl(*leases: str) -> SeenRecord:
    """A state with these leases."""
    body = {"t": "ctl", "boot": "b1", "seq": 0, "leases": [{"id": lease} for lease in leases]}
    return SeenRecord(2.0, "ctl", body)
