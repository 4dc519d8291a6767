"""A small site's trace in which all is well, and how to doctor it: ten miners of 3 kW, two minutes, instants in s."""

from typing import Any

from hil.soak.site import Rules
from hil.soak.trace import Fault, Life, Record, Refresh, Round, S, Trace, Truth, Turn, Verb

MINERS = [f"127.1.1.{number}" for number in range(1, 11)]
RATED_W = 3000.0
BASE_W = 10_000.0
FULL_W = BASE_W + len(MINERS) * RATED_W
LENGTH_S = 120

RULES = Rules(
    limit_w=60_000.0,
    margin_w=2_000.0,
    unmetered_w=BASE_W,
    ramp_up_w_per_s=500.0,
    jump_up_w=10_000.0,
    fallback_w=20_000.0,
    ramp_down_w_per_s=10_000.0,
    blind_after_ns=2 * S,
    min_off_ns=4 * S,
    min_open_ns=4 * S,
    shed_below_hz=59.7,
    shed_w=15_000.0,
    release_above_hz=59.95,
    release_for_ns=4 * S,
    tank_blind_ns=2 * S,
    tank_shed_for_ns=S // 5,
    tank_permit_for_ns=3 * S,
    shed_pressure_kpa=6.0,
    shed_flow_lpm=60.0,
    shed_level_pct=70.0,
    permit_pressure_kpa=3.0,
    permit_flow_lpm=80.0,
    permit_level_pct=75.0,
    gpu_floor_w=350.0,
    gpu_fallback_w=500.0,
    nominal_hz=60.0,
    nominal_ln_v=277.0,
    load_poll_ns=3 * S,
)


def ns(seconds: float) -> int:
    """An instant of the trace."""
    return round((100 + seconds) * 1e9)


def well(**changes: Any) -> Trace:
    """All is on and nothing happens; `changes` replace lists."""
    trace = Trace(
        RULES,
        dict.fromkeys(MINERS, RATED_W),
        east=tuple(MINERS[:3]),
        from_ns=ns(0),
        to_ns=ns(LENGTH_S),
        lives=[Life(ns(-60))],
        gpud_lives=[Life(ns(-60))],
        turns=[Turn(ns(-60), miner, True) for miner in MINERS],
        main=shown(),
        backup=shown(),
        rounds=[good_round(-50)],
        looks=[ns(tenth / 10) for tenth in range(LENGTH_S * 10)],
        truths=drawn(),
    )
    for name, value in changes.items():
        setattr(trace, name, value)
    return trace


def shown(hertz: dict[tuple[float, float], float] | None = None, watts: float = FULL_W) -> list[Refresh]:
    """A meter's refreshes, every 0.2 s and read 10 ms later; `hertz` within some times, else 60."""
    refreshes = []
    for fifth in range(LENGTH_S * 5):
        at_s = fifth / 5
        hz = next((hz for (from_s, to_s), hz in (hertz or {}).items() if from_s <= at_s < to_s), 60.0)
        refreshes.append(Refresh(ns(at_s), ns(at_s + 0.01), watts, hz, 277.0))
    return refreshes


def silent(from_s: float, to_s: float, refreshes: list[Refresh] | None = None) -> list[Refresh]:
    """Nothing of a meter is read in this time."""
    return [one for one in refreshes or shown() if not from_s <= (one.changed_ns / S - 100) < to_s]


def drawn(watts: dict[tuple[float, float], float] | None = None) -> list[Truth]:
    """The plant every 0.5 s; `watts` within some times, else all of it."""
    truths = []
    for half in range(LENGTH_S * 2):
        at_s = half / 2
        drawn_w = next((drawn for (from_s, to_s), drawn in (watts or {}).items() if from_s <= at_s < to_s), FULL_W)
        truths.append(Truth(ns(at_s), drawn_w, 60.0, 10, 30e3, 1.0, 120.0, (700.0, 700.0), True))
    return truths


def good_round(at_s: float) -> Round:
    """A round of the tank's PLC with which all is well."""
    return Round(ns(at_s), ns(at_s + 0.05), 1.0, 120.0, 90.0, 1.0)


def dry_round(at_s: float) -> Round:
    """One without flow."""
    return Round(ns(at_s), ns(at_s + 0.05), 1.0, 10.0, 90.0, 0.0)


def told(at_s: float, step: str, miners: list[str] | None = None, every_s: float = 0.0) -> list[Verb]:
    """Verbs to these miners, or to all."""
    return [
        Verb(ns(at_s + number * every_s), miner, step)
        for number, miner in enumerate(MINERS if miners is None else miners)
    ]


def fault(name: str, from_s: float, to_s: float, what: str = "", targets: tuple[str, ...] = ()) -> Fault:
    """One mischief."""
    return Fault(name, ns(from_s), ns(to_s), what, targets)


def record(at_s: float, channel: str, seq: int = 0, **body: Any) -> Record:
    """One record of one boot."""
    return Record(ns(at_s), channel, {"boot": "b1", "seq": seq, **body})
