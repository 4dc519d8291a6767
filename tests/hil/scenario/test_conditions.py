"""What a scenario waits for: met or not, and what is lacking."""

from typing import Any

import msgspec
import pytest

from hil.scenario.conditions import Condition, Sight, unmet
from hil.scenario.seen import expand

LOADS: dict[str, tuple[str, ...]] = {"all": ("1", "2"), "a": ("1", "2")}
STATUS = {
    "circuits": [{"mode": "HOLDING"}],
    "response": [{"kw": 3.0}],
    "latched": {"tank:tank-a": "twice"},
    "tags": [{"target": "a"}],
    "broker": {"state": "away"},
    "events": [{}],
}
SIGHT = Sight(
    status=lambda: STATUS,
    running=lambda: ("1",),
    watts=lambda: 12_000.0,
    hertz=lambda: 49.6,
    told=lambda step: {"2": 5} if step == "off" else {},
    events=lambda: [{"k": "cut", "rule": "ufr", "why": "because"}],
    acks=lambda command: ["accepted"],
    contactors=lambda: {"a-east": True},
    limits_w=lambda: (350.0, 350.0),
    refreshes=lambda: 4,
    polls=lambda: 2,
    beats=lambda: 7,
    words=lambda: "shed poi",
    loads=lambda name: expand(name, LOADS),
)
CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"mode": "HOLDING"}, {"mode": "NORMAL"}),
    ({"event": "cut", "rule": "ufr", "why": "because"}, {"event": "cut", "rule": "cap"}),
    ({"event": "cut"}, {"event": "end"}),
    ({"event": "cut"}, {"event": "cut", "why": "of nothing"}),
    ({"off": "a:2"}, {"off": "all"}),
    ({"on": "a:1"}, {"on": "all"}),
    ({"told_off": "a:2"}, {"told_off": "a"}),
    ({"any_told": "off"}, {"told_on": "a:1"}),
    ({"any_told": "off"}, {"any_told": "on"}),
    ({"power_kw_below": 12.5}, {"power_kw_below": 11.5}),
    ({"power_kw_above": 11.5}, {"power_kw_above": 12.5}),
    ({"hz_below": 49.7}, {"hz_below": 49.5}),
    ({"response": True}, {"response": False}),
    ({"ack": "accepted", "of": "limit"}, {"ack": "ended", "of": "limit"}),
    ({"closed": "a-east"}, {"open": "a-east"}),
    ({"limit_w": 350.0}, {"limit_w": 700.0}),
    ({"latched": "tank:tank-a"}, {"latched": "a-east"}),
    ({"tag_on": "a"}, {"tag_on": "b"}),
    ({"broker": "away"}, {"broker": "connected"}),
    ({"events_open": 1}, {"events_open": 0}),
    ({"refreshes": 4}, {"refreshes": 5}),
    ({"polls": 2}, {"polls": 3}),
    ({"beats": 7}, {"beats": 8}),
    ({"logged": "shed"}, {"logged": "cut"}),
]


@pytest.mark.parametrize(("met", "lacking"), CASES)
def test_a_condition_is_met_and_another_is_not_and_says_why(met: dict[str, Any], lacking: dict[str, Any]) -> None:
    assert unmet(msgspec.convert(met, Condition), SIGHT) == ""
    assert unmet(msgspec.convert(lacking, Condition), SIGHT)


def test_all_of_a_condition_must_be_so() -> None:
    assert unmet(Condition(mode="HOLDING", on="all"), SIGHT).startswith("all on")


@pytest.mark.parametrize("name", ["b", "a:3", "a:0", "a:2-1", "a:x", "a:1-9"])
def test_a_name_of_no_loads_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match=r"there are|write|has 1 to 2"):
        expand(name, LOADS)
