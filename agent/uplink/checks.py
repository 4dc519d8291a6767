"""What a signed command must pass before it does anything (docs/wire.md section 6); pure.

Each check answers the wire's code, or None. The order is the contract's: freshness, replay, policy.

effect    A command is judged by what it does, not by its name: it raises if at any later instant more could be allowed
          because of it. A new limit only ever lowers, save where it takes the place of the issuer's own limit on the
          same circuit: there a higher limit raises, and so does one that ends earlier.
no clock  While the wall clock is not trusted, an expiry by wall time says nothing. `boot` and `up` need no clock.
"""

from collections.abc import Mapping

from msgspec import UNSET, Struct

from agent.uplink.command_body import Command, LimitArgs, NoArgs, ReleaseArgs, convert
from agent.uplink.keyring import KeyRecord
from agent.uplink.records import RecordError
from agent.uplink.stories import Limit

EXPIRY_MS_MAX = 24 * 3600 * 1000
NS_PER_MS = 1_000_000
VERIFY_MS = 10_000


class Policy(Struct, frozen=True):
    """What the site decides about commands."""

    hold_max_s: float = 86_400.0  # no limit lasts longer, whatever was asked
    lower_without_clock: bool = True


class Moment(Struct, frozen=True):
    """When and where a command is judged."""

    now_ns: int
    up_ms: int
    wall_ms: int | None
    boot: str
    epoch: int
    to_all: bool  # addressed to every agent of the site
    retained: bool


class Asked(Struct, frozen=True):
    """What a command comes to here."""

    circuit: str | None = None  # None: it touches none
    limit: Limit | None = None
    releases: str | None = None
    raises: bool = False


def not_fresh(command: Command, moment: Moment, policy: Policy, *, raises: bool) -> str | None:
    """Whether it comes at the wrong time or from another incarnation."""
    if command.epoch != (None if moment.to_all else moment.epoch):
        return "epoch"
    if moment.retained:
        return "retained"
    expiry = command.exp
    if expiry.boot is not None and expiry.up is not None:
        if expiry.boot != moment.boot or moment.up_ms >= expiry.up:
            return "expired"
    elif moment.wall_ms is None and (raises or not policy.lower_without_clock):
        return "clock"
    if moment.wall_ms is None:
        return "clock" if command.nbf is not None else None
    if expiry.ts is not None and moment.wall_ms >= expiry.ts:
        return "expired"
    if expiry.ts is not None and expiry.ts > moment.wall_ms + EXPIRY_MS_MAX:
        return "policy"
    if command.nbf is not None and moment.wall_ms < command.nbf:
        return "not_yet"
    return None


def asked_of(
    command: Command,
    moment: Moment,
    policy: Policy,
    circuits: Mapping[str, float | None],
    own_limits: Mapping[str, Limit],
    in_force: Mapping[str, Limit],
) -> Asked:
    """What it would do; raises RecordError when it cannot be done here.

    `own_limits` are the issuer's by circuit, `in_force` everybody's by command.
    """
    if command.op not in ("limit.set", "limit.release", "ping"):
        raise RecordError("unsupported", f"op {command.op!r}")
    circuit = next(iter(circuits)) if command.scope == "site" else command.scope
    if circuit not in circuits:
        raise RecordError("scope", f"no circuit {command.scope!r}")
    if command.op == "ping":
        convert(command.args, NoArgs)
        return Asked()
    if command.op == "limit.release":
        released = convert(command.args, ReleaseArgs).id
        limit = in_force.get(released)
        if limit is None or limit.circuit != circuit:
            raise RecordError("policy", f"{released} is no limit in force on {circuit}")
        return Asked(circuit, None, released, raises=True)
    limit = _limit(command, convert(command.args, LimitArgs).kw * 1000, circuit, moment, policy)
    own = own_limits.get(circuit)
    raises = own is not None and (limit.watts > own.watts or limit.until_ns < own.until_ns)
    return Asked(circuit, limit, None, raises)


def not_allowed(command: Command, asked: Asked, key: KeyRecord, moment: Moment) -> str | None:
    """Whether this key may do that."""
    if asked.circuit is not None and not key.covers(asked.circuit):
        return "scope"
    if command.op == "ping":
        return None
    if ("restore" if asked.raises else "curtail") not in key.roles:
        return "bad_role"
    if moment.to_all and asked.raises:
        return "policy"
    endless = command.lease_ms is None or command.after == "hold"
    if asked.limit is not None and endless and "operate" not in key.roles:
        return "bad_role"
    return None


def _limit(command: Command, watts: float, circuit: str, moment: Moment, policy: Policy) -> Limit:
    if command.lease_ms is UNSET:
        raise RecordError("bad_schema", "a limit needs lease_ms")
    if command.after == "plan":
        raise RecordError("unsupported", "after = plan")
    hold_ms = int(policy.hold_max_s * 1000)
    if command.lease_ms is not None and command.lease_ms > hold_ms:
        raise RecordError("policy", f"lease_ms above the site's {hold_ms}")
    endless = command.lease_ms is None or command.after == "hold"
    lasts_ms = hold_ms if endless or command.lease_ms is None else command.lease_ms
    need = command.need
    return Limit(
        circuit,
        watts,
        moment.now_ns,
        moment.now_ns + lasts_ms * NS_PER_MS,
        command.lease_ms,
        lasts_ms,
        command.after,
        need.verify_ms or VERIFY_MS,
        (need.tol_kw or 0.0) * 1000,
        command.why,
    )
