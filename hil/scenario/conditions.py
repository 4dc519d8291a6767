"""What a scenario can wait for: everything that a condition names must be so at one instant.

{ mode = "HOLDING" }                        { event = "delivered", rule = "ufr" }
{ on = "all", mode = "NORMAL" }             { ack = "ended", of = "limit" }
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct


class Condition(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is waited for."""

    mode: str | None = None  # of the circuit
    event: str | None = None  # an event record of this kind since the entry before
    rule: str | None = None  # ... of this rule
    why: str | None = None  # ... whose why has this in it
    off: str | None = None  # these really run no more: "all", a group, a part, "a:3"
    on: str | None = None  # these really run
    told_off: str | None = None  # these were told so since the entry before
    told_on: str | None = None
    any_told: Literal["off", "on"] | None = None  # some load was
    power_kw_below: float | None = None
    power_kw_above: float | None = None
    hz_below: float | None = None  # what the meter measures
    hz_above: float | None = None
    response: bool | None = None  # whether the frequency rule says it could give anything
    ack: str | None = None  # the newest status of a command
    of: str | None = None  # ... of this entry's
    closed: str | None = None  # a contactor's poles
    open: str | None = None
    limit_w: float | None = None  # every GPU's limit
    latched: str | None = None  # in the status
    tag_on: str | None = None
    broker: Literal["connected", "away"] | None = None
    events_open: int | None = None  # how many events are going on
    refreshes: int | None = None  # so many of the meter's were read since the entry before
    polls: int | None = None  # so often every miner was asked since the entry before
    beats: int | None = None  # so many heartbeats came to every PLC since the entry before
    logged: str | None = None  # since the entry before


class Sight(Struct, frozen=True):
    """What can be looked at while a scenario runs; each is asked only when a condition needs it."""

    status: Callable[[], dict[str, Any]]
    running: Callable[[], tuple[str, ...]]
    watts: Callable[[], float]
    hertz: Callable[[], float | None]
    told: Callable[[str], Mapping[str, int]]  # step -> load -> when, since the entry before
    events: Callable[[], list[dict[str, Any]]]  # bodies, since the entry before
    acks: Callable[[str], list[str]]  # states of a command
    contactors: Callable[[], Mapping[str, bool]]
    limits_w: Callable[[], tuple[float, ...]]
    refreshes: Callable[[], int]
    polls: Callable[[], int]
    beats: Callable[[], int]
    words: Callable[[], str]
    loads: Callable[[str], tuple[str, ...]]  # what a name stands for


def unmet(condition: Condition, sight: Sight) -> str:
    """What of a condition is not so, with what is; "" when all of it is."""
    asked = {name: value for name in condition.__struct_fields__ if (value := getattr(condition, name)) is not None}
    for name in asked.keys() - _PARTS:
        missing = _CHECKS[name](condition, sight)
        if missing:
            return missing
    return ""


_PARTS = {"rule", "why", "of"}


def _status(key: str, sight: Sight) -> Any:
    return sight.status().get(key)


def _mode(condition: Condition, sight: Sight) -> str:
    circuits = _status("circuits", sight) or [{"mode": None}]
    mode = circuits[0]["mode"]
    return "" if mode == condition.mode else f"mode {condition.mode}: it is {mode}"


def _event(condition: Condition, sight: Sight) -> str:
    came = [one for one in sight.events() if one["k"] == condition.event]
    came = [one for one in came if condition.rule in (None, one.get("rule"))]
    came = [one for one in came if condition.why is None or condition.why in (one.get("why") or "")]
    of = f" of {condition.rule}" if condition.rule else ""
    return "" if came else f"event {condition.event}{of}: none came"


def _off(condition: Condition, sight: Sight) -> str:
    still = set(sight.loads(condition.off or "")) & set(sight.running())
    return f"{condition.off} off: {len(still)} still run" if still else ""


def _on(condition: Condition, sight: Sight) -> str:
    lacking = set(sight.loads(condition.on or "")) - set(sight.running())
    return f"{condition.on} on: {len(lacking)} do not run" if lacking else ""


def _told(step: str, name: str | None, sight: Sight) -> str:
    lacking = set(sight.loads(name or "")) - set(sight.told(step))
    return f"{name} told {step}: {len(lacking)} were not" if lacking else ""


def _any_told(condition: Condition, sight: Sight) -> str:
    return "" if sight.told(condition.any_told or "") else f"somebody told {condition.any_told}: nobody was"


def _power(condition: Condition, sight: Sight) -> str:
    kw = sight.watts() / 1000
    below, above = condition.power_kw_below, condition.power_kw_above
    if below is not None and kw > below:
        return f"power below {below:g} kW: it is {kw:.1f}"
    return f"power above {above:g} kW: it is {kw:.1f}" if above is not None and kw < above else ""


def _hertz(condition: Condition, sight: Sight) -> str:
    hertz = sight.hertz()
    below, above = condition.hz_below, condition.hz_above
    if below is not None and (hertz is None or hertz >= below):
        return f"below {below} Hz: it is {hertz}"
    return f"above {above} Hz: it is {hertz}" if above is not None and (hertz is None or hertz <= above) else ""


def _response(condition: Condition, sight: Sight) -> str:
    rows = _status("response", sight) or []
    can_kw = rows[0]["kw"] if rows else 0.0
    return "" if bool(can_kw) == condition.response else f"response {condition.response}: it is {can_kw} kW"


def _ack(condition: Condition, sight: Sight) -> str:
    states = sight.acks(condition.of or "")
    return "" if condition.ack in states else f"ack {condition.ack} of {condition.of}: {states or 'none came'}"


def _contactor(name: str | None, closed: bool, sight: Sight) -> str:
    is_closed = sight.contactors().get(name or "")
    return "" if is_closed is closed else f"{name} {'closed' if closed else 'open'}: it is not"


def _limits(condition: Condition, sight: Sight) -> str:
    limits = sight.limits_w()
    return "" if limits and set(limits) == {condition.limit_w} else f"GPUs at {condition.limit_w} W: they are {limits}"


def _latched(condition: Condition, sight: Sight) -> str:
    latched = _status("latched", sight) or []
    return "" if condition.latched in latched else f"latched {condition.latched}: {latched}"


def _tagged(condition: Condition, sight: Sight) -> str:
    targets = [tag["target"] for tag in _status("tags", sight) or []]
    return "" if condition.tag_on in targets else f"tag on {condition.tag_on}: {targets}"


def _broker(condition: Condition, sight: Sight) -> str:
    state = (_status("broker", sight) or {}).get("state")
    return "" if state == condition.broker else f"broker {condition.broker}: it is {state}"


def _events_open(condition: Condition, sight: Sight) -> str:
    going = _status("events", sight)
    wanted = condition.events_open
    return "" if going is not None and len(going) == wanted else f"{wanted} events open: there are {going}"


def _logged(condition: Condition, sight: Sight) -> str:
    return "" if (condition.logged or "") in sight.words() else f"logged {condition.logged!r}: not yet"


def _counted(what: str, wanted: int | None, seen: int) -> str:
    return "" if seen >= (wanted or 0) else f"{wanted} {what}: {seen} so far"


_CHECKS: dict[str, Callable[[Condition, Sight], str]] = {
    "mode": _mode,
    "event": _event,
    "off": _off,
    "on": _on,
    "told_off": lambda condition, sight: _told("off", condition.told_off, sight),
    "told_on": lambda condition, sight: _told("on", condition.told_on, sight),
    "any_told": _any_told,
    "power_kw_below": _power,
    "power_kw_above": _power,
    "hz_below": _hertz,
    "hz_above": _hertz,
    "response": _response,
    "ack": _ack,
    "closed": lambda condition, sight: _contactor(condition.closed, True, sight),
    "open": lambda condition, sight: _contactor(condition.open, False, sight),
    "limit_w": _limits,
    "latched": _latched,
    "tag_on": _tagged,
    "broker": _broker,
    "events_open": _events_open,
    "refreshes": lambda condition, sight: _counted("refreshes", condition.refreshes, sight.refreshes()),
    "polls": lambda condition, sight: _counted("polls of every miner", condition.polls, sight.polls()),
    "beats": lambda condition, sight: _counted("heartbeats", condition.beats, sight.beats()),
    "logged": _logged,
}
