"""A scenario file, read and checked before anything is started. docs/rig.md explains the format.

    [scenario]   what it is called, what it stands for, which devices it uses
    [site]       what it changes in the generated site.toml, in site.toml's own words; [[site.rule]] adds rules
    [stand_in.NAME]   how a stand-in is to be, where it matters (not runnable where that device is real)
    [floor]      the C floor plays the same crossing, so many times
    [[at]]       the timeline: what is done, in order
    [[expect]]   what has to come of it

Every fault names the file, the table, the key, and the mend.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from hil.rig_file import Table
from hil.scenario import verbs
from hil.scenario.expect import KINDS, AnyKind, Expect, Records, Sound
from hil.scenario.figures import with_figures

FOLDER = Path(__file__).parent.parent / "scenarios"
_TABLES = ("scenario", "site", "stand_in", "floor", "at", "expect")
_STEM = re.compile(r"[a-z0-9][a-z0-9-]*")
_AT = re.compile(r"\$(?:\.(?P<key>[^.\[]+))?")


class ScenarioError(Exception):
    """A scenario file that can't be played: file, table, key, and the mend."""


class Head(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[scenario]."""

    title: str
    stands_for: str  # the rule, programme, invariant or incident
    fast: bool = False  # part of the fast subset
    uses: tuple[str, ...] = ("main", "a")  # devices of the rig; the first meter is the circuit's
    uplink: bool = True  # a broker, and ears on it
    limit_s: float = 120.0  # it has failed when it takes longer


class Floor(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[floor]: the C program of hil/bench, on the same stand-ins, when the agent is done."""

    volleys: int
    hz: float
    nominal_hz: float = 50.0


class Entry(Struct, frozen=True):
    """One [[at]]."""

    id: str
    do: str
    arguments: Struct
    s: float | None = None  # seconds after the start; else `after_s` after the entry before
    after_s: float = 0.0


class Scenario(Struct, frozen=True, kw_only=True):
    """One file."""

    name: str
    path: Path
    head: Head
    site: Table = {}
    stand_in: dict[str, Table] = {}
    floor: Floor | None = None
    at: tuple[Entry, ...] = ()
    expect: tuple[Expect, ...] = ()

    def does(self, *names: str) -> bool:
        """Whether its timeline has one of these verbs."""
        return any(entry.do in names for entry in self.at)


def load_scenario(path: Path, figures: Mapping[str, float]) -> Scenario:
    """Reads and checks one file, its figures taken from a rig."""
    if not _STEM.fullmatch(path.stem):
        raise ScenarioError(f"{path}: a scenario is called by its file's name: a-z, 0-9 and -; rename it")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}; `ballast-hil list` shows those there are") from error
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: {error}; it must be TOML") from error
    for table in tables:
        if table not in _TABLES:
            raise ScenarioError(f"{path}: [{table}]: no such table; there are: {', '.join(_TABLES)}")
    try:
        tables = with_figures(tables, figures)
    except ValueError as error:
        raise ScenarioError(f"{path}: {error}") from error
    head = _converted(path, "[scenario]", tables.get("scenario", {}), Head)
    floor = tables.get("floor")
    scenario = Scenario(
        name=path.stem,
        path=path,
        head=head,
        site=tables.get("site", {}),
        stand_in=tables.get("stand_in", {}),
        floor=None if floor is None else _converted(path, "[floor]", floor, Floor),
        at=tuple(_entry(path, number, table) for number, table in enumerate(tables.get("at", []), 1)),
        expect=tuple(_expectation(path, number, table) for number, table in enumerate(tables.get("expect", []), 1)),
    )
    _check_names(scenario)
    always = (Records(), Sound()) if head.uplink else (Sound(),)
    given = {type(one) for one in scenario.expect}
    return msgspec.structs.replace(
        scenario, expect=(*scenario.expect, *(one for one in always if type(one) not in given))
    )


def scenario_files(names: list[str] | None = None) -> list[Path]:
    """The files of these names or paths; all that come with the rig when none is given."""
    if not names:
        return sorted(FOLDER.glob("*.toml"))
    return [Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml" for name in names]


def _entry(path: Path, number: int, table: Table) -> Entry:
    where = f"[[at]] {number}"
    rest = dict(table)
    do = rest.pop("do", None)
    if not isinstance(do, str):
        raise ScenarioError(f'{path}: {where}, key `do`: missing; say what is done, for instance do = "frequency"')
    timing: Table = {key: rest.pop(key) for key in ("id", "s", "after_s") if key in rest}
    timed = _converted(path, where, timing, _Timing)
    try:
        arguments = verbs.read(do, rest)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{path}: {where} ({do}), {_said(error, verbs.known()[do])}") from error
    except ValueError as error:
        raise ScenarioError(f"{path}: {where} ({do}): {error}") from error
    return Entry(timed.id, do, arguments, timed.s, timed.after_s)


class _Timing(Struct, frozen=True, forbid_unknown_fields=True):
    id: str = ""
    s: float | None = None
    after_s: float = 0.0


def _expectation(path: Path, number: int, table: Table) -> Expect:
    where = f"[[expect]] {number}"
    that = table.get("that")
    if that not in KINDS:
        raise ScenarioError(f"{path}: {where}, key `that`: {that!r} is none of: {', '.join(sorted(KINDS))}")
    try:
        expectation: Expect = msgspec.convert(table, AnyKind)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{path}: {where} ({that}), {_said(error, KINDS[that])}") from error
    return expectation


def _check_names(scenario: Scenario) -> None:
    """Names are given once, and what is referred to is there."""
    moments = ["start", "end"]
    sent: list[str] = []
    for number, entry in enumerate(scenario.at, 1):
        where = f"{scenario.path}: [[at]] {number} ({entry.do})"
        if entry.id and entry.id in moments:
            raise ScenarioError(f"{where}, key `id`: {entry.id!r} is there already; give it another")
        of = getattr(entry.arguments, "of", None)
        if isinstance(entry.arguments, verbs.Wait):
            of = entry.arguments.until.of
        if of and of not in sent:
            raise ScenarioError(f"{where}, key `of`: no earlier send is called {of!r}; give that entry this id")
        if entry.do == "send" and not entry.id:
            raise ScenarioError(f"{where}, key `id`: a command needs a name that others can speak of")
        moments.append(entry.id)
        if entry.do in ("send", "release"):
            sent.append(entry.id)
    for number, expectation in enumerate(scenario.expect, 1):
        where = f"{scenario.path}: [[expect]] {number}"
        for key in ("after", "until"):
            if (name := getattr(expectation, key)) not in moments or not name:
                known = ", ".join(moment for moment in moments if moment)
                raise ScenarioError(f"{where}, key `{key}`: no [[at]] has id = {name!r}; there are: {known}")
        if (of := getattr(expectation, "of", "")) and of not in sent:
            raise ScenarioError(f"{where}, key `of`: no send is called {of!r}")


def _converted(path: Path, where: str, table: Table, into: Any) -> Any:
    try:
        return msgspec.convert(table, into)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{path}: {where}, {_said(error, into)}") from error


def _said(error: msgspec.ValidationError, structure: Any) -> str:
    """The key and the mend in msgspec's words; it says where as `$.key`, and for a wrong or missing key in the text."""
    text = str(error)
    what, _, where = text.partition(" - at `")
    named = re.search(r"field `([^`]+)`", what)
    found = _AT.match(where)
    key = named.group(1) if named else (found.group("key") if found and found.group("key") else "?")
    known = ", ".join(name for name in structure.__struct_encode_fields__ if name not in ("text",))
    return f"key `{key}`: {what}; its keys are: {known}"
