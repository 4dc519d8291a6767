"""The wire contract's messages (docs/wire.md): addresses, what each record holds, and the strict way of reading them.

address   "v1/SITE/AGENT/CHANNEL": the topic without its root; it is signed along with the payload
channel   what kind of message: conn, schema, tele/STREAM, evt, ctl, ack/ISSUER from the agent; cmd/ISSUER to it
stamp     the members every record of ours begins with: who counted it, when it was
body      the rest of a record, made by the functions below as plain dicts (watts inside, kilowatts on the wire)

What we send is built here and encoded by msgspec. What we read comes through `read_json`, which refuses what two
parsers could understand differently (a key that is there twice, NaN, a byte order mark, half a surrogate pair) and
everything above the limits of section 8.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from agent.core.notes import EventNote

VERSION = 1
ALL_AGENTS = "_all"
BYTES_TARGET = 32 * 1024  # a record is split so that it stays below this; nothing may pass MESSAGE_BYTES_MAX
SMALL_BYTES_MAX = 8 * 1024  # cmd, ack, conn
LARGE_BYTES_MAX = 64 * 1024  # keys, plan, schema
MESSAGE_BYTES_MAX = 128 * 1024
DEPTH_MAX = 8
STRING_BYTES_MAX = 1024
ARRAY_MAX = 10_000
MEMBERS_MAX = 256
INTEGER_MAX = 2**63 - 1
NAME = r"[a-z0-9][a-z0-9-]{0,31}"
ULID = r"[0-9A-HJKMNP-TV-Z]{26}"
EVENT_LOADS_MAX = 1_000  # loads named in one part of an event: about 20 KiB
SCHEMA_DEVICES_MAX = 250  # devices in one part of a schema: about 25 KiB
_CHANNELS = re.compile(rf"(conn|evt|ctl|schema(/[1-9][0-9]{{0,3}})?|(tele|ack|cmd)/{NAME})")

Body = dict[str, Any]


class RecordError(Exception):
    """A payload is refused; `code` is the wire's word for why (section 6.1)."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Address(Struct, frozen=True):
    """Whose channel a message is on."""

    site: str
    agent: str
    channel: str

    def __str__(self) -> str:
        return f"v{VERSION}/{self.site}/{self.agent}/{self.channel}"

    def topic(self, root: str) -> str:
        return f"{root}/{self}"


def address_of(topic: str, root: str) -> Address:
    """The address in a topic; raises RecordError for anything that is not one of ours."""
    if not topic.startswith(f"{root}/"):
        raise RecordError("bad_addr", f"topic {topic!r} is not under {root!r}")
    return read_address(topic[len(root) + 1 :])


def read_address(text: str) -> Address:
    """The parts of an address; raises RecordError for anything that is not one of ours."""
    parts = text.split("/", 3)
    if len(parts) != 4 or parts[0] != f"v{VERSION}":
        raise RecordError("bad_addr", f"address {text!r}")
    _, site, agent, channel = parts
    if not (is_name(site) and (is_name(agent) or agent == ALL_AGENTS) and _CHANNELS.fullmatch(channel)):
        raise RecordError("bad_addr", f"address {text!r}")
    return Address(site, agent, channel)


def is_name(text: str) -> bool:
    return re.fullmatch(NAME, text) is not None


class Stamp(Struct, frozen=True):
    """Section 3: the members common to all records of an agent."""

    boot: str  # 16 hex digits, random per start of the agent
    seq: int  # +1 per message of the channel within a boot
    ts: int | None  # Unix ms, if the wall clock is trusted at all
    up: int  # ms since the agent's start
    clk: Mapping[str, object]  # {"src": ..., "err_ms": ...}


class Device(Struct, frozen=True):
    """One row source of the telemetry."""

    id: str
    kind: str  # meter | miner | gpu | ...
    model: str = ""
    group: str = ""


class Column(Struct, frozen=True):
    """One column of the telemetry."""

    n: str  # point
    u: str  # unit
    k: str = "gauge"  # gauge | counter | state


class Row(Struct, frozen=True, gc=False):
    """What one device gave: a value per column, None where it was not sampled; trailing Nones may be left out."""

    device: str
    taken_ns: int
    values: tuple[float | None, ...]
    bad: tuple[tuple[int, str], ...] = ()  # (column, why) of reads that failed


class CircuitState(Struct, frozen=True):
    """One circuit as `ctl` shows it."""

    id: str
    mode: str
    flags: tuple[str, ...] = ()
    net_w: float | None = None
    quality: str = "good"  # good | estimated | unknown
    lo_w: float | None = None
    hi_w: float | None = None
    why: str = ""


class LeaseState(Struct, frozen=True):
    """One active lease as `ctl` shows it."""

    id: str
    issuer: str
    circuit: str
    limit_w: float
    left_ms: int | None
    after: str


def encode(kind: str, stamp: Stamp, body: Body) -> bytes:
    """A record's payload."""
    return msgspec.json.encode({"v": VERSION, "t": kind, **msgspec.structs.asdict(stamp), **body})


def schema_bodies(devices: Sequence[Device], columns: Sequence[Column], ops: Sequence[str]) -> tuple[str, list[Body]]:
    """The schema's id, and its parts by device range: part 0 for channel `schema`, part k for `schema/k`."""
    whole = {"dev": devices, "col": columns, "ops": ops}
    schema = sha256(msgspec.json.encode(whole)).hexdigest()[:8]
    starts = range(0, max(1, len(devices)), SCHEMA_DEVICES_MAX)
    return schema, [
        {
            "id": schema,
            "part": [number, len(starts)],
            "first": start,
            "dev": devices[start : start + SCHEMA_DEVICES_MAX],
            "col": columns,
            "ops": ops,
        }
        for number, start in enumerate(starts)
    ]


def batch_bodies(
    schema: str, index: Mapping[str, int], at_ns: int, rows: Sequence[Row], is_late: Callable[[], bool]
) -> Iterator[Body]:
    """A batch's rows as one body or, above BYTES_TARGET, several. `prev` is added by whoever knows the chain.

    Values are rounded to 3 decimals (1 mW, 1 mHz) and what is not a number becomes null with an entry in `bad`.
    """
    columns = max((len(row.values) for row in rows), default=0)
    size = max(1, (BYTES_TARGET - 1024) // (18 + 13 * columns))
    for start in range(0, len(rows), size):
        bad: list[list[object]] = []
        lines = [_line(row, number, index, at_ns, bad) for number, row in enumerate(rows[start : start + size])]
        body: Body = {"sch": schema, "prev": None, "late": is_late(), "rows": lines}
        if bad:
            body["bad"] = bad
        yield body


def _line(row: Row, number: int, index: Mapping[str, int], at_ns: int, bad: list[list[object]]) -> list[object]:
    line: list[object] = [index[row.device], (row.taken_ns - at_ns) // 1_000_000]
    for column, value in enumerate(row.values):
        if value is None:
            line.append(None)
        elif math.isfinite(value):
            line.append(round(value, 3))
        else:
            line.append(None)
            bad.append([number, column, "not_a_number"])
    bad.extend([number, column, why] for column, why in row.bad)
    while line[-1] is None:
        line.pop()
    return line


def gap_body(first: int, last: int | None, boot: str, why: str) -> Body:
    """Records first..last of one boot are lost; last None: all from there on that the reader does not have.

    `of`, because `boot` is the start that tells it.
    """
    return {"from": first, "to": last, "of": boot, "why": why, "prev": None}


def circuit_body(state: CircuitState) -> Body:
    return {
        "id": state.id,
        "mode": state.mode,
        "flags": state.flags,
        "net_kw": kilowatts(state.net_w),
        "quality": state.quality,
        "lo_kw": kilowatts(state.lo_w),
        "hi_kw": kilowatts(state.hi_w),
        "why": clipped(state.why),
    }


def lease_body(state: LeaseState) -> Body:
    return {
        "id": state.id,
        "iss": state.issuer,
        "scope": state.circuit,
        "kw": kilowatts(state.limit_w),
        "left_ms": state.left_ms,
        "after": state.after,
    }


def ctl_body(
    control: str,
    circuits: Sequence[CircuitState],
    *,
    tie: str = "unknown",
    response: Sequence[tuple[str, float, int]] = (),
    tags: Sequence[object] = (),
    commissioned: bool = True,
) -> Body:
    """State as `ctl` shows it; `response` is (rule, watts, ms). The uplink adds the leases."""
    return {
        "control": control,
        "tie": tie,
        "commissioned": commissioned,
        "circuits": [circuit_body(state) for state in circuits],
        "response": [{"rule": rule, "kw": kilowatts(watts), "ms": ms} for rule, watts, ms in response],
        "tags": list(tags),
    }


def event_bodies(note: EventNote, index: Mapping[str, int]) -> Iterator[Body]:
    """An event as one body or, when it names many loads, several parts. A load's row says no more than is known."""
    body: Body = {
        "ev": note.event or None,
        "k": note.kind,
        "circuit": note.circuit,
        "rule": note.rule,
        "class": note.cls,
        "why": clipped(note.why),
        "want": {"lo_kw": None, "hi_kw": kilowatts(note.hi_w)},
        "meas": measured_body(note.meter, note.net_w, note.age_ns),
        "t_ms": {name: round(ns / 1e6, 3) for name, ns in note.times_ns},
    }
    starts = range(0, max(1, len(note.loads)), EVENT_LOADS_MAX)
    for number, start in enumerate(starts):
        some = note.loads[start : start + EVENT_LOADS_MAX]
        answers = note.answers[start : start + EVENT_LOADS_MAX] or ((),) * len(some)
        loads = [[index.get(load, load), step, *said] for (load, step), said in zip(some, answers, strict=True)]
        part = {"part": [number, len(starts)]} if len(starts) > 1 else {}
        yield {**body, "loads": loads, **part}


def measured_body(meter: str | None, net_w: float | None, age_ns: int | None) -> Body | None:
    if meter is None and net_w is None:
        return None
    return {"meter": meter, "kw": kilowatts(net_w), "age_ms": None if age_ns is None else age_ns // 1_000_000}


def kilowatts(watts: float | None) -> float | None:
    """For the wire; None where there is no number, or no bound."""
    return round(watts / 1000, 3) if watts is not None and math.isfinite(watts) else None


def clipped(text: str) -> str:
    """At most what a string on the wire may be."""
    return text.encode()[:STRING_BYTES_MAX].decode(errors="ignore")


def read_json(data: bytes, bytes_max: int = MESSAGE_BYTES_MAX) -> dict[str, Any]:
    """A JSON object within the limits of section 8; raises RecordError and nothing else."""
    if len(data) > bytes_max:
        raise RecordError("too_big", f"{len(data)} bytes, at most {bytes_max} allowed")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RecordError("bad_schema", f"not JSON as we take it: {error}") from error
    if not isinstance(value, dict):
        raise RecordError("bad_schema", "not a JSON object")
    _within_limits(value, 1)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _within_limits(value: object, depth: int) -> None:
    if isinstance(value, str):
        _check_string(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise RecordError("bad_schema", "a number beyond all floats")
    elif isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise RecordError("bad_schema", "an integer beyond 63 bits")
    elif isinstance(value, list | dict):
        if depth > DEPTH_MAX:
            raise RecordError("too_big", f"deeper than {DEPTH_MAX}")
        size_max = ARRAY_MAX if isinstance(value, list) else MEMBERS_MAX
        if len(value) > size_max:
            raise RecordError("too_big", f"{len(value)} entries, at most {size_max} allowed")
        if isinstance(value, dict):
            for key in value:
                _check_string(key)
        for inner in value if isinstance(value, list) else value.values():
            _within_limits(inner, depth + 1)


def _check_string(text: str) -> None:
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise RecordError("bad_schema", "half a surrogate pair") from error
    if size > STRING_BYTES_MAX:
        raise RecordError("too_big", f"a string of {size} bytes, at most {STRING_BYTES_MAX} allowed")
