"""Sends one signed command and follows what becomes of it.

    ballast send limit --circuit poi --kw 1200 --lease 15m ...     at most 1,200 kW for 15 minutes
    ballast send release 01J... ...                                end a limit by its command's id

The agent's retained birth, verified with its public key, tells its epoch, which a command must name. The command can
begin for one minute (--valid) by this machine's clock.

Exit codes: 0 verified (a release or a dry run: done), 3 rejected, expired or failed, 4 unverified, 5 no answer in time,
1 it could not be sent.
"""

import argparse
import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from agent.cli import EXIT_FAILED, EXIT_OK
from agent.cli.counting import CountingError, next_number
from agent.cli.outside import OutsideError, add_outside_arguments, topics_of, verifier_of, wire_of
from agent.consume.verifying import Record, Unverified, Verifier
from agent.shell.clock import SystemClock
from agent.uplink.keyfiles import KeyFileError, load_signer
from agent.uplink.records import ULID, Address, is_name
from agent.uplink.sealing import Signer, digest
from agent.uplink.ulid import new_ulid
from agent.uplink.wire import Connection, Lost

EXIT_REJECTED: Final = 3
EXIT_UNVERIFIED: Final = 4
EXIT_NO_ANSWER: Final = 5
BIRTH_WITHIN_S: Final = 5.0
ANSWER_WITHIN_S: Final = 10.0
_UNITS = {"s": 1, "m": 60, "h": 3600}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast send` takes."""
    what = parser.add_subparsers(dest="what", required=True, metavar="limit|release")
    limit = what.add_parser("limit", help="a circuit's net power may be at most so much, for so long")
    limit.add_argument("--circuit", default="site", help="the circuit's id (%(default)s: the root)")
    limit.add_argument("--kw", type=float, required=True, help="at most so many kW")
    limit.add_argument("--lease", type=duration_ms, required=True, help="for so long: 90s, 15m, 4h")
    limit.add_argument("--verify", type=duration_ms, default=10_000, help="the meter must show it by then (10s)")
    limit.add_argument("--tolerance-kw", type=float, default=0.0, help="so much above still counts (%(default)s)")
    limit.add_argument("--dry", action="store_true", help="have it judged, without effect")
    release = what.add_parser("release", help="end a limit before its lease does")
    release.add_argument("id", help="the id of the command that set it")
    release.add_argument("--circuit", default="site", help="the circuit it is on (%(default)s: the root)")
    for one in (limit, release):
        one.add_argument("--key", type=Path, required=True, help="the issuer's private key")
        one.add_argument("--issuer", default="dispatch", help="the issuer's name in the keyring (%(default)s)")
        one.add_argument("--why", default="", help="for the record")
        one.add_argument("--valid", type=duration_ms, default=60_000, help="it may begin for so long (60s)")
        one.add_argument("--json", action="store_true", help="every status as a line of JSON")
        add_outside_arguments(one)


def main(arguments: argparse.Namespace) -> int:
    """Sends it; the exit code says what became of it."""
    try:
        signer, verifier = load_signer(arguments.key), verifier_of(arguments)
        if not is_name(arguments.issuer):
            raise OutsideError(f"--issuer {arguments.issuer}: a-z, 0-9 and -, at most 32")
        if arguments.what == "release" and not re.fullmatch(ULID, arguments.id):
            raise OutsideError(
                f"{arguments.id} is not the id of a command: 26 letters and digits, `ballast tail` shows it"
            )
        return asyncio.run(_send(arguments, signer, verifier))
    except (OutsideError, KeyFileError, CountingError, Lost, NoBirth) as error:
        print(f"ballast send: {error}", file=sys.stderr)
        return EXIT_NO_ANSWER if isinstance(error, NoBirth) else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_NO_ANSWER


class NoBirth(Exception):
    """The agent has not been heard of."""


def duration_ms(text: str) -> int:
    """Milliseconds of 90s, 15m, 4h."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if match is None or (found := round(float(match[1]) * _UNITS[match[2]] * 1000)) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 90s, 15m or 4h")
    return found


def command_body(arguments: argparse.Namespace, epoch: int, command: str, seq: int, wall_ms: int) -> dict[str, Any]:
    """The command (docs/wire.md section 6)."""
    body: dict[str, Any] = {
        "v": 1,
        "t": "cmd",
        "id": command,
        "iss": arguments.issuer,
        "seq": seq,
        "epoch": epoch,
        "scope": arguments.circuit,
        "exp": {"ts": wall_ms + arguments.valid},
        "why": arguments.why,
    }
    if arguments.what == "release":
        return {**body, "op": "limit.release", "args": {"id": arguments.id}}
    need = {"verify_ms": arguments.verify, "tol_kw": arguments.tolerance_kw}
    limit = {"args": {"kw": arguments.kw}, "lease_ms": arguments.lease, "need": need, "dry": arguments.dry}
    return {**body, "op": "limit.set", **limit}


async def _send(arguments: argparse.Namespace, signer: Signer, verifier: Verifier) -> int:
    connection = await wire_of(arguments).open(None)
    try:
        await connection.subscribe(topics_of(arguments, "conn", f"ack/{arguments.issuer}"))
        birth = await _hear_birth(connection, verifier)
        wall_ms = SystemClock().wall_ms()
        if wall_ms is None:
            raise OutsideError("this machine's clock is wrong (before 2026); set it, a command has an end of validity")
        command = new_ulid(wall_ms)
        seq = next_number(arguments.key, arguments.site)
        payload = json.dumps(command_body(arguments, birth.body["epoch"], command, seq, wall_ms)).encode()
        address = Address(arguments.site, arguments.agent, f"cmd/{arguments.issuer}")
        data = signer.seal(str(address), payload)
        await connection.publish(address.topic(arguments.root), data)
        if not arguments.json:
            print(f"{command} sent (number {seq})", flush=True)
        return await _follow(arguments, connection, verifier, digest(data))
    finally:
        await connection.close()


async def _hear_birth(connection: Connection, verifier: Verifier) -> Record:
    """The agent's birth, which the broker retains; raises NoBirth."""
    birth: Record | None = None
    try:
        async with asyncio.timeout(BIRTH_WITHIN_S):
            while birth is None or birth.body.get("st") != "online":
                record = await _next_record(connection, verifier)
                if record is not None and record.kind == "conn":
                    birth = record
    except TimeoutError:
        raise NoBirth(_why_no_birth(birth)) from None
    return birth


def _why_no_birth(birth: Record | None) -> str:
    if birth is None:
        return "no birth of this agent that verifies; check --site, --agent and --agent-key"
    return f"the agent is {birth.body.get('st')}, not online"


async def _follow(arguments: argparse.Namespace, connection: Connection, verifier: Verifier, name: str) -> int:
    """Until a status that ends it for us; each status is printed."""
    wait_s = ANSWER_WITHIN_S
    seen = -1
    while True:
        try:
            async with asyncio.timeout(wait_s):
                record = await _next_record(connection, verifier)
        except TimeoutError:
            print("ballast send: no answer in time", file=sys.stderr)
            return EXIT_NO_ANSWER
        if record is None or record.kind != "ack" or record.body.get("cmd") != name or record.body["n"] <= seen:
            continue
        seen = record.body["n"]
        _print_status(record, as_json=arguments.json)
        code = _exit_code(record, done_when_applied=arguments.what == "release")
        if code is not None:
            return code
        if arguments.what == "limit":
            wait_s = ANSWER_WITHIN_S + arguments.verify / 1000


async def _next_record(connection: Connection, verifier: Verifier) -> Record | None:
    """The next message as a record; None if it proves nothing."""
    message = await connection.receive()
    message.acknowledge()
    try:
        return verifier.record(message.topic, message.data)
    except Unverified as error:
        print(f"ballast send: not believed: {error}", file=sys.stderr)
        return None


def _exit_code(record: Record, *, done_when_applied: bool) -> int | None:
    """What a status means for us; None while it goes on."""
    state = record.body["st"]
    if state == "verified" or (state == "applied" and done_when_applied) or record.body.get("dry"):
        return EXIT_REJECTED if state == "rejected" else EXIT_OK
    if state in ("unverified", "ended", "superseded"):
        return EXIT_UNVERIFIED
    return EXIT_REJECTED if state in ("rejected", "expired", "failed") else None


def _print_status(record: Record, *, as_json: bool) -> None:
    body = record.body
    if as_json:
        print(json.dumps(body), flush=True)
        return
    times = body.get("t_ms") or {}
    parts = [f"{body['st']:<10}", f"after {times[body['st']]} ms" if body["st"] in times else ""]
    if body.get("code"):
        parts.append(f"({body['code']})")
    limit, meas = body.get("limit") or {}, body.get("meas") or {}
    if limit.get("after") is not None:
        parts.append(f"limit {limit['after']} kW")
    if meas.get("kw") is not None:
        parts.append(f"{meas['meter']} reads {meas['kw']} kW")
    print(" ".join(part for part in parts if part), flush=True)
