"""Prints an agent's records as they come, once each and only those that verify: a line each for people, or --json.

What does not verify goes to standard error and is counted there; it is never printed among the records.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from agent.cli import EXIT_FAILED, EXIT_OK
from agent.cli.outside import OutsideError, add_outside_arguments, topics_of, verifier_of, wire_of
from agent.consume.ordering import Ledger
from agent.consume.verifying import Record, Unverified, Verifier
from agent.uplink.keyfiles import KeyFileError
from agent.uplink.wire import Lost

CHANNELS = ("conn", "schema", "schema/+", "tele/+", "evt", "ctl", "ack/+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `ballast tail` takes."""
    add_outside_arguments(parser)
    parser.add_argument("--only", default="", help="kinds to print, with commas between: evt,ack (all)")
    parser.add_argument("--count", type=int, help="end after so many records")
    parser.add_argument("--json", action="store_true", help="each record as a line of JSON")


def main(arguments: argparse.Namespace) -> int:
    """Prints until it is interrupted, or --count."""
    try:
        verifier = verifier_of(arguments)
        asyncio.run(_tail(arguments, verifier))
    except (OutsideError, KeyFileError, Lost) as error:
        print(f"ballast tail: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        pass
    return EXIT_OK


async def _tail(arguments: argparse.Namespace, verifier: Verifier) -> None:
    only = {kind for kind in arguments.only.split(",") if kind}
    ledgers: dict[tuple[str, str], Ledger] = {}
    printed = 0
    connection = await wire_of(arguments).open(None)
    try:
        await connection.subscribe(topics_of(arguments, *CHANNELS))
        while arguments.count is None or printed < arguments.count:
            message = await connection.receive()
            message.acknowledge()
            try:
                record = verifier.record(message.topic, message.data)
            except Unverified as error:
                print(f"ballast tail: not believed: {error}", file=sys.stderr, flush=True)
                continue
            if not ledgers.setdefault((record.boot, record.channel), Ledger()).note(record):
                continue
            if not only or record.kind in only:
                print(json.dumps(record.body) if arguments.json else line_of(record), flush=True)
                printed += 1
    finally:
        await connection.close()


def line_of(record: Record) -> str:
    """One record for people."""
    at = f"{record.up / 1000:10.3f} s"
    return f"{at}  {record.channel:<14} {record.seq:>6}  {_words(record.kind, record.body)}"


def _words(kind: str, body: Mapping[str, Any]) -> str:
    match kind:
        case "tele":
            late = ", late" if body.get("late") else ""
            return f"{len(body['rows'])} rows{late}"
        case "gap":
            last = "the end" if body["to"] is None else body["to"]
            return f"lost {body['from']} to {last} of {body['of']}: {body['why']}"
        case "evt":
            parts = (body.get("k"), body.get("circuit"), body.get("rule"), body.get("why"), _part(body))
            return " ".join(str(part) for part in parts if part)
        case "ctl":
            circuits = (f"{one['id']} {one['mode']} {one['net_kw']} kW" for one in body["circuits"])
            return f"{body['control']}  {', '.join(circuits)}  {len(body['leases'])} leases"
        case "ack":
            code = f" ({body['code']})" if body.get("code") else ""
            return f"{body['id']} {body['st']}{code}"
        case "conn":
            return f"{body['st']} connection {body['conn']}"
        case "schema":
            return f"{body['id']} {len(body['dev'])} devices, {len(body['col'])} columns"
        case _:
            return json.dumps(body)


def _part(body: Mapping[str, Any]) -> str:
    loads = len(body.get("loads") or ())
    part = body.get("part")
    words = f"{loads} loads" if loads else ""
    return f"{words} part {part[0] + 1} of {part[1]}" if part else words
