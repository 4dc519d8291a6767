"""A crash at any instant: what was awaited is there, and every commit is there as a whole or not at all.

The story keeps, posts and deletes, alone and together. At every step of the disk every state that a crash could leave
(tests/shell/crash.py) is opened by a new journal, which must find the map as it was after some whole commit: the last
one that anybody was told of, or the one on its way. The judge is shown to fail where nothing is synced.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.shell.journal import JSON, Journal
from tests.shell.crash import CrashDisk, CrashFile, Files, Inline

FOLDER = Path("/state")
FILE = str(FOLDER / "journal")

Map = dict[str, JSON]

STORY: list[dict[str, Any]] = [  # one commit each
    {"epoch": 1},
    {"seq/dispatch": 1, "lease/01J": {"limit_w": 2.5e6, "until_ns": 10**18, "why": "a command of some length " * 4}},
    {"armed/poi": [f"a/10.20.1.{number}" for number in range(40)]},
    {"seq/dispatch": 2, "lease/01J": None},
    {"event/01K": {"hi_w": 9e5}, "lowered/a/10.20.1.1": "off", "lowered/a/10.20.1.2": "off"},
    {"lowered/a/10.20.1.1": None, "lowered/a/10.20.1.2": None, "event/01K": None},
]


async def commit(journal: Journal, changes: Map) -> None:
    """All of these in one commit: callers of one turn of the loop share it."""
    await asyncio.gather(*(journal.keep(key, value) for key, value in changes.items()))


def after(before: Map, changes: Map) -> Map:
    return {key: value for key, value in (before | changes).items() if value is not None}


class Judge:
    """Collects every crash state, with the maps that may be found in it."""

    def __init__(self) -> None:
        self.told: Map = {}
        self.next: Map = {}
        self.states: list[tuple[Files, Map, Map]] = []

    def crashed(self, files: Files) -> None:
        self.states.append((files, self.told, self.next))

    async def try_all(self) -> None:
        assert len(self.states) > 50
        for files, told, on_its_way in self.states:
            journal = await Journal.open(CrashDisk(files), Inline(), FOLDER, on_fault=lambda fault: None)

            found = journal.kept_under("")

            assert found in (told, on_its_way), f"{found} is neither {told} nor {on_its_way}"
            assert journal.salvaged == {}, "a crash alone must not look like corruption"


async def live() -> None:
    """The whole story on a new disk, then every state that a crash could have left."""
    judge = Judge()
    disk = CrashDisk(crashed=judge.crashed)
    journal = await Journal.open(disk, Inline(), FOLDER, on_fault=lambda fault: None)
    for changes in STORY:
        judge.next = after(judge.told, changes)
        await commit(journal, changes)
        judge.told = judge.next
    for state in disk.states():
        judge.crashed(state)
    await judge.try_all()


def test_every_crash_state_of_a_life_holds_what_was_awaited_and_nothing_half() -> None:
    asyncio.run(live())


def test_the_judge_notices_when_nothing_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CrashFile, "sync", lambda file: None)

    with pytest.raises(AssertionError, match="is neither"):
        asyncio.run(live())


def test_every_crash_state_while_compacting_holds_what_was_awaited() -> None:
    async def story() -> None:
        judge = Judge()
        disk = CrashDisk()
        journal = await Journal.open(disk, Inline(), FOLDER, on_fault=lambda fault: None)
        big = "x" * 100_000
        await journal.keep("big", big)
        await journal.keep("big", big[:-1])
        await journal.keep("big", "small")
        judge.told = {"big": "small"}
        judge.next = {"big": "small", "blob": big[:70_000]}
        disk._crashed = judge.crashed
        disk.calls.clear()

        await journal.keep("blob", big[:70_000])

        assert disk.calls == ["close", "replace", "open_append"], "the file has outgrown the map: this one compacts"
        kept = judge.states[:: max(1, len(judge.states) // 200)]
        judge.states = [*kept, judge.states[-1]]
        await judge.try_all()

    asyncio.run(story())


def test_every_crash_state_while_recovering_from_a_torn_end_holds_what_was_awaited() -> None:
    async def story() -> None:
        first = CrashDisk()
        journal = await Journal.open(first, Inline(), FOLDER, on_fault=lambda fault: None)
        for changes in STORY[:3]:
            await commit(journal, changes)
        judge = Judge()
        for changes in STORY[:3]:
            judge.told = after(judge.told, changes)
        judge.next = judge.told
        torn = {FILE: (first.read(Path(FILE)) or b"") + b"BJ1\n\x40\0\0\0half a commit"}

        await Journal.open(CrashDisk(torn, judge.crashed), Inline(), FOLDER, on_fault=lambda fault: None)

        await judge.try_all()

    asyncio.run(story())
