"""`ballast status` for a person: everything that matters now, and nothing breaks when a member is missing."""

from typing import Any

import pytest

from agent.cli.status import print_status

STATUS: dict[str, Any] = {
    "site": "demo",
    "agent": "ctl-1",
    "control": "act",
    "uncommissioned": True,
    "up_ms": 90_000,
    "loop_late_ms": 0.4,
    "journal": "ok",
    "links": [{"id": "net", "address": "127.0.0.1:502", "state": "down", "detail": "refused"}],
    "circuits": [
        {"id": "poi", "mode": "SHEDDING", "flags": [], "net_kw": 187.4, "quality": "good", "lo_kw": None, "hi_kw": 90.0,
         "why": "ufr holds it at 90.0 kW", "next": "released", "next_in_s": 4.5},
        {"id": "hall", "mode": "NORMAL", "flags": ["LOCAL"], "net_kw": None, "quality": "unknown"},
    ],
    "events": [{"ev": "01J", "circuit": "poi", "rule": "ufr", "class": "grid", "shed_kw": 97.4, "loads": 31}],
    "ladder": [{"load": f"a/{n}", "step": "off", "watts": 3225.0, "cumulative_w": 3225.0 * (n + 1)} for n in range(30)],
    "devices": [
        {"id": "main", "kind": "meter", "state": "ok", "age_ms": 12, "detail": ""},
        {"id": "a/1", "kind": "miner", "state": "unheard", "age_ms": None, "detail": "no answer yet"},
        *({"id": f"b/{n}", "kind": "miner", "state": "ok", "age_ms": 100 + n} for n in range(50)),
    ],
    "response": [
        {"rule": "ufr", "kw": 193.5, "ms": 15_000, "available": True, "why": "", "acts": True},
        {"rule": "dead", "kw": 0.0, "ms": 0, "available": False, "why": "frequency is silent", "acts": True},
        {"rule": "dry", "kw": 0.0, "ms": 15_000, "available": True, "why": "", "acts": False},
    ],
    "broker": {"state": "away", "since_ms": 130_000, "detail": "refused"},
    "buffer": {"bytes": 3 << 20, "records": 71, "disk_bytes": 5 << 20, "lost": 0},
}  # fmt: skip


def printed(capsys: pytest.CaptureFixture[str], status: dict[str, Any], *, whole: bool = False) -> str:
    print_status(status, whole=whole)
    return capsys.readouterr().out


def test_a_person_reads_what_is_shed_why_and_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, STATUS).split("\n")

    assert lines[:8] == [
        "demo, agent ctl-1: act, UNCOMMISSIONED, up 90.0 s",
        "broker: away for 2 min (refused)",
        "waiting for it: 71 records, 3.0 MiB in memory, 5.0 MiB on disk; lost so far: 0",
        "control loop late: 0.4 ms",
        "link net (127.0.0.1:502) down: refused",
        "rule ufr could give 193.5 kW within 15.0 s",
        "rule dead is not available: frequency is silent",
        "rule dry is available, and only observed",
    ]
    assert lines[9:13] == [
        "Circuits (kW)",
        "  circuit  mode                net  from    to  why                      next",
        "  poi      SHEDDING          187.4     -  90.0  ufr holds it at 90.0 kW  released in 4.5 s",
        "  hall     NORMAL LOCAL  ? unknown     -     -",
    ]
    assert "  01J    poi      ufr   grid   holding  97.4     31" in lines


def test_the_longest_silent_device_comes_first_and_the_rest_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, STATUS)

    assert "Devices, the longest silent first; 12 more with --all" in text
    assert text.index("a/1 ") < text.index("b/49 ") < text.index("b/48 ")
    assert "never" in text
    assert "Ladder, next to be shed first (kW now); 10 more with --all" in text


def test_all_shows_all(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, STATUS, whole=True)

    assert "--all" not in text
    assert "12 ms ago" in text


def test_a_journal_that_cannot_be_written_is_shouted(capsys: pytest.CaptureFixture[str]) -> None:
    assert "JOURNAL degraded" in printed(capsys, {**STATUS, "journal": "degraded"})


@pytest.mark.parametrize("member", [None, *STATUS])
def test_a_member_that_is_missing_or_odd_breaks_nothing(capsys: pytest.CaptureFixture[str], member: str | None) -> None:
    if member is None:
        assert printed(capsys, {}).startswith("?, agent ?: ?, up ?")
        return
    odd_ones: tuple[object, ...] = (None, 5, "x", [], {}, [None], [{}], {"state": None})
    for odd in odd_ones:
        assert printed(capsys, {**STATUS, member: odd})


HELD: list[dict[str, Any]] = [
    {"target": "hall", "kind": "tag", "by": "kim", "why": "fan service", "at_ms": 1_790_000_000_000},
    {"target": "gear", "kind": "local", "by": "panel", "why": "its remote contact is open"},
]


def test_what_people_hold_is_told_with_who_why_and_since_when(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, {**STATUS, "tags": HELD}).split("\n")

    at = lines.index("Held by people on site")
    assert lines[at + 1 : at + 4] == [
        "  target  kind   by     why                         since",
        "  hall    tag    kim    fan service                 2026-09-21 14:13:20Z",
        "  gear    LOCAL  panel  its remote contact is open",
    ]


def test_what_is_latched_is_shouted_with_what_takes_it_away(capsys: pytest.CaptureFixture[str]) -> None:
    latched = {"tank:tank-a": "it has returned by itself 1 times in 24 h"}

    text = printed(capsys, {**STATUS, "latched": latched})

    assert "LATCHED tank-a: it has returned by itself 1 times in 24 h; `ballast ack tank-a` when it is mended\n" in text


@pytest.mark.parametrize("member", ["tags", "latched"])
def test_odd_holds_break_nothing(capsys: pytest.CaptureFixture[str], member: str) -> None:
    odd_ones: tuple[object, ...] = (
        None,
        5,
        {},
        {"x": None},
        [None],
        [{}],
        [{"at_ms": "x", "kind": 5}],
        [{"at_ms": 1e300}],
    )
    for odd in odd_ones:
        assert printed(capsys, {**STATUS, member: odd})


def test_nothing_shed_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nothing is shed." in printed(capsys, {**STATUS, "events": []})
