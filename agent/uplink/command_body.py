"""What a command holds (docs/wire.md section 6), checked member by member: an unknown member is refused."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from agent.uplink.records import INTEGER_MAX, NAME, ULID, RecordError

_Count = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
_Milliseconds = Annotated[int, Meta(ge=1, le=INTEGER_MAX // 1_000_000)]
_Kilowatts = Annotated[float, Meta(ge=-1e6, le=1e6)]
_Name = Annotated[str, Meta(pattern=f"^{NAME}$")]
_Ulid = Annotated[str, Meta(pattern=f"^{ULID}$")]


class Expiry(Struct, frozen=True, forbid_unknown_fields=True):
    """Until when a command may begin: by wall time, or by the agent's own uptime in one boot, or both."""

    ts: _Count | None = None
    boot: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")] | None = None
    up: _Count | None = None


class Need(Struct, frozen=True, forbid_unknown_fields=True):
    """What the issuer wants to see, and by when."""

    apply_ms: _Milliseconds | None = None
    verify_ms: _Milliseconds | None = None
    tol_kw: Annotated[float, Meta(ge=0, le=1e6)] | None = None


class Command(Struct, frozen=True, forbid_unknown_fields=True):
    """Section 6; every member is checked, none is ignored."""

    v: Literal[1]
    t: Literal["cmd"]
    id: _Ulid
    iss: _Name
    seq: _Count
    epoch: _Count | None
    op: Annotated[str, Meta(min_length=1, max_length=64)]
    scope: Annotated[str, Meta(min_length=1, max_length=64)]
    args: dict[str, Any]
    exp: Expiry
    lease_ms: _Milliseconds | UnsetType | None = UNSET
    after: Literal["release", "hold", "plan"] = "release"
    need: Need = Need()
    nbf: _Count | None = None
    dry: bool = False
    why: str = ""


class LimitArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """limit.set: what the scope's net power may be at most."""

    kw: _Kilowatts


class ReleaseArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """limit.release: which command's limit ends."""

    id: _Ulid


class NoArgs(Struct, frozen=True, forbid_unknown_fields=True):
    """ping."""


def read_command(payload: Mapping[str, Any]) -> Command:
    """The command in a payload; raises RecordError."""
    command = convert(payload, Command)
    if command.exp.ts is None and command.exp.boot is None:
        raise RecordError("bad_schema", "exp holds neither ts nor boot")
    if (command.exp.boot is None) != (command.exp.up is None):
        raise RecordError("bad_schema", "exp.boot and exp.up belong together")
    return command


T = TypeVar("T")


def convert(value: object, kind: type[T]) -> T:
    """Checked into a Struct; raises RecordError."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RecordError("bad_schema", str(error)) from error
