"""TOML values to Structs, noting every fault instead of stopping at the first.

msgspec decodes and checks each single value; what surrounds it (unknown and missing keys, tables in tables, what is not
yet supported, where it stands and how to mend it) is worked out here from the Structs' own fields, so that tables.py
stays the only description of the format.
"""

import math
import types
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, TypeGuard, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct, inspect

from agent.config.devices import ContactorTable, LinkTable, MeterTable, PlcTable
from agent.config.faults import Fault, key_shown, kind_of, shown
from agent.config.lines import Lines, Path
from agent.config.loads import GpusTable, MinersTable
from agent.config.notyet import mend_not_yet
from agent.config.rules import RuleTable
from agent.config.tables import (
    CircuitTable,
    EnterServiceTable,
    KeysTable,
    MaintenanceTable,
    MqttTable,
    RideThroughTable,
    SiteTable,
    TelemetryTable,
)
from agent.config.values import MENDS
from drivers.profile import Profile

S = TypeVar("S", bound=Struct)
T = TypeVar("T")
Rows = list[tuple[Path, T]]

SEVERAL: Final = (
    "circuit",
    "link",
    "meter",
    "plc",
    "miners",
    "gpus",
    "contactor",
    "rule",
    "maintenance",
)  # written [[…]]

_BROKEN: Final = object()  # in place of a value that has a fault


class Reader:
    """One site.toml while it is read, with the faults found so far."""

    def __init__(self, file: str, raw: dict[str, Any], lines: Lines, *, whole: bool = True) -> None:
        self.file = file
        self.raw = raw
        self.lines = lines
        self.whole = whole  # no line was left out for its syntax: what is missing is really missing
        self.faults: list[Fault] = []

    def fault(self, path: Path, wrong: str, mend: str, *, missing: bool = False) -> None:
        """Notes a fault of what stands at the path; of a missing key, at its table."""
        if missing and not self.whole:
            return
        label, name, inner = self._named(path)
        value = None if missing or not inner else shown(self._value(path))
        self.faults.append(Fault(self.file, self.lines.at(path), label, name, _dotted(inner), value, wrong, mend))

    def tables(self, name: str, kind: type[S]) -> Rows[S]:
        """Every table of an array of tables that has no fault of its own, with its path."""
        good: Rows[S] = []
        for path, raw in self.each(name):
            table = self.table(path, raw, kind)
            if table is not None:
                good.append((path, table))
        return good

    def each(self, name: str) -> Iterable[tuple[Path, dict[str, Any]]]:
        """Every raw table of an array of tables; notes a fault once for what is not one."""
        raw = self.raw.get(name, [])
        if not isinstance(raw, list):
            self.fault((name,), "written once, but there may be several", f"write [[{name}]]")
            return
        for index, item in enumerate(raw):
            if isinstance(item, dict):
                yield (name, index), item
            else:
                self.fault((name, index), f"{kind_of(item)}, not a table", f"write [[{name}]] and its keys below it")

    def single(self, name: str, kind: type[S]) -> S | None:
        """The table that there is once."""
        raw = self.raw.get(name, {})
        if isinstance(raw, list):
            self.fault((name,), "written as one of several, but there is only one", f"write [{name}], once")
            return None
        return self.table((name,), raw, kind)

    def table(self, path: Path, raw: object, kind: type[S], skip: Collection[str] = ()) -> S | None:
        """A table as its Struct, or None when something in it is wrong."""
        if not isinstance(raw, dict):
            self.fault(path, f"{kind_of(raw)}, not a table", "write its keys in a table")
            return None
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        kept: dict[str, object] = {}
        for key, value in raw.items():
            if key in skip:
                continue
            if mend := mend_not_yet(_place((*path, key)), value):
                self.fault((*path, key), "not yet supported", mend)
                kept[key] = _BROKEN
            elif key not in fields:
                self.fault((*path, key), "no such key here", nearest(key, (*fields, *skip), "take it out"))
            else:
                kept[key] = self._read((*path, key), value, fields[key].type)
        for key, field in fields.items():
            if field.required and key not in raw:
                self.fault((*path, key), "missing", f"add it: {_wanted(field.type)}", missing=True)
        if any(value is _BROKEN for value in kept.values()):
            return None
        if any(field.required and key not in kept for key, field in fields.items()):
            return None
        return kind(**{fields[key].name: value for key, value in kept.items()})

    def _read(self, path: Path, raw: object, kind: Any) -> object:
        choices = _choices(kind)
        if isinstance(raw, dict):
            for choice in choices:
                if _is_struct(choice):
                    table = self.table(path, raw, choice)
                    return _BROKEN if table is None else table
        if isinstance(raw, list):
            for choice in choices:
                if get_origin(choice) is tuple:
                    items = [self._read((*path, at), item, get_args(choice)[0]) for at, item in enumerate(raw)]
                    if any(item is _BROKEN for item in items):
                        return _BROKEN
        if isinstance(raw, dict):
            for choice in choices:
                if get_origin(choice) is dict and not self._names_hold(path, raw, get_args(choice)):
                    return _BROKEN
        if isinstance(raw, float) and not math.isfinite(raw):
            self.fault(path, "not a finite number", f"write {_wanted(kind)}")
            return _BROKEN
        if isinstance(raw, str) and any(ord(character) < 32 or ord(character) == 127 for character in raw):
            self.fault(path, "control characters in it", "take them out")
            return _BROKEN
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError:
            self.fault(path, *_explained(raw, kind))
            return _BROKEN

    def _names_hold(self, path: Path, raw: dict[str, Any], kinds: tuple[Any, Any]) -> bool:
        """Whether every key and value of a table of free names is well formed."""
        before = len(self.faults)
        for key, value in raw.items():
            try:
                msgspec.convert(key, kinds[0])
            except msgspec.ValidationError:
                self.fault((*path, key), "this name is not well formed", _explained(key, kinds[0])[1])
                continue
            self._read((*path, key), value, kinds[1])
        return len(self.faults) == before

    def _named(self, path: Path) -> tuple[str, str, Path]:
        """A table's label as it is written, its id where it has one, and what of the path is within it."""
        if len(path) > 1 and isinstance(path[1], int):
            table = self._value(path[:2])
            name = table.get("id") if isinstance(table, dict) else None
            written = isinstance(name, str) and name.isprintable()
            return f"[[{key_shown(path[0])}]]", str(name) if written else f"#{path[1] + 1}", path[2:]
        whole = self._value(path[:1])
        if isinstance(whole, list) or (whole is None and path[0] in SEVERAL):
            return f"[[{key_shown(path[0])}]]", "", path[1:]
        if isinstance(whole, dict) or whole is None or len(path) > 1:
            return f"[{key_shown(path[0])}]", "", path[1:]
        return "", "", path

    def _value(self, path: Path) -> Any:
        value: Any = self.raw
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def ids(self, name: str) -> dict[str, Path]:
        """Every id written in an array of tables, with faults in its table or not, and where it stands first."""
        found: dict[str, Path] = {}
        raw = self.raw.get(name)
        for index, item in enumerate(raw if isinstance(raw, list) else []):
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                found.setdefault(item["id"], (name, index))
        return found


class Draft(Struct):
    """What could be read of a site.toml: every table that has no fault of its own, with where it stands."""

    reader: Reader
    folder: FilePath  # of site.toml
    site: SiteTable | None
    circuits: Rows[CircuitTable]
    links: Rows[LinkTable]
    meters: Rows[MeterTable]
    plcs: Rows[PlcTable]
    gpus: Rows[GpusTable]
    contactors: Rows[ContactorTable]
    rules: Rows[RuleTable]
    ride_through: RideThroughTable | None
    enter_service: EnterServiceTable | None
    maintenance: Rows[MaintenanceTable]
    mqtt: MqttTable | None
    telemetry: TelemetryTable | None
    keys: KeysTable | None
    miners: Rows[MinersTable] = []
    profiles: dict[str, Profile] = {}  # of meters and PLCs, by their ids
    named: dict[str, str] = {}  # inventories and the site's own profiles as read, by the name that site.toml gives them


def nearest(word: str, words: Iterable[str], otherwise: str) -> str:
    """A question for the nearest known word, or what to do when none is near."""
    near = get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else otherwise


def _is_struct(kind: object) -> TypeGuard[type[Struct]]:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _choices(kind: Any) -> tuple[Any, ...]:
    """Every kind that a value may be, without their constraints."""
    if get_origin(kind) is Annotated:
        return _choices(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(choice for part in get_args(kind) for choice in _choices(part))
    return (kind,)


def _place(path: Path) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def _dotted(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{key_shown(part)}" for part in path).removeprefix(".")


def _explained(raw: object, kind: Any) -> tuple[str, str]:
    """Why a value is not accepted, and the mend."""
    info, extra = _plain(inspect.type_info(kind))
    mend = extra.get(MENDS, f"write {_wanted(kind)}")
    match info, raw:
        case inspect.LiteralType(values=values), str():
            return "no such choice", nearest(raw, (str(value) for value in values), f"write {_wanted(kind)}")
        case ((inspect.FloatType() | inspect.IntType()), str()) if _is_number(raw):
            return "this is text", f"write the number without quotes: {raw.strip()}"
        case inspect.IntType(), float() if raw.is_integer():
            return "not a whole number", f"write {int(raw)}"
        case ((inspect.FloatType() | inspect.IntType()), (int() | float())) if not isinstance(raw, bool):
            if isinstance(info, inspect.IntType) and isinstance(raw, float):
                return "not a whole number", mend
            low = (info.ge is not None and raw < info.ge) or (info.gt is not None and raw <= info.gt)
            return "too low" if low else "too high", mend
        case inspect.StrType(), str():
            if not raw:
                return "empty", mend
            return "too long" if info.max_length is not None and len(raw) > info.max_length else "not well formed", mend
        case inspect.VarTupleType(), list():
            return ("too long", "write fewer") if raw else ("empty", mend)
    return f"this is {kind_of(raw)}", f"write {_wanted(kind)}"


def _wanted(kind: Any) -> str:
    """What a value should be, in plain words: "a number above 0, at most 1000, such as 4"."""
    full = inspect.type_info(kind)
    info, extra = _plain(full)
    schema = _schema(full)
    examples = schema.get("examples", [])
    such_as = f", such as {shown(examples[0])}" if examples else ""
    match info:
        case inspect.LiteralType(values=values):
            return " or ".join(f'"{value}"' for value in values)
        case inspect.IntType() | inspect.FloatType():
            noun = "a whole number" if isinstance(info, inspect.IntType) else "a number"
            if info.gt is not None:
                return f"{noun} above {_figure(info.gt)}, at most {_figure(info.le)}{such_as}"
            return f"{noun} from {_figure(info.ge)} to {_figure(info.le)}{such_as}"
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType():
            described = schema.get("description", "")
            return f"text in quotes{such_as}" + (f" ({described})" if described and not extra else "")
        case inspect.VarTupleType():
            return f"a list{such_as}"
        case inspect.StructType(cls=cls):
            return "{ " + ", ".join(f"{name} = …" for name in cls.__struct_fields__) + " }"
    return "a table of names and texts"


def _plain(info: inspect.Type) -> tuple[inspect.Type, dict[str, str]]:
    """The type without its wrappers and without None; of a union, the first; with the mends on the way."""
    extra: dict[str, str] = {}
    while True:
        if isinstance(info, inspect.Metadata):
            extra = {**(info.extra or {}), **extra}
            info = info.type
        elif isinstance(info, inspect.UnionType):
            info = next(choice for choice in info.types if not isinstance(choice, inspect.NoneType))
        else:
            return info, extra


def _schema(info: inspect.Type) -> dict[str, Any]:
    while isinstance(info, inspect.UnionType):
        info = next(choice for choice in info.types if not isinstance(choice, inspect.NoneType))
    return (info.extra_json_schema or {}) if isinstance(info, inspect.Metadata) else {}


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
