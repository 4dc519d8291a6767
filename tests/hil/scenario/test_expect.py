"""Each kind of expectation: one that holds, and one that the same course fails."""

from typing import Any

import msgspec
import pytest

from hil.scenario.expect import KINDS, AnyKind, Expect
from hil.scenario.seen import Seen, Sent
from tests.hil.scenario.kit import LOADS, ack, ctl, event, refresh, sample, seen

STORY = tuple(event(1.0 + number, kind, number) for number, kind in enumerate(["begin", "cut", "end"]))
COMMAND = seen(
    commands={"limit": Sent("01A", "d1")},
    records=(ack("d1", 0, "accepted"), ack("d1", 1, "ended", "lease"), ack("d1", 1, "ended", "lease"), ctl("01A")),
)
GEAR = seen(coils={"a-east": ((2.0, False), (6.0, True))}, moves={"a-east": ((2.1, False), (6.1, True))})

CASES: list[tuple[Seen, str, dict[str, Any], dict[str, Any]]] = [
    (seen(), "delivered", {"kw": 6, "after": "drop", "within_s": 1}, {"kw": 6.1}),
    (seen(), "power_below", {"kw": 10, "after": "drop", "until": "recovery", "settle_s": 0.2}, {"settle_s": 0.0}),
    (seen(), "power_below", {"kw": 15, "after": "drop", "until": "recovery", "for_s": 0.2}, {"kw": 9, "for_s": 0.2}),
    (seen(), "power_above", {"kw": 10}, {"kw": 10.1}),
    (seen(), "slope", {"kw_per_min": 180, "jump_kw": 3.3}, {"jump_kw": 2.5}),
    (seen(), "slope", {"kw_per_min": 180, "jump_kw": 6.0, "up": False}, {"jump_kw": 5.0}),
    (seen(), "told", {"loads": ("east",), "only": True}, {"loads": ("all",)}),
    (seen(), "told", {"at_least": 2, "at_most": 2, "within_s": 2}, {"at_least": 3}),
    (seen(), "told", {"at_most": 2}, {"at_most": 1}),
    (seen(), "told", {"loads": ("a:1-2",), "only": True}, {"loads": ("a:1",)}),
    (seen(), "nobody_told", {"loads": ("west",)}, {"loads": ("all",)}),
    (seen(), "nobody_told", {"step": "on", "until": "recovery"}, {"until": "end"}),
    (seen(), "nobody_told", {"after": "drop", "until": "recovery", "from_s": 0.2}, {"from_s": 0.0}),
    (seen(), "not_before", {"step": "on", "after": "drop", "s": 4.0}, {"s": 4.2}),
    (seen(), "minimum_off", {"s": 3.9}, {"s": 4.1}),
    (seen(), "ramp", {"kw_per_min": 180, "after": "recovery"}, {"kw_per_min": 1, "slack_kw": -1.0}),
    (seen(), "reaction", {"below_hz": 49.5, "ms": 120, "after": "drop"}, {"ms": 50}),
    (seen(), "reaction", {"below_hz": 49.5, "ms": 120}, {"below_hz": 49.0}),
    (seen(), "running", {}, {"until": "recovery"}),
    (seen(), "running", {"on": False, "loads": ("east",), "until": "recovery"}, {"until": "end"}),
    (seen(writes={"main": 0}, functions={"main": ("3",)}), "reads_only", {}, {}),
    (seen(), "mode", {"mode": "HOLDING", "after": "drop", "within_s": 1}, {"within_s": 0.1}),
    (seen(), "mode", {"mode": "BLIND", "never": True}, {"mode": "HOLDING"}),
    (seen(records=STORY), "event", {"kind": "cut", "rule": "ufr", "why": "because"}, {"why": "of nothing"}),
    (seen(records=STORY), "event", {"kind": "begin", "at_most": 1}, {"at_least": 0, "at_most": 0}),
    (seen(records=STORY), "story", {"rule": "ufr", "kinds": ("begin", "cut", "end")}, {"kinds": ("begin", "end")}),
    (seen(records=STORY), "records", {}, {}),
    (COMMAND, "ack", {"of": "limit", "states": ("accepted", "ended"), "code": "lease"}, {"code": "released"}),
    (COMMAND, "ack", {"of": "limit", "states": ("accepted", "ended"), "in_force": True}, {"in_force": False}),
    (COMMAND, "ack", {"of": "limit", "states": ("accepted", "ended")}, {"states": ()}),
    (seen(), "response", {"after": "drop", "until": "recovery"}, {"after": "recovery", "until": "end"}),
    (seen(), "response", {"zero": False}, {"zero": True, "until": "drop"}),
    (seen(), "limit", {"kw": 20, "until": "drop"}, {"until": "end"}),
    (seen(), "limit", {"kw": 10, "always": False}, {"kw": 11}),
    (seen(status={"latched": {"a-east": "a weld"}}), "status", {"key": "latched", "has": "weld"}, {"has": "tank"}),
    (seen(status={"latched": {}}), "status", {"key": "latched", "empty": True}, {"key": "tags"}),
    (seen(words="shed poi"), "logged", {"has": "shed"}, {"never": True}),
    (seen(exits=(0,)), "sound", {}, {}),
    (GEAR, "coil", {"contactor": "a-east", "writes": ("open", "close")}, {"writes": ("open",)}),
    (GEAR, "coil", {"contactor": "a-east", "writes": (), "until": "drop"}, {"until": "end"}),
    (GEAR, "open_for", {"contactor": "a-east", "s": 4.0}, {"s": 4.1}),
    (GEAR, "asked_first", {"contactor": "a-east", "loads": ("east",)}, {"loads": ("all",)}),
    (seen(), "gpu_limits", {"w": 350, "w_min": 350, "w_max": 700}, {"w_min": 400}),
    (seen(), "gpu_limits", {"w_max": 700}, {"w": 500}),
    (seen(), "tank", {"tank": "tank-a", "value": "level_pct", "min": 80, "until": "recovery"}, {"until": "end"}),
]
WRONG: dict[str, Seen] = {
    "reads_only": seen(writes={"main": 1}, functions={"main": ("3",)}),
    "records": seen(records=STORY, missing=("evt 3 of boot b1",)),
    "sound": seen(words="Traceback (most recent call last):\nValueError: no"),
}


def made(kind: str, fields: dict[str, Any]) -> Expect:
    expectation: Expect = msgspec.convert({"that": kind, **fields}, AnyKind)
    return expectation


@pytest.mark.parametrize(("course", "kind", "good", "changed"), CASES)
def test_an_expectation_holds_on_the_course_and_another_one_fails(
    course: Seen, kind: str, good: dict[str, Any], changed: dict[str, Any]
) -> None:
    held = made(kind, good).judge(course)
    failed = made(kind, good | changed).judge(WRONG.get(kind, course))

    assert held.ok, held
    assert not failed.ok, failed
    assert failed.expected
    assert failed.seen


def test_every_kind_has_a_case() -> None:
    assert {kind for _, kind, _, _ in CASES} == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("delivered", {"kw": 1.0}),
        ("power_below", {"kw": 1e9}),
        ("reaction", {"below_hz": 49.5, "ms": 1e9}),
        ("running", {}),
        ("mode", {"mode": "BLIND", "never": True}),
        ("records", {}),
        ("response", {}),
        ("limit", {"kw": 1.0}),
        ("reads_only", {}),
        ("gpu_limits", {"w_max": 1e9}),
        ("open_for", {"contactor": "a-east", "s": 0.0}),
        ("tank", {"tank": "tank-a", "value": "level_pct", "min": 0}),
    ],
)
def test_where_nothing_was_seen_nothing_holds(kind: str, fields: dict[str, Any]) -> None:
    blind = seen(refreshes=(), samples=(), told={})

    assert not made(kind, fields).judge(blind).ok


def test_a_refused_record_fails_the_records() -> None:
    assert not made("records", {}).judge(seen(records=STORY, refused=("evt: the signature does not verify",))).ok


def test_declared_losses_count_against_their_number() -> None:
    gap = event(1.0, "begin", 9, t="gap")

    assert not made("records", {}).judge(seen(records=(*STORY, gap))).ok
    assert made("records", {"gaps_max": 1}).judge(seen(records=(*STORY, gap))).ok


def test_a_second_event_is_another_story() -> None:
    two = (*STORY, event(9.0, "begin", 9, ev="e2"))

    assert not made("story", {"rule": "ufr", "kinds": ("begin", "cut", "end", "begin")}).judge(seen(records=two)).ok


def test_a_slow_creep_above_the_ramp_is_found_however_small_each_step_is() -> None:
    creep = tuple(refresh(at).__class__(at / 10, None, 10_000 + at * 20.0, 50.0) for at in range(100))

    assert not made("slope", {"kw_per_min": 6, "jump_kw": 0.5}).judge(seen(refreshes=creep)).ok
    assert made("slope", {"kw_per_min": 12, "jump_kw": 0.5}).judge(seen(refreshes=creep)).ok


def test_a_load_that_is_told_long_after_the_others_counts_and_one_of_a_later_cut_does_not() -> None:
    late = seen(told={LOADS[0]: ((1.1, "off"),), LOADS[1]: ((3.0, "off"),), LOADS[2]: ((4.5, "off"),)})

    judged = made("reaction", {"below_hz": 49.5, "ms": 700}).judge(late)

    assert not judged.ok
    assert judged.seen.startswith("the last of 2 after 1990")


def test_a_load_that_never_ran_is_not_running() -> None:
    dark = seen(samples=(sample(9.0, on=LOADS[:2]),))

    assert not made("running", {}).judge(dark).ok
